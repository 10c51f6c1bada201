"""The ledger: what a database that is not ours has had, in the table that the Supabase CLI keeps, and the rest of it.

This is the one place from which a database is changed that pgassay did not create.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from pgassay import aftermath, indexes, migrations
from pgassay.errors import MigrationError, Unavailable
from pgassay.migrations import Applied, Folder, Script
from pgassay.platforms import DEFAULT
from pgassay.servers.url import parameters
from pgassay.sqltree import words

TABLE = "supabase_migrations.schema_migrations"
_LOCK = 0x70676173736182


def document() -> Path:
    """Where it is written how migrations are applied: in the installed package, or in the checkout it is run from."""
    packaged = Path(__file__).parent / "docs" / "applying.md"
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "docs" / "applying.md"


_DOCUMENTATION = f"{document()}, “Troubleshooting”, says what to do."

# As the CLI makes it (seen with its version 3.1.0); older ones had the version alone.
_MAKE = """
create table if not exists supabase_migrations.schema_migrations (
    version text not null primary key, statements text[], name text
);
alter table supabase_migrations.schema_migrations
add column if not exists statements text[], add column if not exists name text
"""
# Through JSON, since it may lack the column.
_READ = """
select m.version, pg_catalog.to_jsonb(m) operator(pg_catalog.->) 'statements'
from supabase_migrations.schema_migrations as m
order by m.version collate "C"
"""
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Plan:
    """What is to be done: the migrations that are ``pending``, in order.

    ``applied`` are those that are in the ledger; ``unchecked`` those among them whose statements it does not have, so
    that nobody can say whether their files were changed since.
    """

    pending: tuple[Script, ...]
    applied: tuple[Script, ...]
    unchecked: tuple[Script, ...]


def connect(url: str, *, read_only: bool = False) -> Connection:
    """Connect to the database of ``url``, in autocommit. No message shows the password.

    Raises `ConfigError` for what is no such URL, `Unavailable` when the server does not take the connection.
    """
    params = parameters(url)
    place = f"{params.get('host', 'the local socket')}:{params.get('port', '5432')}"
    params.setdefault("connect_timeout", "10")
    params.setdefault("application_name", "pgassay apply")
    try:
        # no prepared statements: a pooler may be in between
        connection = psycopg.connect(make_conninfo(**params), autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        said = str(error).strip()
        for secret in filter(None, (params.get("password"), url)):
            said = said.replace(secret, "…")
        raise Unavailable(
            f"The database at {place} cannot be reached: {said}",
            hint="Check host, port, user, password and database. The password can also be given as PGPASSWORD.",
        ) from error
    if read_only:
        connection.execute("set default_transaction_read_only = on")
    return connection


def place(connection: Connection) -> str:
    """Which database it is, for a person."""
    info = connection.info
    version = f"{info.server_version // 10000}.{info.server_version % 10000}"
    return (
        f"database {info.dbname} at {info.host or 'the local socket'}:{info.port}, PostgreSQL {version}, as {info.user}"
    )


def refuse_others(folder: Folder) -> None:
    """Raise `MigrationError` for migrations of another tool, which has a ledger of its own."""
    if folder.format != "supabase":
        raise MigrationError(
            f"{folder.path} has migrations of another tool ({folder.format}), and pgassay apply keeps the ledger of "
            "the Supabase CLI: that tool would not know what was applied.",
            hint="Let the tool itself apply them.",
        )


def plan(connection: Connection, folder: Folder, *, include_all: bool = False) -> Plan:
    """Compare the ledger with ``folder``, changing nothing.

    Raises `MigrationError` when a version in the ledger is not in the folder, an applied file was changed since, or,
    unless ``include_all``, a pending migration comes before one that was applied.
    """
    ledger = _read(connection)
    known = {script.version for script in folder.migrations}
    gone = [version for version in ledger if version not in known]
    if gone:
        raise MigrationError(
            f"The database has had migrations that are not in {folder.path}: {', '.join(gone)}.",
            hint="Get the files that are missing: the folder may be of another branch, or older than the database. "
            + _DOCUMENTATION,
        )
    applied = tuple(script for script in folder.migrations if script.version in ledger)
    for script in applied:
        _refuse_changed(script, ledger[script.version or ""])
    pending = tuple(script for script in folder.migrations if script.version not in ledger)
    last = applied[-1] if applied else None
    early = [s.name for s in itertools.takewhile(lambda s: s is not last, folder.migrations) if s in pending]
    if last is not None and early and not include_all:
        raise MigrationError(
            f"{', '.join(early)} would come after {last.name}, which the database has had already.",
            hint="If that order does no harm: --include-all. Otherwise give what is pending a later version.",
        )
    indexes.refuse_passing_over(connection, pending)
    return Plan(pending, applied, tuple(script for script in applied if not ledger[script.version or ""]))


def apply(
    connection: Connection,
    folder: Folder,
    *,
    include_all: bool = False,
    on_wait: Callable[[], None] = lambda: None,
    on_plan: Callable[[Plan], None] = lambda _: None,
    on_applied: Callable[[Applied], None] = lambda _: None,
) -> Plan:
    """Apply what `plan` says, each file and its line in the ledger in one transaction; give that plan back.

    One run at a time: ``on_wait`` is called when another one is at work, whose end is waited for. ``on_plan`` is told
    of the plan before anything is done, ``on_applied`` of every migration that has committed. Raises `MigrationError`,
    which says what is applied, what is not, and what to do next; what was applied before stays.
    """
    with _one_at_a_time(connection, on_wait):
        todo = plan(connection, folder, include_all=include_all)
        on_plan(todo)
        if todo.pending:
            _make(connection)
        for number, script in enumerate(todo.pending):
            try:
                on_applied(migrations.apply(connection, script, partial(_record, connection, script)))
            except MigrationError as error:
                raise MigrationError(
                    f"{error.message}\n\n{aftermath.told(connection, todo.pending, number, error)}",
                    hint=error.hint or _hint(error),
                ) from error.__cause__
    return todo


@contextmanager
def _one_at_a_time(connection: Connection, on_wait: Callable[[], None]) -> Iterator[None]:
    """A lock of the session's, since each file has a transaction of its own."""
    row = connection.execute("select pg_catalog.pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
    if row is None or not row[0]:
        on_wait()
        connection.execute("set statement_timeout = 0")
        connection.execute("select pg_catalog.pg_advisory_lock(%s)", [_LOCK])
        connection.execute("reset statement_timeout")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("select pg_catalog.pg_advisory_unlock(%s)", [_LOCK])


def _read(connection: Connection) -> dict[str, list[str]]:
    """The statements of each version in the ledger; none of a version where it has none."""
    row = connection.execute("select pg_catalog.to_regclass(%s) is null", [TABLE]).fetchone()
    if row is None or row[0]:
        return {}
    try:
        return {version: statements or [] for version, statements in connection.execute(_READ)}
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"The user {connection.info.user} may not read {TABLE}, which says what was applied.",
            hint="Connect as the role that applies migrations, on Supabase postgres.",
        ) from error


def _make(connection: Connection) -> None:
    row = connection.execute("select pg_catalog.to_regnamespace('supabase_migrations') is null").fetchone()
    make_schema = row is not None and row[0]
    try:
        with connection.transaction():
            if make_schema:
                connection.execute("create schema supabase_migrations")
            connection.execute(_MAKE)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"The user {connection.info.user} may not make {TABLE}: {error.diag.message_primary}.",
            hint="Connect as the role that applies migrations, on Supabase postgres.",
        ) from error


def _record(connection: Connection, script: Script) -> None:
    for back in migrations.BACK_TO_ONESELF:
        connection.execute(back)
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
        [script.version, script.path.stem.partition("_")[2], migrations.statements(script.sql)],
    )


def _refuse_changed(script: Script, recorded: Sequence[str]) -> None:
    """Raise unless the file says what the ledger says, but for comments and layout outside of quotes."""
    if not recorded:
        return
    there = [token for statement in recorded for token, _ in _tokens(statement)]
    here = _tokens(script.sql)
    if there == [token for token, _ in here]:
        return
    differing = next((line for (token, line), other in zip(here, there, strict=False) if token != other), None)
    line = differing or (here[-1][1] if here else 1)
    raise MigrationError(
        f"{script.path}:{line}: {script.name} was changed since it was applied.",
        hint="Take the change back, and put it into a migration of its own. " + _DOCUMENTATION,
    )


def _tokens(text: str) -> list[tuple[str, int]]:
    """The tokens of ``text`` without comments and semicolons, each with its line; its words where it cannot be read."""
    text = text.replace("\r\n", "\n")
    found = words.scanned(text)
    if found is None:
        return [
            (word, number)
            for number, line in enumerate(text.replace(";", " ").splitlines(), 1)
            for word in line.split()
        ]
    encoded = text.encode()
    tokens = []
    line, position = 1, 0
    for word in found:
        line += encoded.count(b"\n", position, word.start)
        position = word.start
        if word.text != ";" and not word.is_comment:
            tokens.append((word.text, line))
    return tokens


def _hint(error: MigrationError) -> str | None:
    """What an operator can do about what PostgreSQL said."""
    cause = error.__cause__
    said = str(cause)
    match cause:
        case psycopg.errors.InvalidSchemaName() | psycopg.errors.UndefinedFunction() if DEFAULT.users.schema in said:
            of_platform = f"{DEFAULT.words.user}() and the schema {DEFAULT.users.schema}"
            return (
                f"{of_platform} are {DEFAULT.title}'s. Is this the database of a {DEFAULT.title} project? "
                "On a plain PostgreSQL they are missing: pgassay check brings them, pgassay apply does not."
            )
        case (
            psycopg.errors.DuplicateTable()
            | psycopg.errors.DuplicateObject()
            | psycopg.errors.DuplicateColumn()
            | psycopg.errors.DuplicateFunction()
            | psycopg.errors.DuplicateSchema()
        ):
            return "Was this file applied by hand? Then the ledger does not know. " + _DOCUMENTATION
        case psycopg.errors.InsufficientPrivilege():
            return "Connect as the owner of what is there, on Supabase postgres. " + _DOCUMENTATION
    return None
