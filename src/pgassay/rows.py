"""Rows: one row a table for each of several tenants, with values that the table's constraints let in.

Values are found by type, and by the lists that CHECK constraints of the form ``column in (…)`` spell out. A table for
which that is not enough is reported with PostgreSQL's reason.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from pgassay.catalog import Column, ForeignKey, Relation, in_order_of_reference
from pgassay.config import Tenancy

USERS = "auth.users"

_LISTED = re.compile(r"\(?\"?(?P<column>\w+)\"?\)?(?:::text)? = ANY \(\(?ARRAY\[(?P<values>[^\]]*)\]")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")

Row = dict[str, Any]


class Unfilled(Exception):
    """No value is known for a column that needs one."""


@dataclass
class Tenants:
    """Tenants with a row in every table that could be filled.

    ``ids`` are the tenants' keys by label; ``rows`` the rows by relation and label, all columns read back;
    ``unfilled`` says for each table left empty why.
    """

    ids: dict[str, Any]
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    unfilled: dict[str, str] = field(default_factory=dict)


class Maker:
    """Makes rows through ``connection``, the owner's, for tenants as ``tenancy`` declares them."""

    def __init__(self, connection: psycopg.Connection[Any], relations: tuple[Relation, ...], tenancy: Tenancy) -> None:
        self._connection = connection
        self._relations = {relation.full_name: relation for relation in relations}
        self._tenancy = tenancy
        self._numbers = itertools.count(1)

    def user(self) -> UUID:
        """A new user."""
        user_id = uuid4()
        self._connection.execute("insert into auth.users (id) values (%s)", [user_id])
        return user_id

    def join(self, user_id: UUID, tenant_id: Any) -> None:
        """Make a user a member of a tenant."""
        relation = self._relations[self._tenancy.member_table]
        known = {self._tenancy.member_tenant: tenant_id, self._tenancy.member_user: user_id}
        self._insert(relation, {**self._needed(relation, known), **known})

    def fill(self, labels: tuple[str, ...]) -> Tenants:
        """One tenant a label, and a row of it in every table but that of the memberships."""
        tenant_table = self._relations[self._tenancy.tenant]
        tenants = Tenants(ids={})
        tenants.rows[tenant_table.full_name] = {}
        for label in labels:
            row = self._insert(tenant_table, self.values(tenant_table, tenants, label))
            tenants.rows[tenant_table.full_name][label] = row
            tenants.ids[label] = row[tenant_table.primary_key[0]]
        for relation in in_order_of_reference(self._relations.values()):
            if relation.full_name in (self._tenancy.tenant, self._tenancy.member_table):
                continue
            try:
                with self._connection.transaction():
                    made = {label: self._insert(relation, self.values(relation, tenants, label)) for label in labels}
            except (psycopg.Error, Unfilled) as error:
                tenants.unfilled[relation.full_name] = str(error).strip().splitlines()[0]
            else:
                tenants.rows[relation.full_name] = made
        return tenants

    def values(self, relation: Relation, tenants: Tenants, label: str) -> Row:
        """Values for a further row of a tenant: of its tenant column, and of what has no default and is not nullable.

        Raises `Unfilled` when a column's type is one for which no value is known.
        """
        known: Row = {}
        if relation.column(self._tenancy.column) is not None and label in tenants.ids:
            known[self._tenancy.column] = tenants.ids[label]
        for key in relation.foreign_keys:
            if self._is_needed(relation, key, known):
                known.update(self._referred(key, tenants, label))
        return {**self._needed(relation, known), **known}

    def _is_needed(self, relation: Relation, key: ForeignKey, known: Mapping[str, Any]) -> bool:
        here = [relation.column(name) for name, _ in key.columns]
        return any(
            column is not None and column.not_null and not column.has_default and column.name not in known
            for column in here
        )

    def _referred(self, key: ForeignKey, tenants: Tenants, label: str) -> Row:
        if key.target == USERS:
            return {here: self.user() for here, _ in key.columns}
        if key.target not in tenants.rows or label not in tenants.rows[key.target]:
            raise Unfilled(f"it refers to {key.target}, for which no row could be made")
        row = tenants.rows[key.target][label]
        return {here: row[there] for here, there in key.columns}

    def _needed(self, relation: Relation, known: Mapping[str, Any]) -> Row:
        listed = _listed_values(relation)
        return {
            column.name: self._value(column, listed.get(column.name))
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
        if column.category == "D":
            return "2025-11-03 00:00:00+00"
        if column.category == "T":
            return "1 hour"
        raise Unfilled(f"no value is known for {column.name}, which is {column.type}")

    def _insert(self, relation: Relation, values: Row) -> Row:
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            row = cursor.execute(insert_statement(relation, values, returning=True), list(values.values())).fetchone()
        assert row is not None
        return row


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
