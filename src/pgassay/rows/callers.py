"""Rows that only a caller can make: a trigger stamps them with who is signed in, or refuses where nobody is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from pgassay.config import Claim, Tenancy
from pgassay.identity import Identity, Session
from pgassay.platforms import DEFAULT
from pgassay.rows.search import Row, Unfilled


class Changed(Unfilled):
    """A trigger gave the row to somebody else, or to nobody."""


def caller(user: UUID, email: str | None, tenancy: Tenancy, tenant_id: Any) -> Identity:
    """The user as a caller of the API, with the claim that names the tenant where a claim does."""
    claims: dict[str, Any] = {} if email is None else {"email": email}
    if isinstance(tenancy.member, Claim) and tenant_id is not None:
        value: Any = str(tenant_id)
        for part in reversed(tenancy.member.path):
            value = {part: value}
        claims.update(value)
    return DEFAULT.user(user, **claims)


def make(
    connection: psycopg.Connection[Any], insert: Callable[[], Row], known: Mapping[str, Any], by: Identity | None
) -> Row:
    """The row that ``insert`` makes as the owner; where that fails, or gives other values than ``known``, as ``by``.

    First through the door of the API, then with the rights of the owner, but signed in. Raises what the owner was told
    where nobody succeeds; a row of the owner's that triggers have changed is better than none.
    """
    try:
        with connection.transaction():
            made = insert()
            if by is None or _agrees(made, known):
                return made
            raise Changed("a trigger changes whose the row is")
    except (psycopg.Error, Unfilled) as error:
        if by is None or connection.closed:
            raise
        refused = error
    for acting in _doors(connection, by):
        try:
            with acting:
                made = insert()
                if not _agrees(made, known):
                    raise Changed("a trigger changes whose the row is")  # nothing stays of it
            return made
        except (psycopg.Error, Unfilled):
            if connection.closed:
                raise
    if isinstance(refused, Changed):
        with connection.transaction():
            return insert()
    raise refused


def _agrees(made: Row, known: Mapping[str, Any]) -> bool:
    return all(str(made.get(name)) == str(value) for name, value in known.items())


def _doors(connection: psycopg.Connection[Any], by: Identity) -> Iterator[AbstractContextManager[Any]]:
    if not isinstance(connection, Session):
        return
    yield connection.acting_as(by)
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("select current_user::pg_catalog.text").fetchone()
    assert row is not None
    yield connection.acting_as(Identity(row[0], by.claims))
