"""States of rows: outside of ``open`` a row opens nothing any more, and in ``hidden`` it is the back end's alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.controls import Controls
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.entries import unquoted
from pgassay.errors import ConfigError
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled
from pgassay.within import State

RULE = "row-state"
_WHERE = "[tool.pgassay.states]"
_WRITES = ("insert", "update", "delete")
_ROWS = 2
"""So many rows are hidden, one after the other."""
_LIKE = 3
"""Like so many rows of A, those that were made last, a row is made that names somebody new."""
Reached = dict[tuple[str, str], frozenset[tuple[str, ...]]]
"""What somebody reaches: the rows of A that are read, or a word for what can be done, by relation and operation."""


@dataclass(frozen=True)
class Guest:
    """Somebody to whom a row of a table with the state ``open`` may open something: the row names them, if it can."""

    state: State
    actor: Actor
    row: Row


def followed(world: World, state: State) -> ForeignKey | None:
    """The foreign key with which rows are hidden: ``hidden`` has its column instead of a condition on the rows.

    Raises `ConfigError` where that leads to a table that has no state ``hidden``.
    """
    relation = world.relations.get(state.table)
    if state.kind != "hidden" or relation is None:
        return None
    column = unquoted(state.expression)
    key = next((key for key in relation.foreign_keys if column in dict(key.columns)), None)
    if key is not None and not any(
        other.kind == "hidden" and other.table == key.target for other in world.tenancy.within.states
    ):
        raise ConfigError(
            f"{_WHERE}: {state.table} is hidden by {column}, which refers to {key.target}.",
            hint=f"Say when a row of {key.target} is hidden.",
        )
    return key


def of_rows(world: World) -> list[State]:
    """The states that are conditions on the rows themselves."""
    return [state for state in world.tenancy.within.states if followed(world, state) is None]


def guests(world: World) -> list[Guest]:
    """For each column by which rows with a state ``open`` name users, a user with such a row, and a member of A.

    Somebody may have to be a member to see the row at all. Raises `ConfigError` where a state is of no table, or is no
    condition on its rows.
    """
    return [
        guest for state, relation in _opening(world) for guest in _guests(world, state, relation, _first(world, state))
    ]


def further_guests(world: World) -> list[Guest]:
    """The same for rows like those that were made since, which may agree with rows of other tables."""
    return [
        guest
        for state, relation in _opening(world)
        for row in [row for label, row in world.more.get(state.table, []) if label == "A"][-_LIKE:]
        for guest in _guests(world, state, relation, row)
    ]


def _opening(world: World) -> list[tuple[State, Relation]]:
    checked = [(state, _checked(world, state)) for state in of_rows(world)]
    return [
        (state, table)
        for state, table in checked
        if state.kind == "open" and table.full_name not in world.tenants.unfilled
    ]


def _first(world: World, state: State) -> Row:
    return world.tenants.rows.get(state.table, {}).get("A", {})


def _guests(world: World, state: State, relation: Relation, like: Row) -> list[Guest]:
    is_membership = isinstance(world.tenancy.member, Membership) and world.tenancy.member.table == state.table
    kinds = [False] if is_membership or not isinstance(world.tenancy.member, Membership) else [False, True]
    of_each = itertools.product(kinds, _users(world, relation))
    made = [_guest(world, state, relation, column, like, joins=joins) for joins, column in of_each]
    world.forget_what_is_known()
    return [guest for guest in made if guest is not None]


def enter(world: World) -> None:
    """Bring all memberships into the state ``open`` of their table, and have those to come made in it.

    Who is no member any more, or not yet, is entitled to nothing. Raises `ConfigError` as `guests` does.
    """
    member = world.tenancy.member
    table = member.table if isinstance(member, Membership) else ""
    for state in of_rows(world):
        if state.kind == "open" and state.table == table and table not in world.tenants.unfilled:
            relation = _checked(world, state)
            for row in changes.rows_of(world, relation, []):
                _open(world, state, relation, row)


def _open(world: World, state: State, relation: Relation, row: Row) -> None:
    if changes.holds(world, relation, row, state.expression) or not relation.primary_key:
        return
    for change in changes.into(world, relation, row, state.expression, True)[:1]:
        key = [(name, row[name]) for name in relation.primary_key]
        world.connection.execute(change.statement, change.values)
        (after,) = changes.rows_of(world, relation, key)
        world.maker.members_have |= {name: value for name, value in after.items() if value != row[name]}
        for known in world.tenants.rows.get(state.table, {}).values():
            if all(str(known[name]) == str(value) for name, value in key):
                known.update(after)


def _checked(world: World, state: State) -> Relation:
    relation = world.relations.get(state.table)
    if relation is None or relation.kind != "table":
        raise ConfigError(f"{_WHERE} names {state.table}, which is no table that the migrations make.")
    statement = sql.SQL("select from {} where {}").format(
        sql.Identifier(relation.schema, relation.name), changes.condition(state.expression)
    )
    try:
        with world.connection.transaction(force_rollback=True):
            world.connection.execute(statement, [])
    except psycopg.Error as error:
        if world.connection.closed:
            raise
        said = error.diag.message_primary or str(error)
        raise ConfigError(f"{_WHERE}: {state.kind} of {state.table} is no condition on its rows: {said}") from error
    return relation


def _users(world: World, relation: Relation) -> list[str]:
    member = world.tenancy.member
    if isinstance(member, Membership) and member.table == relation.full_name:
        return [member.user]
    return [*dict.fromkeys(world.maker.users_in(relation))]


def _guest(world: World, state: State, relation: Relation, column: str, like: Row, *, joins: bool) -> Guest | None:
    """A new user whom a row of A names, which is ``like`` another one; None where there can be none.

    One that ``joins`` is a member of A as well.
    """
    member = world.tenancy.member
    try:
        with world.connection.transaction():
            user = world.maker.user()
            if joins:
                world.maker.join(user, world.tenants.ids["A"])
            if isinstance(member, Membership) and member.table == relation.full_name:
                world.maker.join(user, world.tenants.ids["A"])
            else:
                world.maker.further(relation, world.tenants, "A", {**_plain(relation, like, column), column: user})
            (row,) = changes.rows_of(world, relation, [(column, user)])
            if not changes.holds(world, relation, row, state.expression):
                opened = changes.into(world, relation, row, state.expression, True)
                if not opened:
                    raise Unfilled("no row is in that state")
                world.connection.execute(opened[0].statement, opened[0].values)
                (row,) = changes.rows_of(world, relation, [(column, user)])
    except (psycopg.Error, Unfilled, ValueError):
        if world.connection.closed:
            raise
        return None
    name = f"who is named in {column} of {state.table}"
    actor = world.member("A", f"member of A {name}", user) if joins else world.outsider(name, user)
    return Guest(state, actor, row)


def _plain(relation: Relation, row: Row, but: str) -> Row:
    """The values of a row that a further one may have as well, which has another value in that column."""
    keys = [relation.primary_key, *(index.columns for index in relation.exclusions)]
    own = {name for key in keys if but not in key for name in key} | relation.referring | {but}
    plain = {column.name for column in relation.columns if not column.generated and column.category in "BDNSE"}
    return {name: value for name, value in row.items() if name in plain - own}


def hidden(world: World, state: State) -> list[tuple[Row, Change]]:
    """Rows of A in a table, each with the changes after which it is in the state."""
    relation = world.relations[state.table]
    rows = [row for name, label, row in world.made() if name == state.table and label == "A"][:_ROWS]
    return [
        (row, change)
        for row in rows
        if changes.holds(world, relation, row, state.expression) is not None
        for change in changes.into(world, relation, row, state.expression, True)
    ]


class States:
    """Brings rows into states through the session of their owner, where all of it is undone."""

    def __init__(self, world: World, targets: Mapping[str, Target], controls: Controls) -> None:
        self._world = world
        self._session = world.connection
        self._targets = targets
        self._controls = controls
        self.probes = 0

    # open

    def try_open(self, state: State, named: Iterable[Guest]) -> Iterator[Found]:
        """What a row opens that is not open any more. Raises `Unfilled` where no row was seen to open anything."""
        is_seen = False
        told: set[tuple[str, tuple[str, str]]] = set()
        for guest in named:
            relation = self._world.relations[state.table]
            opened = self._after(guest, None)
            without = self._after(guest, changes.removal(self._world, relation, guest.row))
            gained = {door for door, rows in opened.items() if rows - without.get(door, frozenset())}
            is_seen |= bool(gained)
            for name, operation in gained:  # no mend is to take that away
                self._controls.opened(self._targets[name], guest.actor, operation)
            closing = changes.into(self._world, relation, guest.row, state.expression, False) if gained else []
            if gained and not closing:
                raise Unfilled("no row could be brought out of that state")
            for change in closing:
                closed = self._after(guest, change, gained)
                for door in sorted(gained):
                    still = (closed[door] & opened[door]) - without[door]
                    if still and (guest.actor.name, door) not in told:  # of each, as one mend may not do for all
                        told.add((guest.actor.name, door))
                        yield self._still_open(guest, door, change, without[door])
        if not is_seen:
            raise Unfilled(f"no row of {state.table} was seen to open anything to somebody")

    def _after(self, guest: Guest, change: Change | None, doors: Iterable[tuple[str, str]] | None = None) -> Reached:
        """What the guest reaches after a change, but for the table of the state itself."""
        with self._changed(change):
            return self._reached(self._session, guest, doors)

    @contextmanager
    def _changed(self, change: Change | None) -> Iterator[None]:
        with changes.made(self._world, self._session, [change] if change is not None else []):
            yield

    def _reached(self, session: Session, guest: Guest, doors: Iterable[tuple[str, str]] | None = None) -> Reached:
        public = self._world.tenancy.public
        every = [
            (name, operation)
            for name, target in self._targets.items()
            if name not in {guest.state.table, *public}
            for operation in ("select", *(_WRITES if target.is_table else ()))
        ]
        with guest.actor.enter(session):
            return {door: self._reach(session, guest.actor, *door) for door in (every if doors is None else doors)}

    def _reach(self, session: Session, actor: Actor, name: str, operation: str) -> frozenset[tuple[str, ...]]:
        target = self._targets[name]
        self.probes += 1
        if operation == "select":
            return frozenset(changes.seen(self._world, session, target, actor))
        return frozenset({(operation,)} if "A" in target.reaches(operation, session, actor) else ())

    def _still_open(
        self, guest: Guest, door: tuple[str, str], change: Change, without: frozenset[tuple[str, ...]]
    ) -> Found:
        (name, operation), state = door, guest.state
        done = change.text(self._session)
        target = self._targets[name]

        def holds(session: Session) -> bool:
            self._world.forget_base(session)
            try:
                return bool(self._reach(session, guest.actor, name, operation) - without)
            finally:
                self._world.forget_base(session)

        table = sql.Identifier(target.relation.schema, target.relation.name)
        shown = sql.SQL("select * from {}").format(table).as_string(None)
        finding = Finding(
            RULE,
            name,
            f"{guest.actor.name} can {operation} rows of A by a row that is not open any more: {done}",
            f"Ask for {state.expression} wherever policies for {operation} on {name} look into {state.table}.",
            identity=guest.actor.name,
            statement=shown if operation == "select" else target.statements.get((operation, "A"), shown),
            door=operation,
            expected=f"nothing: a row of {state.table} opens something only where {state.expression}",
        )
        return finding, Probe(guest.actor, holds, arranged=done, touches=state.table)

    # hidden

    def try_hidden(self, state: State, actors: Sequence[Actor]) -> Iterator[Found]:
        """Who reaches a row that is hidden; one finding an operation. Raises `Unfilled` where none can be hidden."""
        relation = self._world.relations[state.table]
        hiding = hidden(self._world, state)
        if not hiding:
            raise Unfilled(f"no row of {state.table} could be hidden")
        told: set[str] = set()
        for row, change in hiding:
            with self._changed(change):
                found = [*self._reachers(relation, row, actors)]
            for operation, actor, statement, values in found:
                if operation not in told:
                    told.add(operation)
                    yield self._not_hidden(state, operation, actor, (statement, values), change)

    def _reachers(
        self, relation: Relation, row: Row, actors: Sequence[Actor]
    ) -> Iterator[tuple[str, Actor, sql.Composed, list[object]]]:
        """Who reaches the row, and by which statement."""
        for actor in actors:
            if actor.may_all:
                continue
            with actor.enter(self._session):
                for operation, statement, values in self._statements(relation, row, actor):
                    self.probes += 1
                    if self._reaches(self._session, operation, statement, values):
                        yield operation, actor, statement, values

    def _statements(
        self, relation: Relation, row: Row, actor: Actor
    ) -> Iterator[tuple[str, sql.Composed, list[object]]]:
        table, where = sql.Identifier(relation.schema, relation.name), self._world.where(relation.primary_key)
        key = [row[name] for name in relation.primary_key]
        granted = {word: self._world.granted(relation, actor.identity.role, word) for word in ("select", "update")}
        if not key or not {*relation.primary_key} <= {*granted["select"]}:
            return
        columns = sql.SQL(", ").join(map(sql.Identifier, granted["select"]))
        yield "select", sql.SQL("select {} from {} where {}").format(columns, table, where), key
        for name in granted["update"]:
            column = sql.Identifier(name)
            yield "update", sql.SQL("update {} set {} = {} where {}").format(table, column, column, where), key
        yield "delete", sql.SQL("delete from {} where {}").format(table, where), key

    def _reaches(self, session: Session, operation: str, statement: sql.Composed, values: list[object]) -> bool:
        try:
            return session.attempt(statement, values, reading=operation == "select")[0].count > 0
        except psycopg.Error:
            if session.closed:
                raise
            return False

    def _not_hidden(
        self, state: State, operation: str, actor: Actor, shown: tuple[sql.Composed, list[object]], change: Change
    ) -> Found:
        done = change.text(self._session)

        def holds(session: Session) -> bool:
            return self._reaches(session, operation, *shown)

        finding = Finding(
            RULE,
            state.table,
            f"{actor.name} can {operation} a row that is hidden: {done}",
            f"Leave rows where {state.expression} out of the policies for {operation} on {state.table}.",
            identity=actor.name,
            statement=self._session.bound(*shown),
            door=operation,
            expected=f"no row where {state.expression}",
        )
        return finding, Probe(actor, holds, arranged=done)
