"""The locks that a migration takes, observed while it is applied to tables with rows.

``docs/rules/migration-locks.md`` and ``docs/rules/migration-fails-on-rows.md``.
"""

from __future__ import annotations

import re
import time
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from pgassay.checks.finding import Finding
from pgassay.errors import MigrationError
from pgassay.migrations import Script, Statement
from pgassay.sqltree import trees

LOCKS = "migration-locks"
FAILS = "migration-fails-on-rows"

_BLOCKS = {
    "AccessExclusiveLock": "reading and writing",
    "ExclusiveLock": "writing",
    "ShareRowExclusiveLock": "writing",
    "ShareLock": "writing",
}
"""What waits, by the table of conflicts: https://www.postgresql.org/docs/current/explicit-locking.html."""

_WRITES = "RowExclusiveLock"
"""What a statement has that writes rows; nobody who reads or writes waits for it."""

_RELATIONS = """
select c.oid::bigint, n.nspname || '.' || c.relname
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
where c.relkind in ('r', 'p', 'm') and n.nspname <> 'information_schema' and not starts_with(n.nspname, 'pg_')
"""
_HELD = """
select l.relation::bigint, l.mode
from pg_locks as l
join pg_database as d on l.database = d.oid and d.datname = current_database()
where l.pid = %s and l.locktype = 'relation' and l.granted
order by l.relation
"""

Connection = psycopg.Connection[Any]


class Watcher:
    """Looks after each statement of a migration at the locks that its transaction holds, from another session."""

    def __init__(self, watched: Connection, admin: Connection) -> None:
        self._watched = watched
        self._admin = admin
        self._there: dict[int, str] = dict(admin.execute(_RELATIONS).fetchall())
        self.begin()

    def begin(self) -> None:
        """Forget what was seen of an attempt that was rolled back."""
        self._held: dict[tuple[str, Statement | None], dict[str, Statement]] = {}
        self._unseen: list[Statement] = []
        self._from: dict[str, float] = {}
        self.touched: set[str] = set()
        self.seconds: dict[str, float] = {}
        self._looked = time.perf_counter()

    def look(self, statement: Statement, *, alone: bool) -> None:
        """Note the locks that came with ``statement``."""
        if self._watched.info.transaction_status != TransactionStatus.INTRANS:
            if not _blocks_nobody(statement):
                self._unseen.append(statement)
            return
        now = time.perf_counter()
        for relation, mode in self._admin.execute(_HELD, [self._watched.info.backend_pid]):
            if relation not in self._there:
                continue
            name = self._there[relation]
            if mode in (*_BLOCKS, _WRITES):
                self.touched.add(name)
            if mode in _BLOCKS:
                held = self._held.setdefault((name, statement if alone else None), {})
                held.setdefault(mode, statement)
                if alone:
                    self.seconds[name] = self.seconds.get(name, 0.0) + now - self._looked
                else:
                    self._from.setdefault(name, self._looked)
        self._looked = time.perf_counter()

    def end(self) -> None:
        """The script is applied: locks that a transaction held to its end are gone.

        ``seconds`` says of each relation how long it was locked, from the statement that took the lock on, and
        ``touched`` which relations were locked or written.
        """
        now = time.perf_counter()
        for name, start in self._from.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + now - start

    def findings(self, script: Script) -> list[Finding]:
        """The strongest lock on each relation in each transaction, and the statements whose locks nobody saw."""
        found = []
        for (relation, alone), held in self._held.items():
            mode = min(held, key=list(_BLOCKS).index)
            until = "while its statement runs" if alone else "until its transaction has committed"
            found.append(
                Finding(
                    LOCKS,
                    script.name,
                    f"{relation} is locked against {_BLOCKS[mode]} {until} ({mode})",
                    "Keep what comes after it short, apply it when little is going on, and with a lock_timeout: "
                    "who waits for a lock makes others wait.",
                    severity="warning",
                    location=f"{script.path}:{held[mode].code_line}",
                )
            )
        found += [
            Finding(
                LOCKS,
                script.name,
                "what its statement locks was not observed: it cannot run in a transaction",
                "Look up what it locks, and say it in a waiver: "
                "https://www.postgresql.org/docs/current/explicit-locking.html",
                severity="warning",
                location=f"{script.path}:{statement.code_line}",
            )
            for statement in self._unseen
        ]
        return found


def _blocks_nobody(statement: Statement) -> bool:
    """Whether that is one of the statements outside of transactions of which PostgreSQL's documentation says so.

    They take SHARE UPDATE EXCLUSIVE, or lock nothing:
    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES.
    """
    parsed = trees.parsed(statement.text) or []
    if len(parsed) != 1:
        return False
    kind = parsed[0].WhichOneof("node")
    node = getattr(parsed[0], kind)
    match kind:
        case "index_stmt" | "drop_stmt":
            return bool(node.concurrent)
        case "reindex_stmt":
            return any(
                str(option.def_elem.defname) == "concurrently" and not option.def_elem.HasField("arg")
                for option in node.params
            )
        case "vacuum_stmt":
            return all(option.def_elem.defname != "full" for option in node.options)
    return str(kind) == "discard_stmt"


def failure(script: Script, error: MigrationError) -> Finding:
    """A migration that fails on rows."""
    cause = error.__cause__
    said = None
    if isinstance(cause, psycopg.Error):
        told = (cause.diag.message_primary, cause.diag.message_detail)
        said = ": ".join(" ".join(text.split()).rstrip(".") for text in told if text)
    line = re.match(rf"{re.escape(str(script.path))}:(\d+):", error.message)
    return Finding(
        FAILS,
        script.name,
        f"it fails on tables with rows: {said or error.message.splitlines()[0]}",
        "Give a new column a default, or fill it before it may not be NULL; make data keep to a constraint before "
        "it is added.",
        severity="warning",
        location=f"{script.path}:{line[1] if line else 1}",
    )
