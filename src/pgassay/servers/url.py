"""The backend URL: a server that is already there. Only databases and roles that this run made are ever dropped.

When the run is over, the watchdog calls `clean_up`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgassay.config import OLDEST_MAJOR, Config
from pgassay.errors import ConfigError, Unavailable
from pgassay.servers.guard import Guard
from pgassay.servers.server import DATABASE_PREFIX, MADE_BY_PGASSAY, RUNNING_LOCK, Server

# Databases in which something depends on a role: the dependency of a database itself is in none.
_USERS = """
select distinct d.datname
from pg_catalog.pg_shdepend as s
join pg_catalog.pg_roles as r on s.refobjid = r.oid and s.refclassid = 'pg_catalog.pg_authid'::regclass
join pg_catalog.pg_database as d
    on s.dbid = d.oid or (s.classid = 'pg_catalog.pg_database'::regclass and s.objid = d.oid)
where r.rolname = %(role)s and not starts_with(d.datname, %(ours)s)
order by d.datname
"""


def parameters(url: str) -> dict[str, str]:
    """What the URL of a database says, as libpq names it. Raises `ConfigError`, which never shows the password."""
    hint = (
        "It is written postgresql://USER:PASSWORD@HOST:PORT/DATABASE. In a password, % is written %25, @ %40, : %3A, "
        "/ %2F, # %23 and ? %3F."
    )
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError("This is no URL of a database.", hint=hint)
    try:
        params = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        # libpq's words quote the URL, password and all
        raise ConfigError("The URL of the database is not valid.", hint=hint) from None
    # Where a password is not escaped, parts of it are taken for something else, which messages would show.
    misread = "@" in params.get("host", "") + params.get("dbname", "")
    if misread or not re.fullmatch(r"[\d,]*", params.get("port", "")):
        raise ConfigError(
            "The URL of the database is not valid: its password may not be written as it must be.", hint=hint
        )
    return params


@contextmanager
def start(config: Config) -> Iterator[Server]:
    """Use the server of ``config.url``; what the run made in it is dropped when the block is left.

    Raises `Unavailable` when it cannot be reached, is too old, of another major version than wanted, or its user may
    not create databases.
    """
    assert config.url is not None
    params = parameters(config.url)
    database = params.pop("dbname", None) or "postgres"
    params.setdefault("connect_timeout", "10")
    shown = f"{params.get('host', 'the local socket')}:{params.get('port', '5432')}"
    try:
        connection = psycopg.connect(make_conninfo(**params, dbname=database), autocommit=True)
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"The server at {shown} cannot be reached: {str(error).strip()}",
            hint="Check the host, the port, the user and the password in the URL.",
        ) from error
    with Guard() as guard, connection:
        server = _look_at(connection, params, database, shown)
        if config.pg_version not in (None, server.major):
            raise Unavailable(f"PostgreSQL {config.pg_version} is wanted, the server at {shown} is {server.release}.")
        # Held as long as the run: roles that pgassay made are dropped by the last run that needs them.
        connection.execute("select pg_catalog.pg_advisory_lock_shared(%s)", [RUNNING_LOCK])
        guard.run_at_end(
            [sys.executable, "-c", f"import {__name__} as u; u.clean_up(input(), input())"],
            f"{server.conninfo(server.maintenance)}\n{server.run}\n",
        )
        yield server
    for message in guard.messages:
        print(message, file=sys.stderr)


def _look_at(
    connection: psycopg.Connection[tuple[object, ...]], params: dict[str, str], database: str, shown: str
) -> Server:
    version = connection.info.server_version
    if version < OLDEST_MAJOR * 10000:
        raise Unavailable(
            f"The server at {shown} is PostgreSQL {version // 10000}, which is too old: "
            f"pgassay works with {OLDEST_MAJOR} and later."
        )
    row = connection.execute(
        "select rolname, rolsuper, rolcreatedb from pg_catalog.pg_roles where rolname = current_user"
    ).fetchone()
    assert row is not None
    user, superuser, may_create = str(row[0]), bool(row[1]), bool(row[2])
    if not (superuser or may_create):
        raise Unavailable(
            f"The user {user} of the server at {shown} may not create databases.",
            hint=f'pgassay works in databases of its own: connect as a superuser, or: alter role "{user}" createdb',
        )
    return Server(
        backend="url",
        version=version,
        params=params,
        admin=user,
        maintenance=database,
        why=f"the server at {shown}",
        superuser=superuser,
        ours=False,
    )


def clean_up(conninfo: str, run: str) -> None:
    """Drop the databases of a run, and roles that pgassay made unless they are needed; prints what it has to leave."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        databases = connection.execute(
            "select datname from pg_catalog.pg_database where starts_with(datname, %s)", [f"{DATABASE_PREFIX}{run}"]
        ).fetchall()
        for (name,) in databases:
            connection.execute(sql.SQL("alter database {} is_template false").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        row = connection.execute("select pg_catalog.pg_try_advisory_lock(%s)", [RUNNING_LOCK]).fetchone()
        if row is not None and row[0]:  # else another run goes on, and drops them at its end
            _drop_roles(connection)


def _drop_roles(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Drop the roles that pgassay made, as often as that frees another one; say which ones are still needed."""
    left = {
        str(name)
        for (name,) in connection.execute(
            "select r.rolname from pg_catalog.pg_roles as r "
            "where pg_catalog.shobj_description(r.oid, 'pg_authid') = %s",
            [MADE_BY_PGASSAY],
        )
    }
    progress = True
    while left and progress:
        progress = False
        for name in sorted(left):
            try:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
            except psycopg.errors.DependentObjectsStillExist:
                continue
            left.discard(name)
            progress = True
    for name in sorted(left):
        users = [str(database) for (database,) in connection.execute(_USERS, {"role": name, "ours": DATABASE_PREFIX})]
        if users:  # else by another run of pgassay that is ending just now, and drops it
            print(f"pgassay made the role {name} and leaves it: it is used in the database {', '.join(users)}.")
