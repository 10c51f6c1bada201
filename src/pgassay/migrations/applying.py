"""Scripts applied to a database: in one transaction where that can be, else statement by statement."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, Protocol

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from pgassay.errors import MigrationError
from pgassay.migrations.command import Command, run
from pgassay.migrations.explaining import excerpt, explained, partly, said, stopped
from pgassay.migrations.script import Script
from pgassay.migrations.statement import Statement, split
from pgassay.patience import Stopped
from pgassay.substitutes import Substitutes

_WRITES = ("insert", "update", "delete")
_AT_ONCE = 200
"""So many statements that write rows go in one message: a file may have thousands."""
_DEFERRABLE = """
select distinct n.nspname, k.conname, k.condeferred
from pg_catalog.pg_constraint as k
join pg_catalog.pg_namespace as n on k.connamespace operator(pg_catalog.=) n.oid
where k.condeferrable
"""
BACK_TO_ONESELF: tuple[LiteralString, ...] = ("reset session authorization", "reset role")
"""What makes a session that of whoever logged in, whatever a migration has set."""

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Applied:
    """A script that went in: in ``seconds``, in one transaction or, where that is impossible, in ``autocommit``.

    ``stand_ins`` names the extensions that it asked for and the server lacks, ``left_out`` the indexes that those
    cannot make, ``without`` what else was left out. ``refused`` is what the platform would not have taken, each with
    its line.
    """

    script: Script
    seconds: float
    autocommit: bool
    stand_ins: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()


class Watch(Protocol):
    """Looks on while a script is applied."""

    def begin(self) -> None:
        """The script is applied from its first statement; a second time where it cannot run in one transaction."""

    def look(self, statement: Statement, *, alone: bool) -> None:
        """``statement`` is done, and the transaction that it ran in, if it can run in one, has not ended yet.

        ``alone`` says that this transaction is the statement's own.
        """


def apply(
    connection: Connection,
    script: Script,
    then: Callable[[], None] = lambda: None,
    *,
    watch: Watch | None = None,
) -> Applied:
    """Apply ``script`` through ``connection``, which is in autocommit: in one transaction, else leave nothing of it.

    A script that ends its own transaction, or that PostgreSQL refuses in one (25001), is applied statement by
    statement. ``then`` is called at its end, in the same transaction where there is one. Raises `MigrationError` with
    the file, the line, the statement and PostgreSQL's words.
    """
    started = time.perf_counter()
    if isinstance(script, Command):
        run(connection, script)
        then()
        return Applied(script, time.perf_counter() - started, autocommit=False)
    statements = split(script.sql)
    autocommit = not script.in_transaction or any(statement.ends_transaction for statement in statements)
    if not autocommit:
        try:
            with connection.transaction():
                substitutes = _run(connection, script, statements, watch)
                then()
        except MigrationError as error:
            if not isinstance(error.__cause__, psycopg.errors.ActiveSqlTransaction):
                raise
            autocommit = True
        except psycopg.Error as error:  # at the commit, as of a deferred constraint
            raise MigrationError(f"{script.path}: PostgreSQL refused the commit:\n\n" + said(error)) from error
        except Stopped as error:
            raise MigrationError(f"{script.path}: at its commit: {error.why}", hint=error.hint) from error
    if autocommit:
        kept: list[Statement] = []
        try:
            substitutes = _run(connection, script, statements, watch, kept)
        except MigrationError as error:
            if not connection.closed:
                connection.rollback()  # of a transaction that the file has begun itself
            raise partly(error, script, statements, kept) from error.__cause__
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.rollback()
            raise MigrationError(f"{script.name} begins a transaction and does not end it.")
        then()
    stand_ins = substitutes.stand_ins
    connection.execute("reset all")
    if script.verify is not None:
        _verify(connection, script.verify)
    return Applied(
        script,
        time.perf_counter() - started,
        autocommit,
        stand_ins,
        tuple(substitutes.left_out),
        tuple(substitutes.without),
        tuple(substitutes.refused),
    )


def run_within(connection: Connection, script: Script) -> None:
    """Run ``script`` in the transaction that ``connection`` is in, up to what is deferred to its commit.

    Who and what the session is afterwards is what it was before. Raises `MigrationError`, and leaves nothing then.
    """
    with connection.transaction():
        _run(connection, script, split(script.sql), None)
        try:
            _come_to_the_commit(connection)
        except psycopg.Error as error:
            raise MigrationError(f"{script.path}: PostgreSQL would refuse the commit:\n\n" + said(error)) from error
        for reset in BACK_TO_ONESELF:
            connection.execute(reset)
        connection.execute("reset all")


def _verify(connection: Connection, verify: Script) -> None:
    """Run the check of a migration, and undo what it does. Raises `MigrationError` where it fails."""
    statements = [statement for statement in split(verify.sql) if not statement.ends_transaction]
    with connection.transaction(force_rollback=True):
        _run(connection, verify, statements, None)
    connection.execute("reset all")


def _come_to_the_commit(connection: Connection) -> None:
    """Check what is deferred to it, and let it be deferred again.

    Each constraint is named: ALL would hold for those, too, that are made later in the transaction.
    """
    found = connection.execute(_DEFERRABLE).fetchall()
    for mode, names in (
        ("immediate", [sql.Identifier(*name) for *name, _ in found]),
        ("deferred", [sql.Identifier(*name) for *name, deferred in found if deferred]),
    ):
        if names:
            connection.execute(sql.SQL("set constraints {} {}").format(sql.SQL(", ").join(names), sql.SQL(mode)))


def _run(
    connection: Connection,
    script: Script,
    statements: Sequence[Statement],
    watch: Watch | None,
    kept: list[Statement] | None = None,
) -> Substitutes:
    """Run ``statements``; those after which no transaction is open are put into ``kept``: nothing takes them back."""
    substitutes = Substitutes(connection)
    if watch is not None:
        watch.begin()
    for several, group in _in_groups(statements):
        try:
            if several and watch is None and _sent_at_once(connection, group):
                continue
        except psycopg.Error as error:
            raise explained(error, script, group[0], as_written=False) from error
        except Stopped as error:
            raise stopped(error, script, group[0]) from error
        for statement in group:
            _run_one(connection, script, statement, substitutes, watch)
            if kept is not None and connection.info.transaction_status == TransactionStatus.IDLE:
                kept.append(statement)
    return substitutes


def _run_one(
    connection: Connection, script: Script, statement: Statement, substitutes: Substitutes, watch: Watch | None
) -> None:
    _refuse_what_no_migration_does(script, statement)
    calls: Sequence[sql.Composed] = ()
    try:
        if statement.node is not None:
            calls = substitutes.calls(statement.node, statement.code_line)
        if watch is None or statement.ends_transaction:
            _send(connection, substitutes, statement, calls)
        else:
            _send_watched(connection, substitutes, statement, calls, watch)
    except psycopg.Error as error:
        raise explained(error, script, statement, as_written=not calls) from error
    except Stopped as error:
        raise stopped(error, script, statement) from error


def _in_groups(statements: Sequence[Statement]) -> Iterator[tuple[bool, Sequence[Statement]]]:
    """The statements in order, those that write rows up to so many at once, and whether it is such a group."""
    for writes, found in itertools.groupby(statements, lambda statement: statement.verb in _WRITES):
        group = list(found)
        if not writes:
            yield False, group
        for first in range(0, len(group) if writes else 0, _AT_ONCE):
            yield True, group[first : first + _AT_ONCE]


def _sent_at_once(connection: Connection, group: Sequence[Statement]) -> bool:
    """Send statements that write rows in one message; False, and nothing is done, where one fails, or all take long.

    Sent one after the other, they then tell which one it is. Raises the error only where the session is lost.
    """
    if len(group) == 1 or connection.info.transaction_status != TransactionStatus.INTRANS:
        return False
    try:
        with connection.transaction():
            connection.execute("\n;\n".join(statement.text for statement in group).encode())
    except (psycopg.Error, Stopped):
        if connection.closed:
            raise
        return False
    return True


def _refuse_what_no_migration_does(script: Script, statement: Statement) -> None:
    if _copies_to_client(statement):
        line = statement.code_line
        raise MigrationError(
            f"{script.path}:{line}: COPY from stdin or to stdout does not work in a migration:\n\n"
            + excerpt(statement, line),
            hint="Write rows as INSERT (pg_dump --inserts does): supabase db push takes no COPY either.",
        )
    if statement.verb in ("create", "drop") and statement.words[1:2] == ["database"]:
        line = statement.code_line
        raise MigrationError(
            f"{script.path}:{line}: a migration belongs to one database, and this makes or drops another:\n\n"
            + excerpt(statement, line)
        )


def _send(
    connection: Connection, substitutes: Substitutes, statement: Statement, calls: Sequence[sql.Composed]
) -> None:
    for call in calls:
        connection.execute(call)
    if calls:
        return
    text = statement.text.encode()  # bytes: the text is a file of the user's, sent as it is, and without parameters
    if statement.node is None:
        connection.execute(text)
        return
    with substitutes.executing(statement.node):
        connection.execute(text)
    for call in substitutes.afterwards(statement.node):
        connection.execute(call)


def _send_watched(
    connection: Connection,
    substitutes: Substitutes,
    statement: Statement,
    calls: Sequence[sql.Composed],
    watch: Watch,
) -> None:
    """Send ``statement``, and have it looked at before its transaction ends.

    Outside of one, it would be over before anybody can look. So it is given a transaction that ends as its own would,
    unless PostgreSQL refuses that: nothing has been done then, and it is sent as it is.
    """
    alone = connection.info.transaction_status == TransactionStatus.IDLE
    if alone:
        try:
            with connection.transaction():
                _send(connection, substitutes, statement, calls)
                watch.look(statement, alone=True)
        except (psycopg.errors.ActiveSqlTransaction, psycopg.errors.InvalidTransactionTermination):
            pass
        else:
            return
    _send(connection, substitutes, statement, calls)
    watch.look(statement, alone=alone)


def _copies_to_client(statement: Statement) -> bool:
    if statement.verb != "copy":
        return False
    pairs = set(itertools.pairwise(statement.words))
    return not pairs.isdisjoint({("from", "stdin"), ("to", "stdout")})
