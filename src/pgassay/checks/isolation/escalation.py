"""Rights that somebody takes by own writes, as a flag in their profile or a role in their membership.

Rows of other tenants that they reach then are an error. So is what only a higher role could do in their own tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql

from pgassay.checks.finding import Finding
from pgassay.checks.isolation.gains import Gains, Nobodys, Seen
from pgassay.checks.isolation.matrix import OPERATIONS, Actor, Probe, Verdict
from pgassay.checks.isolation.ownwrites import OwnWrite, OwnWrites
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.identity import Session

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
    """Own writes of a member of A, and of somebody without a tenant, and what is open then."""

    def __init__(self, world: World, targets: Mapping[str, Target], actors: Sequence[Actor], reached: Reached) -> None:
        self._world = world
        self._targets = targets
        self._actors = actors
        self._reached = reached
        self._writes = OwnWrites(world, targets)
        self.probes = 0

    def try_all(self, targets: Sequence[Target]) -> Iterator[Found]:
        """One finding for each relation in which rows of others are open, and each in which a role is written."""
        gains = Gains(self._world, targets)
        member = self._world.member("A")
        across: set[str] = set()
        for actor in (self._world.stranger, member):
            writes = self._writes.that_go_through(actor)
            before = gains.before(actor) if writes else {}
            for write in writes:
                after = gains.after(write.move) or {}
                for target in self._across(gains, before, after, write):
                    name = target.relation.full_name
                    if name not in across:
                        across.add(name)
                        yield self._leak(gains, before, target, write)
            if actor == member:
                yield from self._raised(member, [write for write in writes if write.gives])
        self.probes += gains.probes + self._writes.probes

    def _raised(self, member: Actor, writes: Sequence[OwnWrite]) -> Iterator[Found]:
        """For each relation in which a role is written, what that lets the member do."""
        found: set[str] = set()
        if not writes:
            return
        higher = [*self._higher(member), *self._of_nobody(member)]
        for write in writes:
            name = write.relation.full_name
            if name in found:
                continue
            rights = [right for right in higher if right.table != name]
            right = next((right for right in rights if self._may(write, right)), None)
            if right is not None:
                found.add(name)
                yield self._raise(right, write)

    def _across(self, gains: Gains, before: Seen, after: Seen, write: OwnWrite) -> Iterator[Target]:
        """Where rows of others are open, but for who they are: whoever names a user may know whom."""
        for target in gains.gained(before, after, write.move.actor):
            relation = target.relation
            is_who = set(relation.primary_key) <= set(self._world.maker.users_in(relation))
            if write.gives or not (relation.primary_key and is_who):
                yield target

    def _higher(self, member: Actor) -> Iterator[_Right]:
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

    def _of_nobody(self, member: Actor) -> Iterator[_Right]:
        """To read tables of which it is not known whose their rows are, and which are closed to the member."""
        nobodys = Nobodys(self._world, self._targets)
        with member.enter(self._world.connection) as session:
            closed = nobodys.closed(session)
        for relation in closed:
            shown = sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name)).as_string(None)
            yield _Right(
                relation.full_name, f"select rows in {relation.full_name}", shown, partial(nobodys.is_read, relation)
            )

    def _may(self, write: OwnWrite, right: _Right) -> bool:
        """Whether there is that right after the write, of which nothing stays."""
        owner = self._world.connection
        try:
            with owner.transaction(force_rollback=True), write.move.actor.enter(owner) as session:
                return self._is_raised(write, right, session)
        except psycopg.Error:
            if owner.closed:
                raise
            return False

    def _is_raised(self, write: OwnWrite, right: _Right, session: Session) -> bool:
        """The same on a session that is the actor's; what it writes stays there."""
        self.probes += 2
        session.begin_request()
        session.execute(write.move.statement.encode())
        return right.holds(session)

    def _leak(self, gains: Gains, before: Seen, target: Target, write: OwnWrite) -> Found:
        relation, actor = target.relation, write.move.actor
        read = sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name)).as_string(None)
        done = write.move.statement

        def holds(session: Session) -> bool:
            session.begin_request()
            session.execute(done.encode())
            after = gains.seen(session, actor, write.move.sent, [target])
            return next(gains.gained(before, after, actor), None) is not None

        what = "inserting" if write.is_insert else "changing"
        finding = Finding(
            Verdict.LEAKS.rule,
            relation.full_name,
            f"{actor.name} can select rows of other tenants after {what} a row of its own in "
            f"{write.relation.full_name}",
            "Take the right to write that column from the API's roles; let a function write it that asks who calls.",
            identity=actor.name,
            statement=f"{done};\n{read}",
            door="select",
            expected="no row of another tenant, whatever one writes into one's own rows",
        )
        return finding, Probe(actor, holds, mends=self._without(write), touches=write.relation.full_name)

    def _raise(self, right: _Right, write: OwnWrite) -> Found:
        actor, done = write.move.actor, write.move.statement
        finding = Finding(
            ROLE_ESCALATION,
            write.relation.full_name,
            f"{actor.name} can {right.what} after writing {', '.join(write.columns)} of a row of its own",
            "Take the right to write that column from the API's roles; let a function write it that asks who calls.",
            identity=actor.name,
            statement=f"{done};\n{right.shown}" if right.shown else done,
            door="insert" if write.is_insert else "update",
            expected="no right that only another role has, whatever one writes into one's own rows",
        )
        return finding, Probe(actor, partial(self._is_raised, write, right), mends=self._without(write))

    def _without(self, write: OwnWrite) -> tuple[str, ...]:
        """The statements that leave the right to update but for those columns."""
        relation = write.relation
        if write.is_insert:
            return ()
        table = sql.Identifier(relation.schema, relation.name)
        statements = [sql.SQL("revoke update on {} from public, anon, authenticated").format(table)]
        for role in ("anon", "authenticated"):
            left = [name for name in self._world.granted(relation, role, "update") if name not in write.columns]
            if left:
                columns = sql.SQL(", ").join(map(sql.Identifier, left))
                statements.append(sql.SQL("grant update ({}) on {} to {}").format(columns, table, sql.Identifier(role)))
        return (sql.SQL(";\n").join(statements).as_string(None),)
