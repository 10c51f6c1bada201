"""Own writes: what somebody may insert and change themselves, with the values that policies and functions ask for.

They ask for roles, flags, times, tenants and users. Which of these opens anything is seen by what is read afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, Relation
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import KEYS, World
from pgassay.identity import Session
from pgassay.rows import USERS, Row, Unfilled, insert_statement
from pgassay.schema.asked import Asked

_VALUES = 8
"""So many values are tried for a column."""
_ROWS = 24
"""So many rows are inserted into a table, by one actor."""
_ANYTHING = object()


@dataclass(frozen=True)
class OwnMove:
    """Statements of ``actor``, who chose what is ``sent`` in them, each a request of its own.

    The last of them is by ``door`` of ``object``, and does ``what``. A move ``gives`` a role or a flag if that is all
    that was chosen, and no row of another tenant is named; a row that ``names_others`` has the key of one. ``mends``
    are changes that are likely to refuse it, ``advice`` says so.
    """

    actor: Actor
    statements: tuple[str, ...]
    sent: frozenset[str]
    object: str
    door: str
    what: str
    gives: bool
    names_others: bool = False
    mends: tuple[str, ...] = ()
    advice: str = (
        "Take the right to write that column from the API's roles; let a function write it that asks who calls."
    )

    @property
    def text(self) -> str:
        """All of the statements, as psql takes them."""
        return ";\n".join(self.statements)


class OwnWrites:
    """The writes of members in ``targets`` and of rows that decide what is open elsewhere."""

    def __init__(self, world: World, targets: Mapping[str, Target], asked: Asked) -> None:
        self._world = world
        self._targets = targets
        self._asked = asked
        self.probes = 0

    @property
    def tables(self) -> Sequence[str]:
        """The tables that are written to."""
        return tuple(self._columns)

    def that_go_through(self, session: Session, actor: Actor, table: str) -> list[OwnMove]:
        """Those that change a row of that table when they are tried alone, on a session of the API."""
        tried = [*self.updates(actor, table), *self.inserts(actor, table)]
        if not tried:
            return []
        with actor.enter(session):
            results, stopped = session.attempts([(sql.SQL(move.text), ()) for move in tried])
        self.probes += len(results)
        if stopped is not None:
            raise stopped
        return [
            move
            for move, result in zip(tried, results, strict=True)
            if not isinstance(result, psycopg.Error) and result.count > 0
        ]

    @cached_property
    def _columns(self) -> dict[str, list[Column]]:
        """The columns that decide something and that signed-in users may write, by their tables."""
        found: dict[str, list[Column]] = {}
        for name, relation in sorted(self._world.relations.items()):
            names = self._asked.columns.get(relation.name, frozenset())
            if not names or relation.kind != "table" or name.startswith("storage."):
                continue
            granted = {
                column
                for right in ("insert", "update")
                for column in self._world.granted(relation, self._world.platform.roles.signed_in, right)
            }
            columns = [c for c in relation.columns if c.name in names & granted and not c.generated]
            if columns:
                found[name] = columns
        return found

    def updates(self, actor: Actor, name: str) -> Iterator[OwnMove]:
        """Changes of all rows of a table that the actor may change, one column at a time."""
        relation, columns = self._world.relations[name], self._columns[name]
        granted = self._world.granted(relation, actor.identity.role, "update")
        table = sql.Identifier(relation.schema, relation.name)
        for column in (column for column in columns if column.name in granted):
            keys = self._keys(column)
            for value in [*self._values(relation, column), *keys]:
                statement = sql.SQL("update {} set {} = %s").format(table, sql.Identifier(column.name))
                bound = self._world.connection.bound(statement, [value])
                yield OwnMove(
                    actor,
                    (bound,),
                    frozenset({str(value)}),
                    relation.full_name,
                    "update",
                    f"writing {column.name} of a row of its own in {relation.full_name}",
                    gives=value not in keys,
                    mends=self._without(relation, column),
                )

    def _without(self, relation: Relation, column: Column) -> tuple[str, ...]:
        """The statements that leave the right to update but for that column."""
        table = sql.Identifier(relation.schema, relation.name)
        roles = self._world.platform.roles
        statements = [sql.SQL("revoke update on {} from public, {}").format(table, sql.SQL(roles.held))]
        for role in roles.callers:
            left = [name for name in self._world.granted(relation, role, "update") if name != column.name]
            if left:
                names = sql.SQL(", ").join(map(sql.Identifier, left))
                statements.append(sql.SQL("grant update ({}) on {} to {}").format(names, table, sql.Identifier(role)))
        return (sql.SQL(";\n").join(statements).as_string(None),)

    def inserts(self, actor: Actor, name: str) -> Iterator[OwnMove]:
        """Rows of a table in the actor's name, with each value that decides something, and with each row of B."""
        relation, columns = self._world.relations[name], self._columns[name]
        target = self._targets.get(relation.full_name)
        granted = set(self._world.granted(relation, actor.identity.role, "insert"))
        if target is None or not target.is_table or not granted & {column.name for column in columns}:
            return
        rows = self._rows(target, actor, columns, granted)
        for row, names, gives in itertools.chain.from_iterable(itertools.islice(each, _ROWS) for each in rows):
            statement = insert_statement(relation, row)
            what = f" with {', '.join(names)}" if names else ""
            names_others = not relation.referring.isdisjoint(names)
            yield OwnMove(
                actor,
                (self._world.connection.bound(statement, [*row.values()]),),
                frozenset(map(str, row.values())),
                relation.full_name,
                "insert",
                f"inserting a row of its own into {relation.full_name}{what}",
                gives,
                names_others,
            )

    def _rows(
        self, target: Target, actor: Actor, columns: Iterable[Column], granted: set[str]
    ) -> Iterator[Iterator[tuple[Row, list[str], bool]]]:
        """Rows of one's own; what of each is chosen; whether it has a role or flag, and names nobody else's.

        First those that are one's own by the rule, then those in which one's own tenant is the other party.
        """
        label = min(actor.own, default="B")
        try:
            own = [
                {name: value for name, value in row.items() if name in granted}
                for row in target.insertions(label, actor)
            ]
        except Unfilled:
            return
        roles = [{c.name: v} for c in columns if c.name in granted for v in self._values(target.relation, c)]
        several = [row for number, row in enumerate(own) if row not in own[:number]]
        links: list[Row] = [{}, *self._links(target.relation, granted)]
        parties = [{}, *self._parties(target, label, granted)]
        for party in parties:
            yield (
                ({**row, **link, **party, **role}, [*link, *role], bool(role) and not link and bool(actor.own))
                for row, link, role in itertools.product(several, links, [{}, *roles])
                if not party or link.keys() - party.keys()
            )

    def _parties(self, target: Target, label: str, granted: set[str]) -> Iterator[Row]:
        """For each other column that names a tenant, one's own in it, and B in the one that says whose the row is."""
        tenancy, tenants = self._world.tenancy, self._world.tenants
        for key in target.relation.foreign_keys:
            (here, _), *more = key.columns
            if key.target == tenancy.tenant and not more and here != target.column and {here, target.column} <= granted:
                yield {here: tenants.ids[label], target.column: tenants.ids["B"]}

    def _links(self, relation: Relation, granted: set[str]) -> Iterator[Row]:
        """For each foreign key, a row of B."""
        tenants = self._world.tenants
        for key in relation.foreign_keys:
            here = {column for column, _ in key.columns}
            there = {"id": tenants.users["B"]} if key.target == USERS else tenants.rows.get(key.target, {}).get("B")
            if there is not None and here <= granted and all(column in there for _, column in key.columns):
                yield {name: there[column] for name, column in key.columns}

    def _keys(self, column: Column) -> list[Any]:
        """Ids of the tenant B and its member, as far as they are of the column's type."""
        tenants = self._world.tenants
        return [key for key in (tenants.ids["B"], tenants.users["B"]) if type(key) is KEYS.get(column.type)]

    def _values(self, relation: Relation, column: Column) -> list[Any]:
        """What a column is compared with, or held to; of a time, one that is over and one to come; and nothing."""
        if column.name in relation.referring:
            return []
        kind = {"N": int, "S": str, "E": str}.get(column.category)
        compared = [value for value in self._asked.constants.get(column.name, ()) if type(value) is kind]
        others = changes.other_values(self._world, relation, column, {column.name: _ANYTHING})
        return list(dict.fromkeys([*compared, *others]))[:_VALUES]
