"""Rights that somebody takes by moves of their own, as a flag in their profile or a role in their membership.

Rows of other tenants that they reach then are an error. So is what only a higher role could do in their own tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import psycopg
from psycopg import sql

from pgassay.catalog import Function
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.chains import Chains
from pgassay.checks.isolation.gains import Gains, Nobodys, Seen, anew_after
from pgassay.checks.isolation.kept_settings import KeptSettings
from pgassay.checks.isolation.matrix import OPERATIONS, Actor, Probe, Verdict
from pgassay.checks.isolation.owncalls import OwnCalls
from pgassay.checks.isolation.ownwrites import OwnMove, OwnWrites
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.schema import asked as asked_for

ROLE_ESCALATION = "role-escalation"
Reached = Mapping[tuple[str, str], Mapping[str, set[str]]]
"""By relation and name of an actor: the tenants whose rows each operation reaches."""


@dataclass(frozen=True)
class _Right:
    """What a member may not do without a move: ``what`` with the rows of ``table``, as the statement ``shown`` does."""

    table: str
    what: str
    shown: str
    holds: Callable[[Session], bool]


def _reaches(target: Target, operation: str, actor: Actor, session: Session) -> bool:
    return "A" in target.reaches(operation, session, actor)


class Escalation:
    """Moves of a member of A, and of somebody without a tenant, and what is open then in ``whole``.

    Nothing was found in ``whole`` before. ``reached`` is what each of the ``actors`` reaches in ``targets``, and they
    may call the ``functions``.
    """

    def __init__(
        self,
        world: World,
        targets: Mapping[str, Target],
        whole: Sequence[Target],
        actors: Sequence[Actor],
        reached: Reached,
        functions: Iterable[Function],
    ) -> None:
        self._world = world
        self._targets = targets
        self._actors = actors
        self._reached = reached
        asked = asked_for.read(world.sources)
        self._writes = OwnWrites(world, targets, asked)
        self._calls = OwnCalls(world, asked)
        self._settings = KeptSettings(world)
        self._chains = Chains(self._writes, self._calls, functions)
        self._gains = Gains(world, whole)
        self._before: dict[Actor, Seen] = {}
        self._opened: set[str] = set()
        """Where rows of others were found open."""
        self._beyond: list[_Right] | None = None
        self._tried = 0

    @property
    def probes(self) -> int:
        """How many probes there were."""
        return self._tried + sum(part.probes for part in (self._gains, self._writes, self._calls, self._chains))

    @property
    def tables(self) -> Sequence[str]:
        """The tables whose rows decide what is open elsewhere, and may be written by signed-in users."""
        return self._writes.tables

    def try_table(self, session: Session, table: str) -> Iterator[Found]:
        """Write rows of one's own in a table, on a session of the API.

        One finding for each relation in which rows of others are open, and one where the writes give a role.
        """
        known: set[str] = set()
        for actor in self._movers:
            moves = self._writes.that_go_through(session, actor, table)
            known |= {move.what for move in moves}
            yield from self._gained(session, moves)
            yield from self._leaks(session, self._chains.of(session, moves))
        if self._strongest is not None:
            moves = self._writes.that_go_through(session, self._strongest, table)
            yield from self._leaks(session, [move for move in moves if move.what not in known])

    def try_function(self, session: Session, function: Function) -> Iterator[Found]:
        """The same by calls of a function; the finding is at the function."""
        for actor in self._movers if self._calls.is_move(function) else ():
            found = next(self._gained(session, self._calls.that_go_through(session, actor, function)), None)
            if found is not None:
                yield found
                return

    def try_settings(self, session: Session, function: Function) -> Iterator[Found]:
        """The same by calls that keep a setting for later requests."""
        calls = self._settings.calls(function) if self._calls.is_move(function) else []
        for actor in self._movers if calls else ():
            found = next(self._leaks(session, self._calls.moves(session, actor, function, calls)), None)
            if found is not None:
                yield found
                return

    @property
    def _movers(self) -> tuple[Actor, Actor]:
        return self._world.stranger, self._world.member("A")

    @cached_property
    def _strongest(self) -> Actor | None:
        """The member of A with another role who reaches most of A's rows, if that is more than any member does."""

        def reached(actor: Actor) -> int:
            of_all = [self._reached.get((name, actor.name), {}) for name in self._targets]
            return sum("A" in rows for of_each in of_all for rows in of_each.values())

        others = [actor for actor in self._actors if actor.own == {"A"} and not actor.forged and not actor.may_all]
        strongest = max(others, key=reached, default=None)
        is_stronger = strongest is not None and reached(strongest) > reached(self._world.member("A"))
        return strongest if is_stronger else None

    def _gained(self, session: Session, moves: Sequence[OwnMove]) -> Iterator[Found]:
        """What is open after one of the moves, which are those of one actor."""
        yield from self._leaks(session, moves)
        yield from self._raised(session, [move for move in moves if move.gives])

    def _leaks(self, session: Session, moves: Sequence[OwnMove]) -> Iterator[Found]:
        for move in moves:
            actor = move.actor
            if actor not in self._before:
                self._before[actor] = self._gains.before(session, actor)
            before, after = self._before[actor], self._after(session, move)
            for target in self._across(before, after, move):
                name = target.relation.full_name
                if name not in self._opened:
                    self._opened.add(name)
                    yield self._leak(before, target, move)

    def _after(self, session: Session, move: OwnMove) -> Seen:
        """What the actor reads after the move; nothing where it fails."""
        self._tried += 1
        try:
            with anew_after(session, move.actor, move.statements) as is_done:
                return self._gains.seen(session, move.actor, move.sent) if is_done else {}
        except psycopg.Error:
            if session.closed:
                raise
            return {}

    def _across(self, before: Seen, after: Seen, move: OwnMove) -> Iterator[Target]:
        """Where rows of others are open, but for who they are: whoever names a user may know whom."""
        for target in self._gains.gained(before, after, move.actor):
            relation = target.relation
            is_who = set(relation.primary_key) <= set(self._world.maker.users_in(relation))
            if move.gives or not (relation.primary_key and is_who):
                yield target

    def _raised(self, session: Session, moves: Sequence[OwnMove]) -> Iterator[Found]:
        """What the first of the moves lets its actor do that does more than before, if there is one."""
        for move in moves:
            right = self._right_after(session, move)
            if right is not None:
                yield self._raise(right, move)
                return

    def _right_after(self, session: Session, move: OwnMove) -> _Right | None:
        """The first right that there is after the move, of which nothing stays."""
        self._tried += 1
        rights = [right for right in self._rights_beyond(session) if right.table != move.object]
        try:
            with anew_after(session, move.actor, move.statements) as is_done:
                return next((right for right in rights if is_done and right.holds(session)), None)
        except psycopg.Error:
            if session.closed:
                raise
            return None

    def _rights_beyond(self, session: Session) -> list[_Right]:
        """What the member of A may not do without a move."""
        if self._beyond is None:
            member = self._world.member("A")
            self._beyond = [*self._of_others(member), *self._of_nobody(session, member)]
        return self._beyond

    def _of_others(self, member: Actor) -> Iterator[_Right]:
        """What other members of the tenant reach of it, and this one does not."""
        for name, target in self._targets.items():
            mine = self._reached.get((name, member.name), {})
            for operation in OPERATIONS if target.is_table else ():
                for actor in self._actors:
                    theirs = self._reached.get((name, actor.name), {})
                    is_other = actor.own == member.own and actor.user != member.user and not actor.forged
                    if is_other and "A" in theirs.get(operation, set()) - mine.get(operation, set()):
                        what = f"{operation} rows of its tenant in {name}, as {actor.name} can,"
                        shown = target.statements.get((operation, "A"), "")
                        yield _Right(name, what, shown, partial(_reaches, target, operation, member))
                        break

    def _of_nobody(self, session: Session, member: Actor) -> Iterator[_Right]:
        """To read tables of which it is not known whose their rows are, and which are closed to the member."""
        nobodys = Nobodys(self._world, self._targets)
        with member.enter(session):
            closed = nobodys.closed(session)
        for relation in closed:
            shown = sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name)).as_string(None)
            is_read = partial(nobodys.is_read, relation)
            yield _Right(relation.full_name, f"select rows in {relation.full_name}", shown, is_read)

    def _leak(self, before: Seen, target: Target, move: OwnMove) -> Found:
        relation, actor, is_call = target.relation, move.actor, move.door == "call"
        where = f" in {relation.full_name}" if is_call else ""
        read = sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name)).as_string(None)

        def holds(session: Session) -> bool:
            with anew_after(session, actor, move.statements):
                after = self._gains.seen(session, actor, move.sent, [target])
            return next(self._gains.gained(before, after, actor), None) is not None

        finding = Finding(
            Verdict.LEAKS.rule,
            move.object if is_call else relation.full_name,
            f"{actor.name} can select rows of other tenants{where} after {move.what}",
            move.advice,
            identity=actor.name,
            statement=f"{move.text};\n{read}",
            door=move.door if is_call else "select",
            expected="no row of another tenant, whatever one writes into one's own rows",
        )
        touches = relation.full_name if is_call else move.object
        return finding, Probe(actor, holds, mends=move.mends, touches=touches)

    def _raise(self, right: _Right, move: OwnMove) -> Found:
        actor = move.actor

        def holds(session: Session) -> bool:
            with anew_after(session, actor, move.statements):
                return right.holds(session)

        finding = Finding(
            ROLE_ESCALATION,
            move.object,
            f"{actor.name} can {right.what} after {move.what}",
            move.advice,
            identity=actor.name,
            statement=f"{move.text};\n{right.shown}" if right.shown else move.text,
            door=move.door,
            expected="no right that only another role has, whatever one writes into one's own rows",
        )
        return finding, Probe(actor, holds, mends=move.mends)
