"""A rehearsal: migrations in a transaction of a database that is not ours, which is rolled back.

What PostgreSQL does in no transaction, or does not undo with it, cannot be rehearsed; nor what comes after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from pgassay import migrations
from pgassay.errors import MigrationError
from pgassay.migrations import Script

_LOCK_TIMEOUT = "5s"
"""For what a rehearsal waits no longer: who waits for a lock makes others wait."""
_NOT_HERE = {
    psycopg.errors.ActiveSqlTransaction: "it cannot run in a transaction",
    psycopg.errors.InvalidTransactionTermination: "it ends transactions itself",
    psycopg.errors.UnsafeNewEnumValueUsage: "it uses a value of an enum that has to be committed before",
    psycopg.errors.LockNotAvailable: f"it could not have a lock within {_LOCK_TIMEOUT}",
}


@dataclass(frozen=True)
class Rehearsed:
    """What went through, and what was not tried because of the first of it: ``why``."""

    tried: tuple[Script, ...]
    untried: tuple[Script, ...] = ()
    why: str = ""


def rehearse(connection: psycopg.Connection[Any], scripts: Sequence[Script]) -> Rehearsed:
    """Try ``scripts`` one after the other, and leave nothing of them.

    Raises `MigrationError` where PostgreSQL refuses one.
    """
    with connection.transaction(force_rollback=True):
        try:
            connection.execute("set transaction read write")  # of the transaction: the session may not write
        except psycopg.Error as error:
            return Rehearsed((), tuple(scripts), f"this server writes nothing ({error.diag.message_primary})")
        for number, script in enumerate(scripts):
            why = _why_not(script) or _try(connection, script)
            if why:
                return Rehearsed(tuple(scripts[:number]), tuple(scripts[number:]), why)
    return Rehearsed(tuple(scripts))


def _why_not(script: Script) -> str:
    statements = migrations.statements_of(script.sql)
    if statements is None:
        return "its syntax is newer than pgassay's parser, so that nobody knows whether it ends a transaction"
    return "it ends its own transaction" if any(statement.ends_transaction for statement in statements) else ""


def _try(connection: psycopg.Connection[Any], script: Script) -> str:
    """Why it cannot be tried, if so."""
    connection.execute(
        "select pg_catalog.set_config('lock_timeout', %s, true) "
        "where pg_catalog.current_setting('lock_timeout') operator(pg_catalog.=) '0'",
        [_LOCK_TIMEOUT],
    )
    try:
        migrations.run_within(connection, script)
    except MigrationError as error:
        for kind, why in _NOT_HERE.items():
            if isinstance(error.__cause__, kind):
                return why
        raise
    return ""
