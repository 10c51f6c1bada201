"""Roles that a project makes for its API: each that can be reached from the login is somebody who tries."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, LiteralString

from pgassay.errors import ConfigError
from pgassay.identity import Identity, Session

if TYPE_CHECKING:
    from pgassay.checks.isolation.world import World

_QUERY: LiteralString = """
select
    r.rolname::pg_catalog.text,
    exists (
        select from pg_catalog.pg_shdepend as d
        join pg_catalog.pg_database as b on d.dbid = b.oid
        join pg_catalog.pg_roles as o on d.refobjid = o.oid
        where
            b.datname = pg_catalog.current_database() and d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
            and pg_catalog.pg_has_role(r.oid, o.oid, 'usage') and o.rolname <> all(%(api)s)
    )
from pg_catalog.pg_roles as r
where
    r.rolname <> all(%(api)s) and r.rolname <> %(login)s and not pg_catalog.starts_with(r.rolname, 'pg_')
    and not r.rolbypassrls and not r.rolsuper
    and pg_catalog.pg_has_role(%(login)s, r.oid, %(how)s)
order by r.rolname collate "C"
"""
"""The roles that who logged in may become, and whether rights or policies of this database name them.

Those past row level security are left out, as what they are for is said by that.
"""
_SET_SINCE = 16_00_00
"""The version from which on a member may be one without becoming it."""


def read(session: Session) -> dict[str, bool]:
    """The roles that can be reached besides the platform's, and whether they have rights of their own."""
    how = "set" if session.info.server_version >= _SET_SINCE else "member"
    roles = session.platform.roles
    with session.transaction(force_rollback=True):
        session.execute("set local search_path = pg_catalog")
        wanted: dict[str, Any] = {"api": [*roles.api], "login": roles.login, "how": how}
        return dict(session.execute(_QUERY, wanted).fetchall())


def callers(session: Session) -> tuple[str, ...]:
    """All roles of the API that have rights: the platform's, and the project's own."""
    return (*session.platform.roles.api, *(name for name, has_rights in read(session).items() if has_rights))


def refuse_unknown(session: Session, trusted: Collection[str]) -> None:
    """Raises `ConfigError` for a role that is said to be trusted and cannot be reached."""
    known = read(session) if trusted else {}
    login = session.platform.roles.login
    for name in sorted(trusted):
        if name not in known:
            raise ConfigError(
                f"[tool.pgassay.tenancy]: trusted names {name}, which is no role that {login} can become.",
                hint=f"Roles of the migrations' own that it can: {', '.join(known) or 'none'}. A role with BYPASSRLS "
                "need not be named.",
            )


def identity(role: str, token: Identity | None = None) -> Identity:
    """The role with a token of its own; or with that of a user, which names the role instead."""
    return Identity.of(role, {**token.given, "role": role} if token is not None else {})


def notes(world: World) -> Iterator[str]:
    """What the project may want to say of its roles, of which nothing is declared."""
    for role in world.roles:
        if role not in world.platform.roles.api and role not in world.tenancy.trusted:
            yield (
                f"nothing says who the role {role} is, which a token can name: it is tried as somebody who is of no "
                f'tenant, and as a member. If it is the back end\'s own: trusted = ["{role}"] in '
                "[tool.pgassay.tenancy]"
            )
