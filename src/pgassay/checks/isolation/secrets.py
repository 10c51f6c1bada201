"""Secrets: values of a row that nobody can guess, so that who has one was given it, as the token of an invitation."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from pgassay import hints, sqltree
from pgassay.catalog import Column, Relation
from pgassay.checks.isolation.arguments import Call
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import World
from pgassay.identity import Session

_LENGTH = 16
"""Shorter texts can be guessed."""
_RANDOM = {"gen_random_uuid", "gen_random_bytes", "uuid_generate_v4", "uuidv4", "uuidv7", "random"}
_NAMED = re.compile(r"token|secret|nonce")
"""Names of columns that hold such texts, which the application makes up, so that the schema does not say how."""
_ENDS = re.compile(r"expir|until|valid_to|ends?_at")
"""Names of columns that say from when on a secret opens nothing any more, where nothing compares them with the time."""
_REFUSED_SHORT = sql.SQL("""
select coalesce(pg_catalog.bool_or(t.n < {length} and t.passes), false), coalesce(pg_catalog.bool_or(t.passes), false)
from (
    select n, {checks} as passes
    from pg_catalog.generate_series(1, 128) as n
    cross join lateral (select pg_catalog.repeat('a', n) as {column}) as made
) as t
""")


class Secrets:
    """The secrets in the rows that were made. Ids are none, nor what is over, nor what others may read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[Actor, frozenset[str]] = {}
        self._short: dict[tuple[str, str], bool] = {}

    @cached_property
    def all(self) -> frozenset[str]:
        """The secrets of all tenants."""
        return frozenset(self._labels)

    def kept_from(self, session: Session, actor: Actor) -> frozenset[str]:
        """Those of tenants that ``actor`` is no member of, but for what it can read; the session is the actor's."""
        if actor not in self._seen:
            read: set[str] = set()
            for name, column in {place for places in self._of.values() for place in places}:
                read |= self._read(session, name, column)
            self._seen[actor] = frozenset(
                value for value, label in self._labels.items() if label not in actor.own and value not in read
            )
        return self._seen[actor]

    def _read(self, session: Session, name: str, column: str) -> set[str]:
        relation = self._world.relations[name]
        statement = sql.SQL("select {} from {}").format(
            sql.Identifier(column), sql.Identifier(relation.schema, relation.name)
        )
        try:
            return {str(value) for (value,) in session.attempt(statement, reading=True)[0].rows}
        except psycopg.Error:
            if session.closed:
                raise
            return set()

    @cached_property
    def _labels(self) -> dict[str, str]:
        """Each secret, and the tenant whose it is."""
        return dict(self._of.keys())

    @cached_property
    def _of(self) -> Mapping[tuple[str, str], Collection[tuple[str, str]]]:
        found: dict[tuple[str, str], set[tuple[str, str]]] = {}
        over: set[str] = set()
        for name, label, row in self._world.made():
            relation = self._world.relations.get(name)
            if relation is None:
                continue
            for column in relation.columns:
                value = row.get(column.name)
                if value is not None and self._is_secret(relation, column, value):
                    found.setdefault((str(value), label), set()).add((name, column.name))
                    if self._is_over(name, row):
                        over.add(str(value))
        return {key: places for key, places in found.items() if key[0] not in over}

    def _is_secret(self, relation: Relation, column: Column, value: Any) -> bool:
        tenancy = self._world.tenancy
        if column.name in {*relation.referring, tenancy.column_of(relation.full_name)}:
            return False
        if (relation.full_name, column.name) in self._referred:
            return False
        alone = any(index.columns == (column.name,) for index in relation.exclusions if not index.exclusion)
        # an id is none; a text beside the tenant in the primary key need not be one
        is_text = alone and len(relation.primary_key) > 1 and isinstance(value, str)
        if column.name in relation.primary_key and not is_text:
            return False
        if isinstance(value, UUID):
            return _is_random(column.default) or (alone and not column.has_default)
        if not isinstance(value, str):
            return False
        made_up = alone and not column.has_default
        if made_up and (_NAMED.search(column.name.lower()) or self.refuses_short(relation, column)):
            return True
        return _is_random(column.default) and len(value) >= _LENGTH

    def refuses_short(self, relation: Relation, column: Column) -> bool:
        """Whether its constraints let in texts, but none that can be guessed for their length; tried with some."""
        key = (relation.full_name, column.name)
        if key not in self._short:
            own = [check for check in relation.check_constraints if check.columns == (column.name,)]
            self._short[key] = bool(own) and self._is_refused(column, [check.expression for check in own])
        return self._short[key]

    def _is_refused(self, column: Column, checks: Iterable[str]) -> bool:
        parts = [sql.SQL("({})").format(sql.SQL(check)) for check in checks]
        query = _REFUSED_SHORT.format(
            length=_LENGTH, checks=sql.SQL(" and ").join(parts), column=sql.Identifier(column.name)
        )
        try:
            ((short, any_of_them),) = self._world.ask(query)
        except psycopg.Error:
            if self._world.connection.closed:
                raise
            return False
        return any_of_them and not short

    def _is_over(self, name: str, row: Mapping[str, Any]) -> bool:
        """Whether a time has come from which on the row opens nothing any more."""
        past = [column for column, value in row.items() if _is_past(value)]
        return any(_ENDS.search(column) or hints.Column(name, column) in self._ends for column in past)

    @cached_property
    def _ends(self) -> set[hints.Column]:
        """The columns that something must find to be later than now, or that begin so and are compared with it."""
        read = hints.read(self._world.connection, self._world.relations.values())
        facts = [read.elsewhere, *read.policies.values()]
        timed = {column for of in facts for column in of.timed}
        return {column for of in facts for column in of.later} | set(filter(self._begins_later, timed))

    def _begins_later(self, place: hints.Column) -> bool:
        relation = self._world.relations.get(place.relation)
        column = relation.column(place.name) if relation is not None else None
        if column is None or column.default is None:
            return False
        query = sql.SQL("select ({})::pg_catalog.timestamptz > pg_catalog.now()")
        try:
            ((later,),) = self._world.ask(query.format(sql.SQL(column.default)))
        except psycopg.Error:
            if self._world.connection.closed:
                raise
            return False
        return bool(later)

    @cached_property
    def _referred(self) -> set[tuple[str, str]]:
        return {
            (key.target, there)
            for relation in self._world.relations.values()
            for key in relation.foreign_keys
            for _, there in key.columns
        }


def holds(call: Call, secrets: Collection[str]) -> bool:
    """Whether a call is made with one of them, alone or within a longer value."""
    return any(secret in given for given in call.known for secret in secrets)


def without(calls: Iterable[Call], kept: Collection[str]) -> Iterator[Call]:
    """Those calls for which the caller needs no secret that is kept from them."""
    return (call for call in calls if not holds(call, kept))


def _is_past(value: Any) -> bool:
    now = datetime.now(UTC)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)) < now
    return isinstance(value, date) and value < now.date()


def _is_random(default: str | None) -> bool:
    """Whether a default calls for random values."""
    if default is None:
        return False
    tree = sqltree.expression(default)
    called = () if tree is None else map(sqltree.called, sqltree.walk(tree))
    return any(name.rpartition(".")[2] in _RANDOM for name in called)
