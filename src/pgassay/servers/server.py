"""The one protocol of all backends: what a running server is and how to connect to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgassay.patience import PatientConnection
from pgassay.platforms import DEFAULT, Platform

ADMIN = "supabase_admin"
"""The superuser of the servers that we initialise, as on Supabase."""

MAINTENANCE = "pgassay_maintenance"
"""The database of our own servers in which no test runs."""

DATABASE_PREFIX = "pgassay_"
"""What the name of every database of ours begins with; the run's token comes next."""

MADE_BY_PGASSAY = "made by pgassay, which drops it at the end of its run"
"""The comment on a role that a run added to a server which is not its own."""

RUNNING_LOCK = 0x70676173736179
"""The advisory lock, in the maintenance database, that every run on a server which is not its own holds shared."""

UNMOVED = {
    "default_transaction_read_only": "off",
    "client_encoding": "utf8",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""Settings of sessions that judge a schema which nobody has read: ALTER DATABASE and ALTER ROLE do not move them.

The API begins its transactions as read-write by itself.
"""

C = TypeVar("C", bound="psycopg.Connection[Any]")

SETTINGS = {
    # The data are thrown away: nothing has to survive a crash.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "jit": "off",
    "deadlock_timeout": "10ms",  # a deadlock is what a test of interleavings waits for
    "timezone": "UTC",
    "log_timezone": "UTC",
}
"""Settings of every server that we start (`harness.md`, "Backends")."""


def new_token() -> str:
    """A name part that no other run has."""
    return secrets.token_hex(4)


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL. Plain data: it is handed to other processes of the same run as it is.

    ``params`` are libpq's for connecting as ``admin``; ``maintenance`` is the database that no test is run in;
    ``logins`` holds the passwords of roles that may log in besides; ``owner`` is the role that migrations are applied
    as; ``run`` is in the name of every database that this run makes. ``version`` is the server's
    ``server_version_num``. ``ours`` says that the server itself goes away with the run, ``trusted``
    that it asks for no password. ``timeout`` is the patience of its sessions, in seconds (`PatientConnection`), and
    ``settings`` are what they begin with. ``platform`` says whose roles are there.
    """

    backend: str
    version: int
    params: Mapping[str, str]
    admin: str
    maintenance: str
    why: str = ""
    superuser: bool = True
    ours: bool = True
    trusted: bool = False
    run: str = field(default_factory=new_token)
    owner: str = "postgres"
    logins: Mapping[str, str] = field(default_factory=dict)
    log: str | None = None
    timeout: float | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = DEFAULT

    def __str__(self) -> str:
        """One line for a person: version, backend and why it is this one."""
        return f"PostgreSQL {self.release} ({self.backend}{': ' if self.why else ''}{self.why})"

    @property
    def major(self) -> int:
        """The major version, as 18."""
        return self.version // 10000

    @property
    def release(self) -> str:
        """The version as people write it, as 18.6."""
        return f"{self.major}.{self.version % 10000}"

    def because(self, why: str) -> Server:
        """The same server, with the reason why it was chosen."""
        return replace(self, why=f"{self.why}; {why}" if self.why else why)

    def conninfo(self, database: str, *, user: str | None = None, settings: Mapping[str, str] | None = None) -> str:
        """What libpq needs to connect to ``database``: as ``user`` if it may log in, else as the admin."""
        params = {**self.params, "dbname": database, "application_name": "pgassay"}
        for name, value in (settings or {}).items():
            if name == "application_name":  # which libpq sends by itself
                params[name] = value
            else:
                escaped = value.replace("\\", "\\\\").replace(" ", "\\ ")
                params["options"] = f"{params.get('options', '')} -c {name}={escaped}"
        if user is not None and user in self.logins:
            params.update(user=user, password=self.logins[user])
        return make_conninfo(**params)

    def url(self, database: str, *, user: str | None = None) -> str:
        """The same as a URL, as people and clients of libpq take it. With a password, where there is one."""
        params = conninfo_to_dict(self.conninfo(database, user=user))
        params.pop("application_name")
        return url_of({key: str(value) for key, value in params.items()})

    def connect(
        self,
        database: str,
        *,
        user: str | None = None,
        acting_as: str | None = None,
        settings: Mapping[str, str] | None = None,
        kind: type[C],
    ) -> C:
        """Connect to ``database``, in autocommit, logging in as ``user`` (default: the admin).

        ``settings`` go before what ALTER DATABASE and ALTER ROLE say. With ``acting_as`` the admin's session takes that
        role's authorization, and can give it back. So it does for a ``user`` that has no login we know of.
        """
        given = {**self.settings, **(settings or {})}
        connection = kind.connect(self.conninfo(database, user=user, settings=given), autocommit=True)
        if isinstance(connection, PatientConnection):
            connection.patience, connection.end_session = self.timeout, self._end_session
            connection.platform = self.platform
        if user is not None and user not in self.logins:
            acting_as = user
        if acting_as is not None and acting_as != self.admin:
            setting = "session_authorization" if self.superuser else "role"
            connection.execute("select pg_catalog.set_config(%s, %s, false)", [setting, acting_as])
        return connection

    def _end_session(self, process: int) -> None:
        with psycopg.connect(self.conninfo(self.maintenance), autocommit=True) as connection:
            connection.execute("select pg_catalog.pg_terminate_backend(%s)", [process])

    def extensions(self) -> frozenset[str]:
        """The names of the extensions that the server has on offer."""
        with psycopg.connect(self.conninfo(self.maintenance)) as connection:
            rows = connection.execute("select name from pg_catalog.pg_available_extensions").fetchall()
        return frozenset(name for (name,) in rows)


def free_the_name_postgres(server: Server) -> None:
    """Rename the database ``postgres`` of a new server: for a migration, that is the database under test."""
    with psycopg.connect(server.conninfo("template1"), autocommit=True) as connection:
        connection.execute(sql.SQL("alter database postgres rename to {}").format(sql.Identifier(server.maintenance)))


def url_of(params: Mapping[str, str]) -> str:
    """The URL of a database, of what libpq calls these; a host that begins with a slash is the folder of a socket."""
    left = dict(params)
    name, password, database = (left.pop(key, "") for key in ("user", "password", "dbname"))
    account = quote(name, safe="") + (f":{quote(password, safe='')}" if password else "")
    host, port = left.pop("host", ""), left.pop("port", "5432")
    if host.startswith("/"):
        left = {"host": host, "port": port, **left}
        place = ""
    else:
        place = f"{host}:{port}"
    options = urlencode(left, quote_via=quote, safe="/")
    return f"postgresql://{account}@{place}/{quote(database, safe='')}" + (f"?{options}" if options else "")
