"""The environment: the SQL that stands in for Supabase before the first migration.

It lies in ``sql/supabase``: ``cluster.sql`` makes the roles, once a server; ``extensions.sql`` and ``database/*.sql``
go into every template; ``extensions/*.sql`` are the stand-ins for extensions that a server may lack.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pgassay.errors import Unavailable
from pgassay.platforms import DEFAULT, Platform
from pgassay.servers.server import MADE_BY_PGASSAY, Server

SETTINGS = (
    "deadlock_timeout", "log_lock_waits", "log_min_duration_statement", "log_min_messages",
    "log_parameter_max_length", "log_replication_commands", "log_statement", "log_temp_files",
    "session_replication_role", "track_functions", "track_io_timing", "wal_compression",
)  # fmt: skip
"""Settings without a prefix that the platform lets the migrating role give (supautils.conf of supabase/postgres)."""
_OTHER_OWNER = "pgassay_owner"
_SETUP_LOCK = 0x70676173736180

Connection = psycopg.Connection[Any]


def database_files(platform: Platform) -> list[Path]:
    """The files that go into every template, in order, with the stand-ins, of which each goes in when asked for."""
    return [
        platform.folder / "extensions.sql",
        *_stand_ins(platform),
        *sorted((platform.folder / "database").glob("*.sql")),
    ]


def prepare(
    server: Server,
    platform: Platform = DEFAULT,
    *,
    timeout: float | None = None,
    settings: Mapping[str, str] | None = None,
) -> Server:
    """Make the roles of ``platform`` that ``server`` lacks; to be called once a run, before the first template.

    Gives the server back with its owner, the non-superuser that migrations are applied as, the roles that can log in,
    ``timeout`` as the patience of its sessions, and ``settings`` that they begin with. Roles that are there are left as
    they are. On a server that is not ours, those made are marked, so that they are dropped again. Raises `Unavailable`
    where roles are missing and the admin may not make them.
    """
    server = replace(server, platform=platform)
    wanted = _granted(platform)
    with server.connect(server.maintenance, kind=psycopg.Connection[Any]) as connection:
        # One at a time: concurrent changes of one role fail with XX000. The lock ends with the connection.
        connection.execute("select pg_catalog.pg_advisory_lock(%s)", [_SETUP_LOCK])
        before = roles(connection)
        try:
            connection.execute((platform.folder / "cluster.sql").read_bytes())
            owner = _choose_owner(connection, server)
            _close_the_way_out(connection, server)
            _let_set(connection, server, owner)
        except psycopg.errors.InsufficientPrivilege as error:
            missing = [name for name in wanted if name not in before]
            raise Unavailable(
                f"The user {server.admin} may not make the roles of {platform.title} that the server lacks"
                + (f": {', '.join(missing)}." if missing else f" ({error.diag.message_primary})."),
                hint="Connect as a superuser, or have a superuser make these roles first.",
            ) from error
        mark_made(connection, server, before)
        logins = _logins(connection, server, before)
        return replace(server, owner=owner, logins=logins, timeout=timeout, settings=settings or {})


def apply(connection: Connection, owner: str, platform: Platform) -> None:
    """Put the environment into the database of ``connection``, whose user is the admin, for migrations of ``owner``."""
    connection.execute("select pg_catalog.set_config('pgassay.owner', %s, false)", [owner])
    connection.execute((platform.folder / "extensions.sql").read_bytes())
    texts = {file.stem: file.read_text(encoding="utf-8") for file in _stand_ins(platform)}
    connection.execute(
        "insert into pgassay.stand_ins (name, script, home) select * from unnest(%s::text[], %s::text[], %s::text[])",
        [list(texts), list(texts.values()), [_home(text) for text in texts.values()]],
    )
    for file in sorted((platform.folder / "database").glob("*.sql")):
        connection.execute(file.read_bytes())


def provide(owner: Connection, extension: str, schema: str) -> None:
    """Make an extension that nobody has asked for, the server's own or a stand-in, unless it is there or cannot be."""
    taken = owner.execute("select pgassay.takes(%s)", [extension]).fetchone()
    if taken is not None and taken[0]:
        with contextlib.suppress(psycopg.Error):
            owner.execute("select pgassay.create_extension(%s, %s, null, null, false, true)", [extension, schema])


def _stand_ins(platform: Platform) -> list[Path]:
    return sorted((platform.folder / "extensions").glob("*.sql"))


def _home(script: str) -> str | None:
    """The schema that a stand-in is always in, as its second line says."""
    _, _, rest = script.partition("\n-- schema: ")
    return rest.split("\n", 1)[0] or None


def roles(connection: Connection) -> frozenset[str]:
    """The names of the roles of the server."""
    return frozenset(name for (name,) in connection.execute("select rolname from pg_catalog.pg_roles"))


def mark_made(connection: Connection, server: Server, before: frozenset[str]) -> None:
    """Mark the roles that came since ``before``, on a server where they have to be dropped again."""
    if server.ours:
        return
    for name in sorted(roles(connection) - before):
        connection.execute(
            sql.SQL("comment on role {} is {}").format(sql.Identifier(name), sql.Literal(MADE_BY_PGASSAY))
        )


def role_ids(connection: Connection) -> dict[int, str]:
    """The names of the roles of the server by their ids, which a new name does not change."""
    return dict(connection.execute("select oid, rolname from pg_catalog.pg_roles").fetchall())


def made(connection: Connection) -> frozenset[str]:
    """The roles that are marked as made by pgassay."""
    return frozenset(
        name
        for (name,) in connection.execute(
            "select rolname from pg_catalog.pg_roles where pg_catalog.shobj_description(oid, 'pg_authid') = %s",
            [MADE_BY_PGASSAY],
        )
    )


def restore(connection: Connection, server: Server, before: Mapping[int, str]) -> None:
    """Give roles the names that they had ``before``, and make those of the platform's anew that were dropped."""
    for role, name in role_ids(connection).items():
        if before.get(role, name) != name:
            rename = sql.SQL("alter role {} rename to {}")
            connection.execute(rename.format(sql.Identifier(name), sql.Identifier(before[role])))
    lost = set(before.values()) - roles(connection)
    if lost:
        connection.execute((server.platform.folder / "cluster.sql").read_bytes())
        for name in sorted(lost & server.logins.keys() & roles(connection)):
            _give_password(connection, name, server.logins[name])


def _give_password(connection: Connection, name: str, password: str) -> None:
    if password:
        connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(name), sql.Literal(password)))


def _close_the_way_out(connection: Connection, server: Server) -> None:
    """Keep the owner from reaching files and programs of this machine.

    Up to PostgreSQL 15, whoever has CREATEROLE may make anybody a member of any role that is no superuser. So these
    roles of PostgreSQL's own become one; nobody is a member of them, and nobody can log in as one.
    """
    if server.ours and server.superuser and server.major < 16:
        connection.execute(
            "update pg_catalog.pg_authid set rolsuper = true where rolname in "
            "('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')"
        )


def _let_set(connection: Connection, server: Server, owner: str) -> None:
    """Let the owner give settings that PostgreSQL reserves for superusers, and Supabase gives to ``postgres``."""
    if server.ours and server.superuser:
        connection.execute(
            sql.SQL("grant set on parameter {} to {}").format(
                sql.SQL(", ").join(map(sql.Identifier, SETTINGS)), sql.Identifier(owner)
            )
        )


def _granted(platform: Platform) -> tuple[str, ...]:
    """The roles that the owner may become, as he may on the platform."""
    return *platform.roles.api, platform.roles.login


def _choose_owner(connection: Connection, server: Server) -> str:
    """Who migrations are applied as: the platform's owner, unless that is a superuser here or cannot be used."""
    if not server.superuser:
        return server.admin
    row = connection.execute(
        "select rolsuper from pg_catalog.pg_roles where rolname = %s", [server.platform.owner]
    ).fetchone()
    if row is not None and not row[0]:
        return server.platform.owner
    if _OTHER_OWNER not in roles(connection):
        name = sql.Identifier(_OTHER_OWNER)
        connection.execute(sql.SQL("create role {} login nosuperuser bypassrls createrole createdb").format(name))
        for granted in _granted(server.platform):
            connection.execute(sql.SQL("grant {} to {} with admin option").format(sql.Identifier(granted), name))
    return _OTHER_OWNER


def _logins(connection: Connection, server: Server, before: frozenset[str]) -> Mapping[str, str]:
    """Passwords of the roles made just now that can log in. Those of others are not ours to know or to change."""
    made = connection.execute(
        "select rolname from pg_catalog.pg_roles where rolcanlogin and not rolname = any(%s)", [list(before)]
    ).fetchall()
    if server.trusted:
        return {name: "" for (name,) in made}
    passwords = {name: secrets.token_urlsafe(16) for (name,) in made}
    for name, password in passwords.items():
        _give_password(connection, name, password)
    return passwords
