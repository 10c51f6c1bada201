"""What a member reaches of the rows of the own tenant in one table: those in the own name, and those of others."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, Relation
from pgassay.checks.isolation.people import Person
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import RAISED, Write, Writes, is_foreign
from pgassay.config import Membership
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled, insert_statement

_ROWS = 4
"""So many rows of each kind are tried."""
_VALUES = 3
"""So many values are tried of what a column is held to."""


class Whose(enum.Enum):
    """Rows of a tenant: those in the name of the caller, and those of others."""

    OWN = "own"
    OTHERS = "others"


@dataclass(frozen=True)
class Tried:
    """What came of an operation. ``succeeded`` is None where what stood in its way was no refusal."""

    succeeded: bool | None = None
    statement: str = ""
    before: str = ""


NOT_TRIED = Tried()


class Reached:
    """What one person reaches in a table. ``owner`` is the column that names whose a row is; empty for any of them.

    Reading the rows in ``public``, by their keys, is everybody's right.
    """

    def __init__(
        self,
        world: World,
        relation: Relation,
        owner: str,
        person: Person,
        public: frozenset[tuple[str, ...]] = frozenset(),
    ) -> None:
        self._world = world
        self._public = public
        self._relation = relation
        self._person = person
        self._table = sql.Identifier(relation.schema, relation.name)
        member = world.tenancy.member
        self._is_membership = isinstance(member, Membership) and member.table == relation.full_name
        users = [member.user] if isinstance(member, Membership) and self._is_membership else []
        users = [owner] if owner else users or [*world.maker.users_in(relation)]
        self._mine = {name: str(person.named_in(world, relation, name)) for name in users}
        named = dict.fromkeys([*users, *world.maker.users_in(relation)])
        self._named = {name: str(person.named_in(world, relation, name)) for name in named}
        self.probes = 0

    def whose(self, row: Mapping[str, Any]) -> Whose | None:
        """Whose a row is; None where another column than the owner's names the caller."""
        if any(str(row.get(name)) == value for name, value in self._mine.items()):
            return Whose.OWN
        return None if any(str(row.get(name)) == value for name, value in self._named.items()) else Whose.OTHERS

    def _rows(self, whose: Whose) -> list[Row]:
        """Rows of A, the last made first: nothing refers to these."""
        name = self._relation.full_name
        made = {
            key_of(self._relation, row): row
            for relation, label, row in self._world.made()
            if relation == name and label == "A" and self.whose(row) is whose
        }
        if self._is_membership and whose is Whose.OWN and self._person.membership:
            made[()] = self._person.membership
        return [*made.values()][::-1][:_ROWS]

    def tries(self, operation: str, whose: Whose, api: Session) -> Tried:
        """Try an operation on such rows on ``api``, which is the person. Nothing is left of it."""
        if operation == "insert":
            return self._inserts(api, whose)
        key = set(self._relation.primary_key)
        role = self._person.actor.identity.role
        if not key or not key <= set(self._world.granted(self._relation, role, "select")):
            return Tried(None if self._world.granted(self._relation, role, "select") else False)
        each: Callable[[Session, Row], Tried] = {
            "select": self._selects, "update": self._updates, "delete": self._deletes,
        }[operation]  # fmt: skip
        rows = self._rows(whose)
        if operation == "select":
            rows = [row for row in rows if key_of(self._relation, row) not in self._public]
        return _best(each(api, row) for row in rows)

    def _one(self, row: Row) -> tuple[sql.Composed, list[Any]]:
        key = self._relation.primary_key
        return self._world.where(key), [row[name] for name in key]

    # select

    def _selects(self, api: Session, row: Row) -> Tried:
        where, key = self._one(row)
        columns = self._world.granted(self._relation, self._person.actor.identity.role, "select")
        is_whole = len(columns) == len(self._relation.columns)
        shown = sql.SQL("*") if is_whole else sql.SQL(", ").join(map(sql.Identifier, columns))
        statement = sql.SQL("select {} from {} where {}").format(shown, self._table, where)
        self.probes += 1
        try:
            rows = api.attempt(statement, key, reading=True)[0].rows
        except psycopg.Error as error:
            return _refused(api, error)
        return Tried(bool(rows), api.bound(statement, key))

    # insert

    def _inserts(self, api: Session, whose: Whose) -> Tried:
        return _best(self._inserted(api, whose, values) for values in self._insertable(whose))

    def _insertable(self, whose: Whose) -> Iterator[Row]:
        """Values for a row in the name of the caller, or of a colleague: of somebody new where it makes a member."""
        world, relation, user = self._world, self._relation, self._person.actor.user
        if self._is_membership and whose is Whose.OWN:
            return
        colleague = world.tenants.users["A"]
        if self._is_membership or colleague == user:
            colleague = world.stranger.user or colleague
        named = user if whose is Whose.OWN else colleague
        try:
            values = world.maker.values(relation, world.tenants, "A", named)
        except Unfilled:
            return
        for name in self._mine:
            mine = self._person.named_in(world, relation, name)
            if whose is Whose.OWN:
                values[name] = mine
            elif str(values.get(name, mine)) == str(mine):
                values[name] = self._colleague_in(name, colleague)
        granted = world.granted(relation, self._person.actor.identity.role, "insert")
        yield {name: value for name, value in values.items() if name in granted}

    def _colleague_in(self, column: str, colleague: Any) -> Any:
        """The value by which a column names a colleague: as in a row of one, else the user."""
        return next((row[column] for row in self._rows(Whose.OTHERS) if row.get(column) is not None), colleague)

    def colleagues(self) -> Iterator[tuple[str, Any]]:
        """Each column that says whose a row is and may be written, with the value by which it names a colleague."""
        colleague = self._world.tenants.users["A"]
        if colleague == self._person.actor.user:
            colleague = self._world.stranger.user or colleague
        granted = self._world.granted(self._relation, self._person.actor.identity.role, "update")
        for name in self._mine if not self._is_membership else ():
            value = self._colleague_in(name, colleague)
            if name in granted and str(value) != self._mine[name]:
                yield name, value

    def _inserted(self, api: Session, whose: Whose, values: Row) -> Tried:
        def reaches(row: Row) -> bool:
            statement, sent = insert_statement(self._relation, row), list(row.values())
            if not api.attempt(statement, sent)[0].count:
                return False
            touched = self._world.touched_by(api, statement, sent)
            return any(
                name == self._relation.full_name and there and "A" in labels and self._is(new, whose)
                for name, new, labels, there in touched
            )

        writes = Writes(self._world, self._relation, api, self._person.actor)
        found = writes.insert(values, self._world.tenancy.column_of(self._relation.full_name), reaches)
        self.probes += writes.probes
        if isinstance(found, psycopg.Error):
            return _refused(api, found)
        return _written(api, found)

    def _is(self, row: Row, whose: Whose) -> bool:
        found = self.whose(row) or Whose.OWN
        return found is whose

    # update

    def _updates(self, api: Session, row: Row) -> Tried:
        return _best(self._changes(api, row, column, value) for column, value in self._changeable(row))

    def _changeable(self, row: Row) -> Iterator[tuple[str, Any]]:
        """Columns that may be set, and other values for each: none that ties the row to anything."""
        relation, world = self._relation, self._world
        tied = {name for key in relation.foreign_keys for name, _ in key.columns} | {*self._named}
        tied |= {*relation.primary_key, world.tenancy.column_of(relation.full_name)}
        if isinstance(world.tenancy.member, Membership) and self._is_membership:
            tied |= {world.tenancy.member.tenant, world.tenancy.member.user}
        for name in world.granted(relation, self._person.actor.identity.role, "update"):
            column = relation.column(name)
            if name not in tied and column is not None and not column.generated:
                yield from ((name, value) for value in self._others(row, column))

    def _others(self, row: Row, column: Column) -> Iterator[Any]:
        """Other values than a row has in a column."""
        old = row.get(column.name)
        if column.category == "B":
            yield old is not True
            return
        listed = self._world.maker.listed_of(self._relation.full_name).get(column.name)
        if listed is not None:
            yield from [value for value in listed if value != str(old)][:_VALUES]
        elif (value := self._world.maker.another(self._relation, column.name)) is not None:
            yield value

    def sets(self, api: Session, column: str, value: Any) -> Tried:
        """Set a column of the rows in the own name."""
        return _best(self._changes(api, row, column, value) for row in self._rows(Whose.OWN))

    def _changes(self, api: Session, row: Row, column: str, value: Any) -> Tried:
        """Set one column of one row, and see that it is another value then: a trigger may put it back."""
        where, key = self._one(row)
        statement = sql.SQL("update {} set {} = %s where {}").format(self._table, sql.Identifier(column), where)

        def is_changed(before: str) -> Write | None:
            lines = [new for new, there in self._versions(api, statement, [value, *key], row) if there]
            olds = [old for old, there in self._versions(api, statement, [value, *key], row) if not there]
            changed = any(new.get(column) != old.get(column) for new in lines for old in olds)
            return Write(statement, [value, *key], before) if changed else None

        return self._carried_out(api, statement, [value, *key], is_changed)

    # delete

    def _deletes(self, api: Session, row: Row) -> Tried:
        where, key = self._one(row)
        statement = sql.SQL("delete from {} where {}").format(self._table, where)

        def is_gone(before: str) -> Write | None:
            gone = any(not there for _, there in self._versions(api, statement, key, row))
            return Write(statement, key, before) if gone else None

        return self._carried_out(api, statement, key, is_gone)

    def _versions(self, api: Session, statement: sql.Composed, values: list[Any], row: Row) -> list[tuple[Row, bool]]:
        """The row as it was before a statement, and as it is after it, where that is another one."""
        key = [(name, str(row[name])) for name in self._relation.primary_key]
        return [
            (line, there)
            for name, line, _, there in self._world.touched_by(api, statement, values)
            if name == self._relation.full_name and all(str(line.get(part)) == value for part, value in key)
        ]

    def _carried_out(
        self, api: Session, statement: sql.Composed, values: list[Any], seen: Callable[[str], Write | None]
    ) -> Tried:
        """What came of a statement: that of foreign keys is asked after all policies, so those are taken away."""
        self.probes += 1
        try:
            if not api.attempt(statement, values)[0].count:
                return Tried(False)
            return _written(api, seen(""))
        except psycopg.Error as error:
            if not is_foreign(error) or api.closed:
                return _refused(api, error)
        writes = Writes(self._world, self._relation, api, self._person.actor)
        found = writes.without_keys(is_foreign, seen)
        return _refused(api, found) if isinstance(found, psycopg.Error) else _written(api, found)


def key_of(relation: Relation, row: Row) -> tuple[str, ...]:
    """The primary key of a row, as text."""
    return tuple(str(row[name]) for name in relation.primary_key)


def _written(api: Session, write: Write | None) -> Tried:
    if write is None:
        return Tried(False)
    return Tried(True, api.bound(write.statement, write.values), write.before)


def _refused(api: Session, error: psycopg.Error) -> Tried:
    """A right, a policy, or an error of the schema's own refuses; a key or a type says nothing of who may."""
    if api.closed:
        raise error
    is_own = error.diag.source_function == RAISED
    return Tried(False if is_own or isinstance(error, psycopg.errors.InsufficientPrivilege) else None)


def _best(tried: Iterable[Tried]) -> Tried:
    """The first that succeeded; else a refusal, if that was all there was."""
    found: list[Tried] = []
    for each in tried:
        if each.succeeded:
            return each
        found.append(each)
    return Tried(False) if found and all(each.succeeded is False for each in found) else NOT_TRIED
