"""Platform: who calls a database, and what is there before its first migration."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

from psycopg import sql

from pgassay.platforms.tokens import Identity

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def in_sql(role: str) -> str:
    """The name of a role as SQL has it: in quotes where it needs them."""
    return role if _PLAIN.fullmatch(role) else sql.Identifier(role).as_string(None)


@dataclass(frozen=True)
class Roles:
    """The roles that a caller can have.

    ``login`` is the one that logs in and becomes the others: ``anonymous`` for who has not signed in, ``signed_in``,
    and ``back_end`` for the application itself, which row level security does not hold.
    """

    login: str
    anonymous: str
    signed_in: str
    back_end: str

    @property
    def callers(self) -> tuple[str, str]:
        """The roles that row level security is to hold."""
        return self.anonymous, self.signed_in

    @property
    def api(self) -> tuple[str, str, str]:
        """All roles that the login becomes."""
        return self.anonymous, self.signed_in, self.back_end

    @property
    def held(self) -> str:
        """The callers as SQL names them in a list."""
        return ", ".join(map(in_sql, self.callers))

    @property
    def told(self) -> str:
        """The callers as a sentence names them."""
        return " and ".join(self.callers)


@dataclass(frozen=True)
class Users:
    """The table of users, and the statements of the platform's own service for it.

    ``sign_up`` takes the id, the address, the telephone number and the metadata of a new user, the last three of which
    may be NULL; each of ``sign_in`` takes the id, and comes next. ``signed_up`` takes the id and gives address, number,
    and what the platform and the user have written of them as metadata; ``emails`` gives the id and address of each.
    ``rewritten`` takes metadata as JSON and the id: the user has written that. ``copies`` takes ``count`` by name, and
    makes so many users out of the first one.
    """

    schema: str
    name: str
    sign_up: LiteralString
    sign_in: tuple[LiteralString, ...]
    signed_up: LiteralString
    emails: LiteralString
    rewritten: LiteralString
    copies: LiteralString

    @property
    def table(self) -> str:
        """The table as ``schema.name``."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Words:
    """What SQL calls the caller.

    Functions: ``user`` gives the caller's id, ``all_claims`` all claims, ``role`` and ``email`` these. Settings:
    ``claims`` has all claims as JSON, ``user_setting`` the caller's id, and one that begins with ``claim_prefix`` has
    one claim.
    """

    user: str
    all_claims: str
    role: str
    email: str
    claims: str
    user_setting: str
    claim_prefix: str

    @property
    def functions(self) -> tuple[str, ...]:
        """All of the functions."""
        return self.user, self.all_claims, self.role, self.email

    @property
    def user_in_sql(self) -> str:
        """The id of the caller in a condition: a subquery, which is asked once a statement and not once a row."""
        return f"(select {self.user}())"

    def claim_in_sql(self, path: str) -> str:
        """A claim as text in a condition; ``path`` is a literal of an array of keys."""
        return f"(select {self.all_claims}() #>> {path})"

    def role_in_sql(self, role: str) -> str:
        """The condition that the caller has a role."""
        return f"(select {self.role}()) = {sql.Literal(role).as_string(None)}"


@dataclass(frozen=True)
class Platform:
    """Who calls a database, and what is there before its first migration. One object for each platform.

    ``user``, ``anonymous`` and ``back_end`` make callers, the first one for a user's id, all with claims that replace
    the usual ones or come besides. ``users`` is where users are kept. ``schemas`` are the platform's own; a project
    writes policies, triggers and functions in those that are ``shared``, and a migration is ``locked`` out of others.
    ``owner`` owns what the migrations make. ``folder`` has the SQL that goes in before them: ``cluster.sql`` makes the
    roles, once a server; ``extensions.sql`` and ``database/*.sql`` go into every template, and ``extensions/*.sql`` are
    stand-ins. ``own_roles`` is how the names of the platform's further roles begin, ``publication`` the publication
    that projects add tables to.
    """

    name: str
    title: str
    roles: Roles
    users: Users
    words: Words
    user: Callable[..., Identity]
    anonymous: Callable[..., Identity]
    back_end: Callable[..., Identity]
    schemas: tuple[str, ...]
    shared: tuple[str, ...]
    locked: tuple[str, ...]
    owner: str
    folder: Path
    own_roles: tuple[str, ...]
    publication: str
