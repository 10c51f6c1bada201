"""Values that a declared state withdraws, and that functions and views still give.

A row in a state ``hidden`` is the back end's alone, and a row out of ``open`` opens nothing any more. `states` tries
tables. Here the questions are asked again that were answered with such values before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Function, Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.arguments import Answer, Call, Words, answers
from pgassay.checks.isolation.belonging import is_marker
from pgassay.checks.isolation.by_calls import by_sql
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.functions import offered
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.owncalls import OwnCalls
from pgassay.checks.isolation.relations import Found, shortened
from pgassay.checks.isolation.seen_in import news, shown
from pgassay.checks.isolation.states import RULE, Guest, hidden
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import Row
from pgassay.schema import asked as asked_for
from pgassay.within import State

_TENANT = "A"
_VIEWS = ("view", "materialized view")
_AGAIN = 12
"""So many questions of one door are asked again of each row."""
Door = Relation | Function
Asked = list[tuple[Call, Answer]]


class Doors:
    """Views and functions, and what somebody asks of each with values of A, on a session of the rows' owner."""

    def __init__(self, world: World, relations: Iterable[Relation], functions: Iterable[Function]) -> None:
        self.world = world
        self.session = world.connection
        self._own = OwnCalls(world, asked_for.read(world.sources))
        self._offered = offered(world)
        views = (view for view in relations if view.kind in _VIEWS and view.full_name not in world.tenancy.public)
        self.all: dict[str, Door] = {view.full_name: view for view in views}
        self.all |= {function.signature: function for function in functions if not function.immutable}
        self.probes = 0

    def ask(self, door: Door, actor: Actor) -> Asked:
        """What a door answers to an actor, whom the session is. Raises `Stopped` where a call does not end."""
        return self.again(self._calls(door, actor))

    def again(self, calls: Sequence[Call]) -> Asked:
        """The answers to calls of one door."""
        answered, stopped = answers(self.session, calls)
        self.probes += len(answered)
        if stopped is not None:
            raise stopped
        return list(zip(calls, answered, strict=True))

    def _calls(self, door: Door, actor: Actor) -> list[Call]:
        if isinstance(door, Relation):
            statement = self.world.reading(door, actor.identity.role)
            return [Call(statement, [], reading=True)] if statement is not None else []
        if actor.identity.role not in door.roles:
            return []
        return self._own.with_own(self.session, replace(actor, own=frozenset(_TENANT)), door)

    def read_in_tables(self, actor: Actor, but: str) -> list[object]:
        """All that an actor, whom the session is, reads in tables other than one."""
        found: list[object] = []
        for relation in self.world.relations.values():
            statement = self.world.reading(relation, actor.identity.role)
            if relation.kind in _VIEWS or relation.full_name == but or statement is None:
                continue
            self.probes += 1
            try:
                found += self.session.attempt(statement, reading=True)[0].rows
            except psycopg.Error:
                if self.session.closed:
                    raise
        return found

    def found(self, finding: Finding, probe: Probe) -> Found:
        """The finding at a door, as far as the API is known to offer that."""
        door = self.all[finding.object]
        return (finding if isinstance(door, Relation) or door.schema in self._offered else by_sql(finding)), probe


@dataclass(frozen=True)
class _Hidden:
    """A row of A that a change hides, and the values that stand in it alone."""

    state: State
    row: Row
    change: Change
    marks: frozenset[str]


class OfHidden:
    """Asks doors again for the values of rows that are hidden since."""

    def __init__(self, doors: Doors, states: Iterable[State]) -> None:
        self._doors = doors
        self._world = doors.world
        self._session = doors.session
        self._rows = [
            _Hidden(state, row, change, marks)
            for state in states
            if state.kind == "hidden"
            for row, change in hidden(self._world, state)
            if (marks := _marks(self._world, state.table, row))
        ]

    def try_door(self, door: Door, actors: Sequence[Actor]) -> Iterator[Found]:
        """What a door still gives to members of A: a finding for each state."""
        told: set[State] = set()
        for actor in actors if self._rows else ():
            if actor.own != {_TENANT} or actor.forged or actor.may_all:
                continue
            with actor.enter(self._session):
                before = self._doors.ask(door, actor)
            for each in self._rows:
                calls = [call for call, answer in before if news(call, answer, each.marks)][:_AGAIN]
                still = self._still(door, actor, each, calls) if calls and each.state not in told else None
                if still is not None:
                    told.add(each.state)
                    yield self._finding(door, actor, each, *still)

    def _still(
        self, door: Door, actor: Actor, each: _Hidden, calls: Sequence[Call]
    ) -> tuple[Call, frozenset[str]] | None:
        """The first call that gives values of the row when it is hidden, and these."""
        with changes.made(self._world, self._session, _hiding(door, each)), actor.enter(self._session):
            given = [
                (call, found)
                for call, answer in self._doors.again(calls)
                if (found := news(call, answer, each.marks)) and not self._brings_back(door, call, each)
            ]
            read = shown(self._doors.read_in_tables(actor, each.state.table)).of(each.marks) if given else []
        kept = ((call, frozenset(found) - {*read}) for call, found in given)
        return next(((call, found) for call, found in kept if found), None)

    def _brings_back(self, door: Door, call: Call, each: _Hidden) -> bool:
        """Whether a call sets the state of the row, as one that restores it does."""
        if isinstance(door, Relation) or not door.volatile:
            return False
        tree, key = sqltree.expression(each.state.expression), self._world.relations[each.state.table].primary_key
        columns = {names[-1] for names in sqltree.columns(tree)} if tree is not None else set()
        self._doors.probes += 1
        try:
            touched = self._world.touched_by(self._session, call.statement, call.values)
        except psycopg.Error:
            if self._session.closed:
                raise
            return False
        versions = [
            {name: row.get(name) for name in columns}
            for table, row, _, _ in touched
            if table == each.state.table and all(str(row.get(name)) == str(each.row[name]) for name in key)
        ]
        return any(version != versions[0] for version in versions)

    def _finding(self, door: Door, actor: Actor, each: _Hidden, call: Call, found: frozenset[str]) -> Found:
        name, state = name_of(door), each.state
        done = ";\n".join(change.text(self._session) for change in _hiding(door, each))
        gets = "reads" if isinstance(door, Relation) else "is given"
        finding = Finding(
            RULE,
            name,
            f"{actor.name} {gets} what stands in a row that is hidden, as {shortened(min(found))}: {done}",
            f"Leave rows where {state.expression} out of what {name} gives of {state.table}.",
            identity=actor.name,
            statement=self._session.bound(call.statement, call.values),
            door="select" if isinstance(door, Relation) else "call",
            expected=f"no value of a row where {state.expression}",
        )

        def holds(session: Session) -> bool:
            return bool(news(call, call.answer(session), found))

        return self._doors.found(finding, Probe(actor, holds, arranged=done, touches=state.table))


class OfOpened:
    """Asks functions again for what rows opened that are not open any more."""

    def __init__(self, doors: Doors, guests: Iterable[Guest]) -> None:
        self._doors = doors
        self._world = doors.world
        self._session = doors.session
        self._guests = [*guests]

    def try_function(self, function: Function) -> Iterator[Found]:
        """What a function still gives to somebody by a row that is not open any more: a finding for each state."""
        told: set[State] = set()
        for guest in self._guests:
            relation, state = self._world.relations[guest.state.table], guest.state
            if state in told:
                continue
            calls = self._opened(function, guest)
            closing = changes.into(self._world, relation, guest.row, state.expression, False) if calls else []
            for change in closing:
                for call, values in self._given(guest, change, calls)[:1]:
                    if state not in told:
                        told.add(state)
                        yield self._finding(function, guest, change, call, values)

    def _opened(self, function: Function, guest: Guest) -> list[Call]:
        """The calls that give something by the row alone: with it, and not without it."""
        with guest.actor.enter(self._session):
            asked = self._doors.ask(function, guest.actor)
        calls = [call for call, answer in asked if self._of_a(answer, call.known | self._known(guest))][:_AGAIN]
        if not calls:
            return []
        gone = changes.removal(self._world, self._world.relations[guest.state.table], guest.row)
        without = {repr(call.values) for call, _ in self._given(guest, gone, calls)}
        return [call for call in calls if repr(call.values) not in without]

    def _known(self, guest: Guest) -> frozenset[str]:
        return guest.actor.identity.texts | {*leaves([*guest.row.values()])}

    def _given(self, guest: Guest, change: Change, calls: Sequence[Call]) -> list[tuple[Call, list[str]]]:
        """The calls that give values of A after a change, but for those that the guest reads in tables, or knows."""
        with changes.made(self._world, self._session, [change]), guest.actor.enter(self._session):
            answered = self._doors.again(calls)
            given = [(call, self._of_a(answer, call.known | self._known(guest))) for call, answer in answered]
            if not any(found for _, found in given):
                return []
            read = shown(self._doors.read_in_tables(guest.actor, ""))
        return [(call, left) for call, found in given if (left := [value for value in found if not read.of([value])])]

    def _of_a(self, answer: Answer, known: Collection[str]) -> list[str]:
        told = answer.told if isinstance(answer, Words) else [*leaves([*answer])]
        return [value for value in told if self._world.labels([value], frozenset(known)) == {_TENANT}]

    def _finding(self, function: Function, guest: Guest, change: Change, call: Call, values: list[str]) -> Found:
        state, done = guest.state, change.text(self._session)
        finding = Finding(
            RULE,
            function.signature,
            f"{guest.actor.name} is given values of A by a row that is not open any more, as "
            f"{shortened(min(values))}: {done}",
            f"Ask for {state.expression} wherever {function.schema}.{function.name} looks into {state.table}.",
            identity=guest.actor.name,
            statement=self._session.bound(call.statement, call.values),
            door="call",
            expected=f"nothing: a row of {state.table} opens something only where {state.expression}",
        )

        def holds(session: Session) -> bool:
            return bool(news(call, call.answer(session), values))

        return self._doors.found(finding, Probe(guest.actor, holds, arranged=done, touches=state.table))


def name_of(door: Door) -> str:
    """The name by which a door is judged."""
    return door.full_name if isinstance(door, Relation) else door.signature


def _hiding(door: Door, each: _Hidden) -> list[Change]:
    """What hides a row from a door: a materialized view shows that once it is refreshed."""
    if not isinstance(door, Relation) or door.kind != "materialized view":
        return [each.change]
    name = sql.Identifier(door.schema, door.name)
    return [each.change, Change(sql.SQL("refresh materialized view {}").format(name), ())]


def _marks(world: World, table: str, row: Row) -> frozenset[str]:
    """The texts and uuids that stand in a row and in no other one."""
    left = {*world.maker.listed_of(table), *world.relations[table].referring}
    values = {str(value) for column, value in row.items() if column not in left and is_marker(value)}
    others = {
        str(value)
        for name, _, other in world.made()
        if (name, repr(other)) != (table, repr(row))
        for value in other.values()
    }
    return frozenset(values - others)
