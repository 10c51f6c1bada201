"""Rows: one row a table for each of several tenants, with values that the table's constraints let in.

Values are found by type, and by the lists that CHECK constraints of the form ``column in (…)`` spell out. A table for
which that is not enough is reported with PostgreSQL's reason.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from pgassay.catalog import Column, ForeignKey, Relation, in_order_of_reference
from pgassay.config import Membership, Tenancy

USERS = "auth.users"

_LISTED = re.compile(r"\(?\"?(?P<column>\w+)\"?\)?(?:::text)? = ANY \(\(?ARRAY\[(?P<values>[^\]]*)\]")
_NUMBER_RANGES = ("int4range", "int8range", "numrange")
_TRIES = 200
_POOLS: dict[str, list[Any]] = {
    "S": [
        "a", "ab", "abc", "abcdef", "ABC", "ABC-123", "A1", "abc-def", "abc_def", "someone@example.org", "12345",
        "https://example.org/x", "2025-11-03", "+431234567", "en", "EUR", "#a1b2c3", "0.1.0", "a.b", "draft",
        "abcdefghijklmnopqrstuvwxyz012345",
    ],
    "N": [0, 1, 2, 5, 10, 42, 50, 99, 100, 500, 1000, 2025, 10_000, -1, -100],
}  # fmt: skip
"""Values to try where a CHECK cannot be read, by the category of the type."""

_QUOTED = re.compile(r"'((?:[^']|'')*)'")

Row = dict[str, Any]


class Unfilled(Exception):
    """No value is known for a column that needs one."""


@dataclass
class Tenants:
    """Tenants with a row in every table that could be filled.

    ``ids`` are the tenants' keys by label, ``users`` a member of each; ``rows`` the rows by relation and label, all
    columns read back, ``others`` second rows in which the columns that may be NULL are filled, where that can be;
    ``unfilled`` says for each table left empty why.
    """

    ids: dict[str, Any] = field(default_factory=dict)
    users: dict[str, UUID] = field(default_factory=dict)
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    others: dict[str, dict[str, Row]] = field(default_factory=dict)
    unfilled: dict[str, str] = field(default_factory=dict)


class Maker:
    """Makes rows through ``connection``, the owner's, for tenants as ``tenancy`` declares them."""

    def __init__(self, connection: psycopg.Connection[Any], relations: tuple[Relation, ...], tenancy: Tenancy) -> None:
        self._connection = connection
        self._relations = {relation.full_name: relation for relation in relations}
        self._tenancy = tenancy
        self._numbers = itertools.count(1)
        self._found: dict[tuple[str, str], Any] = {}
        self._random = random.Random(0)  # noqa: S311 - the same values in every run

    def listed_of(self, relation: str) -> dict[str, list[str]]:
        """The values to which CHECK constraints or enums hold the columns of one relation."""
        known = self._relations[relation]
        return _listed_values(known) | {column.name: list(column.labels) for column in known.columns if column.labels}

    @property
    def listed(self) -> dict[str, list[str]]:
        """The values to which CHECK constraints or enums hold columns, by the columns' names."""
        found: dict[str, list[str]] = {}
        for name in self._relations:
            for column, values in self.listed_of(name).items():
                found.setdefault(column, []).extend(values)
        return found

    def use(self, connection: psycopg.Connection[Any]) -> None:
        """Go on through another connection, to a copy of the database."""
        self._connection = connection

    def user(self) -> UUID:
        """A new user."""
        user_id = uuid4()
        self._connection.execute(
            "insert into auth.users (id, email) values (%s, %s)", [user_id, f"{uuid4().hex}@example.org"]
        )
        return user_id

    def join(self, user_id: UUID, tenant_id: Any, **more: Any) -> Row | None:
        """Make a user a member of a tenant, where a table says who is one; ``more`` are columns of that table."""
        member = self._tenancy.member
        if not isinstance(member, Membership):
            return None
        known = {member.tenant: tenant_id, member.user: user_id, **more}
        return self._insert(self._relations[member.table], known)

    def fill(self, labels: tuple[str, ...]) -> Tenants:
        """One tenant a label with one member, and a row of it in every table."""
        tenants = Tenants()
        for label in labels:
            tenants.users[label] = self.user()
            if self._tenancy.tenant == USERS:
                tenants.ids[label] = tenants.users[label]
                continue
            relation = self._relations[self._tenancy.tenant]
            row = self._insert(relation, self._known(relation, tenants, label))
            tenants.rows.setdefault(relation.full_name, {})[label] = row
            tenants.ids[label] = row[relation.primary_key[0]]
            membership = self.join(tenants.users[label], tenants.ids[label])
            if membership is not None and isinstance(self._tenancy.member, Membership):
                tenants.rows.setdefault(self._tenancy.member.table, {})[label] = membership
        for relation in in_order_of_reference(self._relations.values()):
            if relation.full_name in tenants.rows:
                continue
            try:
                with self._connection.transaction():
                    made = {
                        label: self._insert(relation, self._known(relation, tenants, label, optional=True))
                        for label in labels
                    }
            except (psycopg.Error, Unfilled) as error:
                tenants.unfilled[relation.full_name] = str(error).strip().splitlines()[0]
            else:
                tenants.rows[relation.full_name] = made
                self._fill_again(relation, tenants, labels)
        return tenants

    def _fill_again(self, relation: Relation, tenants: Tenants, labels: tuple[str, ...]) -> None:
        """Second rows, with every column filled. One a tenant may be all that there can be, so none is missed."""
        listed = _listed_values(relation)
        try:
            with self._connection.transaction():
                made = {}
                for label in labels:
                    known = self._known(relation, tenants, label, optional=True)
                    for key in relation.foreign_keys:
                        if key.target == relation.full_name:
                            known.update(self._referred(key, tenants, label, None))
                    for column in relation.columns:
                        if not column.not_null and not column.has_default and column.name not in known:
                            known[column.name] = self._value(column, listed.get(column.name))
                    made[label] = self._inserted(relation, {**self._needed(relation, known), **known})
        except (psycopg.Error, Unfilled):
            return
        tenants.others[relation.full_name] = made

    def values(self, relation: Relation, tenants: Tenants, label: str, user: UUID | None = None) -> Row:
        """Values for a further row of a tenant: of its tenant column, and of what has no default and is not nullable.

        ``user`` stands where it refers to a user; the tenant's member does by default. Raises `Unfilled` when a
        column's type is one for which no value is known.
        """
        known = self._known(relation, tenants, label, user)
        needed = self._needed(relation, known)
        # as in the row that there is: its constraints let that in, and where it is unique, policies are asked before
        there = tenants.rows.get(relation.full_name, {}).get(label, {})
        return {**needed, **{name: _sent(there[name]) for name in needed if there.get(name) is not None}, **known}

    def _known(
        self, relation: Relation, tenants: Tenants, label: str, user: UUID | None = None, *, optional: bool = False
    ) -> Row:
        """What follows from whose the row is: the tenant column, and keys of rows that it refers to."""
        known: Row = {}
        column = self._tenancy.column_of(relation.full_name)
        if relation.column(column) is not None and label in tenants.ids:
            known[column] = tenants.ids[label]
        for key in relation.foreign_keys:
            if self._is_needed(relation, key, known) or (optional and not self._is_given(relation, key, known)):
                try:
                    known.update(self._referred(key, tenants, label, user))
                except Unfilled:
                    if self._is_needed(relation, key, known):
                        raise
        return known

    def _is_given(self, relation: Relation, key: ForeignKey, known: Mapping[str, Any]) -> bool:
        return key.target == relation.full_name or any(here in known for here, _ in key.columns)

    def _is_needed(self, relation: Relation, key: ForeignKey, known: Mapping[str, Any]) -> bool:
        here = [relation.column(name) for name, _ in key.columns]
        return any(
            column is not None and column.not_null and not column.has_default and column.name not in known
            for column in here
        )

    def _referred(self, key: ForeignKey, tenants: Tenants, label: str, user: UUID | None) -> Row:
        if key.target == USERS:
            return {here: user or tenants.users[label] for here, _ in key.columns}
        if key.target not in tenants.rows or label not in tenants.rows[key.target]:
            raise Unfilled(f"it refers to {key.target}, for which no row could be made")
        row = tenants.rows[key.target][label]
        return {here: row[there] for here, there in key.columns}

    def _needed(self, relation: Relation, known: Mapping[str, Any]) -> Row:
        listed = _listed_values(relation)
        return {
            column.name: (
                self._found[relation.full_name, column.name]
                if (relation.full_name, column.name) in self._found
                else self._value(column, listed.get(column.name))
            )
            for column in relation.columns
            if column.not_null and not column.has_default and column.name not in known
        }

    def _value(self, column: Column, listed: list[str] | None) -> Any:
        number = next(self._numbers)
        if listed:
            return listed[0]
        if column.labels:
            return column.labels[0]
        if column.category == "A":
            return "{}"
        match column.type:
            case "uuid":
                return uuid4()
            case "json" | "jsonb":
                return json.dumps({})
            case "boolean":
                return False
            case "bytea":
                return b""
            case "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision":
                return number
            case "text" | "character varying" | "citext" | "name":
                return f"{column.name} {number}"
        if column.category == "D":  # a later one each time: an end comes after its beginning
            return datetime(2025, 11, 3, tzinfo=UTC) + timedelta(days=number)
        if column.category == "R":
            day = date(2025, 11, 3) + timedelta(days=number)
            bounds = (number, number + 1) if column.type in _NUMBER_RANGES else (day, day + timedelta(days=1))
            return f"[{bounds[0]},{bounds[1]})"
        if column.category == "T":
            return "1 hour"
        raise Unfilled(f"no value is known for {column.name}, which is {column.type}")

    def _insert(self, relation: Relation, known: Row) -> Row:
        """Insert a row with these values and those that it needs besides, which are searched where a CHECK refuses."""
        for _ in range(_TRIES):
            values = {**self._needed(relation, known), **known}
            try:
                with self._connection.transaction():
                    return self._inserted(relation, values)
            except psycopg.errors.CheckViolation as error:
                if not self._search(relation, error.diag.constraint_name, known):
                    raise
            except psycopg.errors.UniqueViolation as error:
                row = self._existing(relation, known)  # made by a trigger, as a profile is at sign-up
                if row is not None:
                    return row
                if not self._searched(relation) or not self._search(relation, error.diag.constraint_name, known):
                    raise
        raise Unfilled("no values were found that its CHECK constraints let in")

    def _inserted(self, relation: Relation, values: Row) -> Row:
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            row = cursor.execute(insert_statement(relation, values, returning=True), list(values.values())).fetchone()
        if row is None:
            raise Unfilled("a trigger refuses the row without an error")
        return row

    def _existing(self, relation: Relation, known: Row) -> Row | None:
        if not known:
            return None
        statement = sql.SQL("select * from {} where {}").format(
            sql.Identifier(relation.schema, relation.name),
            sql.SQL(" and ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in known),
        )
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            rows = cursor.execute(statement, list(known.values())).fetchall()
        return rows[0] if len(rows) == 1 else None

    def _searched(self, relation: Relation) -> bool:
        """Whether values of that relation were found by a search, so that another one would find others."""
        return any(name == relation.full_name for name, _ in self._found)

    def _search(self, relation: Relation, constraint: str | None, known: Mapping[str, Any]) -> bool:
        """Choose other values for the columns of a CHECK that refused them. False when there is none to choose."""
        named = self._connection.execute(
            "select a.attname::text from pg_catalog.pg_constraint as k "
            "join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = any(k.conkey) "
            "where k.conname = %s and k.conrelid = pg_catalog.to_regclass(%s)",
            [constraint, sql.Identifier(relation.schema, relation.name).as_string(None)],
        ).fetchall()
        chosen = False
        for column in relation.columns:
            if (named and (column.name,) not in named) or column.name in known:
                continue
            if not column.not_null and column.name not in {name for (name,) in named}:
                continue
            pool = _POOLS.get(column.category)
            if pool is not None and column.not_null and not column.has_default:
                self._found[relation.full_name, column.name] = self._random.choice(pool)
                chosen = True
        return chosen


def _sent(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def insert_statement(relation: Relation, values: Row, *, returning: bool = False) -> sql.Composed:
    """The INSERT of ``values`` with a placeholder for each."""
    table = sql.Identifier(relation.schema, relation.name)
    if not values:
        statement = sql.SQL("insert into {} default values").format(table)
    else:
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            table,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
    return statement + sql.SQL(" returning *") if returning else statement


def _listed_values(relation: Relation) -> dict[str, list[str]]:
    """For each column that a CHECK holds to a list of texts: that list."""
    found: dict[str, list[str]] = {}
    for check in relation.checks:
        for column, values in _lists(check):
            found.setdefault(column, values)
    return found


def _lists(check: str) -> Iterator[tuple[str, list[str]]]:
    for match in _LISTED.finditer(check):
        yield match["column"], [value.replace("''", "'") for value in _QUOTED.findall(match["values"])]
