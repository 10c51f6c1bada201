"""Rows of A's that name rows of B, by a foreign key or by a value, and what triggers then change in B's rows.

A trigger with its owner's rights passes over row level security. So it matters little that the row which fired it is
one's own: what it changes by a key or a value of that row may be anybody's.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import USERS, Row, Unfilled, insert_statement

_VALUES = 40
"""So many values of B are tried in one column, and so many ways to name a row of B in all."""
_EXTREMES = (1_000_000, 1)
"""More, and less, than any number that was made; where a constraint refuses it, that is not tried."""
_CHANGES = 8
"""So many changes are tried of a row that names a row of B."""


@dataclass(frozen=True)
class _Fired:
    """The triggers of a table by the statements for which they fire, and the text of all that they may call."""

    triggers: dict[str, list[str]]
    text: str

    def by(self, operation: str) -> list[str]:
        """The triggers that fire for that."""
        return self.triggers.get(operation, [])


@dataclass(frozen=True)
class _Naming:
    """Columns that are given values of a row of B, which they name by that."""

    values: Row
    is_key: bool

    @property
    def what(self) -> str:
        """For a person."""
        names = ", ".join(self.values)
        return f"{names} points to a row" if self.is_key else f"{names} is a value of a row"


@dataclass(frozen=True)
class _Tried:
    """A statement of the actor's, of one operation or of an insert and another one.

    Where it does more than one thing after the insert, ``parts`` do one each: they are tried where it fails or finds
    something.
    """

    operation: str
    statement: sql.Composed
    values: list[Any]
    parts: tuple[_Tried, ...] = ()


def prepare(world: World) -> None:
    """Make a row of B to which nothing refers, where triggers may write to a table to which their own refers.

    What they do there may be done for the rows that were made already: a fine is settled once.
    """
    named = {
        key.target: None
        for trigger in world.triggers
        if trigger.writes and trigger.table in world.relations
        for key in world.relations[trigger.table].foreign_keys
        if key.target in world.relations and world.relations[key.target].name in trigger.text
    }
    for name in named:
        if name != world.tenancy.tenant and "B" in world.tenants.rows.get(name, {}):
            try:
                with world.connection.transaction():
                    world.untouched[name] = world.maker.further(world.relations[name], world.tenants, "B", {})
            except (psycopg.Error, Unfilled):  # then that is not tried
                world.go_on()


class Pointing:
    """Inserts, updates and deletes rows of A's that name rows of B, where there are triggers, on ``api``."""

    def __init__(self, world: World, api: Session) -> None:
        self._world = world
        self._api = api
        self.probes = 0

    def try_all(self, target: Target, actor: Actor) -> Iterator[Found]:
        """A finding for each operation after which rows of B are other ones than before; ``actor`` is a member of A."""
        relation = target.relation
        fired = self._fired.get(relation.full_name)
        if fired is None or not target.is_table:
            return
        found: set[str] = set()
        for naming in itertools.islice(self._namings(target, fired), _VALUES):
            for tried in self._statements(target, actor, naming, fired):
                if tried.operation in found:
                    continue
                for one, tables in self._carried_out(actor, tried):
                    found.add(one.operation)
                    yield self._finding(relation, actor, naming, one, tables, fired)
                    break

    def _carried_out(self, actor: Actor, tried: _Tried) -> Iterator[tuple[_Tried, list[str]]]:
        """A statement, or each of its parts, after which rows of others are other ones, and their tables."""
        tables = self._across(self._api, actor, tried)
        if tried.parts and tables != []:
            for part in tried.parts:
                yield from self._carried_out(actor, part)
        elif tables:
            yield tried, tables

    # what triggers there are

    @cached_property
    def _fired(self) -> dict[str, _Fired]:
        triggers: dict[str, dict[str, list[str]]] = {}
        texts: dict[str, list[str]] = {}
        for trigger in self._world.triggers:
            texts.setdefault(trigger.table, []).append(trigger.text)
            for operation in trigger.operations:
                triggers.setdefault(trigger.table, {}).setdefault(operation, []).append(trigger.name)
        return {table: _Fired(triggers[table], " ".join(texts[table])) for table in triggers}

    # what names rows of B

    def _namings(self, target: Target, fired: _Fired) -> Iterator[_Naming]:
        """Each foreign key, but for the one that tells whose the row is; then each value in each column that is read.

        What everybody reads is nobody's.
        """
        world, relation = self._world, target.relation
        name = relation.full_name
        own = {target.column, *world.tenancy.tables.get(name, "").split(".")[:1]}
        keys: set[str] = set()
        for key in relation.foreign_keys:
            columns = [here for here, _ in key.columns]
            keys.update(columns)
            if own & set(columns) or key.target in world.tenancy.public:
                continue
            for row in self._of_b(key.target):
                yield _Naming({here: row[there] for here, there in key.columns}, True)
        fixed = {*own, *keys, *relation.primary_key, *world.maker.listed_of(name)}
        for column in relation.columns:
            if column.name in fired.text and not column.generated and column.name not in fixed:
                for value in self._values(column, fired):
                    yield _Naming({column.name: value}, False)

    def _of_b(self, table: str) -> Iterator[Row]:
        tenants = self._world.tenants
        if table == USERS:
            yield {"id": tenants.users["B"]}
            return
        for rows in (tenants.rows, tenants.others):
            if "B" in rows.get(table, {}):
                yield rows[table]["B"]
        if table in self._world.untouched:
            yield self._world.untouched[table]

    def _values(self, where: Column, fired: _Fired) -> list[Any]:
        """The values of B that may be compared with that column, from tables and columns that the triggers name.

        What stands in the same column of a row of A as well names no row of B.
        """
        found: dict[Any, None] = {}
        mine = {
            (name, key, str(v)) for name, label, row in self._world.made() if label == "A" for key, v in row.items()
        }
        for name, label, row in self._world.made():
            relation = self._world.relations.get(name)
            if label != "B" or relation is None or relation.name not in fired.text:
                continue
            if name in self._world.tenancy.public:
                continue
            for column in relation.columns:
                value = row.get(column.name)
                is_named = column.name in fired.text and _alike(column, where)
                is_mine = (name, column.name, str(value)) in mine
                if is_named and not is_mine and value is not None and not isinstance(value, bool | dict | list):
                    found[value] = None
        return [*found][:_VALUES]

    # what is tried

    def _statements(self, target: Target, actor: Actor, naming: _Naming, fired: _Fired) -> Iterator[_Tried]:
        """Insert such a row, make one of one's own such a row; insert one and then change it, or take it away."""
        world, relation = self._world, target.relation
        role = actor.identity.role
        table = sql.Identifier(relation.schema, relation.name)
        where = world.where(naming.values)
        named = [*naming.values.values()]
        changeable = world.granted(relation, role, "update")
        if set(naming.values) <= set(changeable) and fired.by("update"):
            sets = _assigned(naming.values)
            yield _Tried("update", sql.SQL("update {} set {}").format(table, sets), named)
        inserts = [*self._inserts(target, actor, naming, fired)]
        for insert, values in inserts:
            if fired.by("insert"):
                yield _Tried("insert", insert, values)
        for insert, values in inserts[:1]:
            updates = [
                (sql.SQL("update {} set {} where {}").format(table, _assigned(changes), where), [*changes.values()])
                for changes in (self._changes(relation, changeable, naming) if fired.by("update") else ())
            ]
            parts = tuple(
                _Tried("update", sql.SQL(";\n").join([insert, update]), [*values, *given, *named])
                for update, given in updates
            )
            if parts:
                every = sql.SQL(";\n").join([insert, *(update for update, _ in updates)])
                given = [value for _, several in updates for value in (*several, *named)]
                yield _Tried("update", every, [*values, *given], parts)
            if fired.by("delete"):
                delete = sql.SQL("delete from {} where {}").format(table, where)
                yield _Tried("delete", sql.SQL(";\n").join([insert, delete]), [*values, *named])

    def _inserts(
        self, target: Target, actor: Actor, naming: _Naming, fired: _Fired
    ) -> Iterator[tuple[sql.Composed, list[Any]]]:
        """Such rows, and the same with numbers that are more, and less, than what a trigger compares them with."""
        granted = set(self._world.granted(target.relation, actor.identity.role, "insert"))
        if not set(naming.values) <= granted:
            return
        try:
            rows = [*target.insertions("A", actor)]
        except Unfilled:
            return
        known: list[Row] = []
        numbers = {
            column.name
            for column in target.relation.columns
            if column.category == "N" and column.name in fired.text and not target.relation.referring & {column.name}
        }
        numbers -= {target.column, *target.relation.primary_key, *naming.values}
        extremes = [dict.fromkeys(numbers & granted, number) for number in _EXTREMES] if numbers & granted else []
        for values, extreme in ((values, extreme) for extreme in ({}, *extremes) for values in rows):
            row = {**{name: value for name, value in values.items() if name in granted}, **naming.values, **extreme}
            if row not in known:
                known.append(row)
                yield insert_statement(target.relation, row), [*row.values()]

    def _changes(self, relation: Relation, granted: Collection[str], naming: _Naming) -> Iterator[Row]:
        """Values for one column of such a row: each to which it is held, and both of a flag; else what it has."""
        listed = self._world.maker.listed_of(relation.full_name)
        found: list[Row] = []
        for column in relation.columns:
            if column.name not in granted or column.name in {*naming.values, *relation.primary_key}:
                continue
            values = [True, False] if column.category == "B" else listed.get(column.name, [])
            found += [{column.name: value} for value in values]
        if not found and set(naming.values) <= set(granted):
            found = [naming.values]
        yield from found[:_CHANGES]

    # what came of it

    def _across(self, session: Session, actor: Actor, tried: _Tried) -> list[str] | None:
        """The tables in which rows of other tenants are other ones afterwards; None where it fails."""
        self.probes += 1
        try:
            with actor.enter(session):
                touched = self._world.touched_by(session, tried.statement, tried.values)
        except psycopg.Error:
            if session.closed:
                raise
            return None
        return [*dict.fromkeys(name for name, _, whose, _ in touched if whose and not whose & actor.own)]

    def _finding(
        self,
        relation: Relation,
        actor: Actor,
        naming: _Naming,
        tried: _Tried,
        tables: Sequence[str],
        fired: _Fired,
    ) -> Found:
        name, triggers = relation.full_name, fired.by(tried.operation)
        return (
            Finding(
                Verdict.WRITES_ACROSS.rule,
                name,
                f"{actor.name} changes rows of another tenant in {', '.join(tables)} by {tried.operation} of a row of "
                f"its own of which {naming.what} of that tenant",
                f"Have the triggers on {name} change rows of the row's own tenant alone, or let nobody write a row "
                "that names a row of another tenant.",
                identity=actor.name,
                statement=self._api.bound(tried.statement, tried.values),
                door=tried.operation,
                culprit=f"trigger {triggers[0]} on {name}" if len(triggers) == 1 else "",
                expected="no row of another tenant is changed",
            ),
            Probe(actor, lambda session: bool(self._across(session, actor, tried))),
        )


def _alike(one: Column, other: Column) -> bool:
    """Whether values of one column may be compared with those of the other."""
    return one.type == other.type or one.category == other.category == "N" or {one.category, other.category} <= {*"SU"}


def _assigned(values: Row) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)
