"""Secrets: values of a row that nobody can guess, so that who has one was given it, as the token of an invitation."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import postgast
import psycopg
from psycopg import sql

from pgassay.catalog import Column, Relation
from pgassay.checks.isolation.arguments import Call
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import World
from pgassay.identity import Session

_LENGTH = 16
"""Shorter texts can be guessed."""
_RANDOM = {"gen_random_uuid", "gen_random_bytes", "uuid_generate_v4", "uuidv4", "uuidv7", "random"}
_NAMED = re.compile(r"token|secret|nonce")
"""Names of columns that hold such texts, which the application makes up."""
_ENDS = re.compile(r"expir|until|valid_to|ends?_at")
"""Names of columns that say from when on a secret opens nothing any more, so that it may be known to anybody."""


class Secrets:
    """The secrets in the rows that were made. Ids are none, nor what is over, nor what others may read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[Actor, frozenset[str]] = {}

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
            return {str(value) for (value,) in session.attempt(statement)[0].rows}
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
                    if _is_over(row):
                        over.add(str(value))
        return {key: places for key, places in found.items() if key[0] not in over}

    def _is_secret(self, relation: Relation, column: Column, value: Any) -> bool:
        tenancy = self._world.tenancy
        linked = {here for key in relation.foreign_keys for here, _ in key.columns}
        if column.name in {*relation.primary_key, *linked, tenancy.column_of(relation.full_name)}:
            return False
        if (relation.full_name, column.name) in self._referred:
            return False
        alone = any(index.columns == (column.name,) for index in relation.exclusions if not index.exclusion)
        if isinstance(value, UUID):
            return _is_random(column.default) or (alone and not column.has_default)
        if not isinstance(value, str):
            return False
        named = alone and bool(_NAMED.search(column.name.lower())) and not column.has_default
        return named or (_is_random(column.default) and len(value) >= _LENGTH)

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


def _is_over(row: Mapping[str, Any]) -> bool:
    now = datetime.now(UTC)
    for name, value in row.items():
        if _ENDS.search(name):
            if isinstance(value, datetime):
                if (value if value.tzinfo else value.replace(tzinfo=UTC)) < now:
                    return True
            elif isinstance(value, date) and value < now.date():
                return True
    return False


def _is_random(default: str | None) -> bool:
    """Whether a default calls for random values."""
    if default is None:
        return False
    try:
        parsed = postgast.parse(f"select {default}")
    except (postgast.PgQueryError, ValueError):
        return False
    return any(name in _RANDOM for name in _functions(parsed))


def _functions(message: Any) -> list[str]:
    found = []
    if message.DESCRIPTOR.name == "FuncCall":
        found.append(message.funcname[-1].string.sval)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for below in value if field.is_repeated else [value]:
                found += _functions(below)
    return found
