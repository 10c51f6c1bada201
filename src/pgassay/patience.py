"""Patience: how long a statement may take, whatever it has set itself.

``statement_timeout`` is a setting, and SQL that nobody has read may change it. So the client keeps the time. First it
asks PostgreSQL to cancel the statement; a function may catch that, so then it has the session ended.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import Row
from psycopg.sql import Composable

from pgassay.errors import PgassayError
from pgassay.placeholders import escaped
from pgassay.platforms import DEFAULT, Platform

_GRACE_SECONDS = 5.0
"""After being cancelled, and again after being ended, a statement has this long."""
_SHOWN = 300
_HINT = (
    "Statements that need more time get it with [tool.pgassay] timeout, or --timeout SECONDS (of pytest: --pg-timeout)."
)


class Stopped(PgassayError):
    """A statement that did not come to its end: it took too long, was cancelled, or its session broke off.

    ``why`` is the message without the statement; ``lost`` says that the session broke off by itself.
    """

    def __init__(self, why: str, statement: str, *, lost: bool = False) -> None:
        super().__init__(f"{why} It was: {statement}", hint=None if lost else _HINT)
        self.why = why
        self.lost = lost


class _Cursor(psycopg.Cursor[Row]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        if isinstance(self.connection, PatientConnection):
            self.connection.statement = query
        return super().execute(query if params is None else escaped(query), params, **options)


class PatientConnection(psycopg.Connection[Row]):
    """A connection that waits no longer than ``patience`` seconds for a statement; None, the default, waits for ever.

    With a patience, a statement that is cancelled, by whomever, or takes its session with it, raises `Stopped`.
    ``end_session`` ends the session of a backend with this process id.
    """

    patience: float | None = None
    platform: Platform = DEFAULT
    """The platform of the database: who its callers are."""
    end_session: Callable[[int], None] | None = None
    statement: Any = ""
    """The last one that was sent, for what is said when it does not end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = _Cursor

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        """See psycopg."""
        if self.patience is None:
            return super().wait(gen, *arguments, **options)
        try:
            return super().wait(self._timed(gen, self.patience), *arguments, **options)
        except psycopg.errors.QueryCanceled as error:
            said = error.diag.message_primary or "canceled"
            raise Stopped(f"{said[:1].upper()}{said[1:]}.", self._shown()) from error
        except psycopg.OperationalError as error:
            if not self.broken:
                raise
            said = str(error).strip().splitlines()[0]
            raise Stopped(f"The session was lost: {said}.", self._shown(), lost=True) from error

    def _timed(self, gen: Generator[Any, Any, Any], patience: float) -> Generator[Any, Any, Any]:
        """The same as ``gen``, which is woken every tenth of a second while nothing comes from the server."""
        deadline = time.monotonic() + patience
        remedies = [self._cancel, self._end]
        try:
            state = next(gen)
            while True:
                ready = yield state
                if time.monotonic() > deadline:
                    if not remedies:
                        self.pgconn.finish()
                        raise self._too_long(patience)
                    remedies.pop(0)()
                    deadline = time.monotonic() + _GRACE_SECONDS
                state = gen.send(ready)
        except StopIteration as end:
            return end.value
        except (psycopg.errors.QueryCanceled, psycopg.OperationalError) as error:
            if len(remedies) == 2:
                raise
            raise self._too_long(patience) from error

    def _cancel(self) -> None:
        if self.info.transaction_status == TransactionStatus.ACTIVE:
            with contextlib.suppress(psycopg.Error):
                self.cancel_safe(timeout=_GRACE_SECONDS)

    def _end(self) -> None:
        if self.end_session is not None:
            with contextlib.suppress(psycopg.Error):
                self.end_session(self.info.backend_pid)

    def _shown(self) -> str:
        statement = self.statement
        if isinstance(statement, Composable):
            statement = statement.as_string(None)
        text = " ".join((statement.decode() if isinstance(statement, bytes) else statement).split())
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

    def _too_long(self, patience: float) -> Stopped:
        return Stopped(f"A statement was not over after {patience:g} s.", self._shown())
