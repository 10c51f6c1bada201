"""Interleavings: several sessions, each a list of statements, run one statement at a time in a given order.

After PostgreSQL's own isolation tester. Whether a session waits for another one is asked of PostgreSQL
(``pg_blocking_pids``), so that the same schedule gives the same history. What PostgreSQL itself leaves open stays open:
which session of a deadlock is its victim, and which of two that wait for the same row is the first to have it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from pgassay.identity import Clone, Identity, Session

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Step = str | tuple[str, Sequence[Any] | Mapping[str, Any]]
"""A statement, or one with its parameters."""

Parts = Mapping[str, Sequence[Step]]
"""What each session does: its name, and its statements in their order."""

DEADLOCK = "40P01"
SERIALIZATION_FAILURE = "40001"

_PATIENCE = "30s"  # for a session that waits for something outside the play, as a lock of the test itself
_ASK_AFTER_SECONDS = 0.001  # most statements are through by then, and PostgreSQL need not be asked

_BLOCKERS = "select w.pid, pg_catalog.pg_blocking_pids(w.pid) from pg_catalog.unnest(%s::pg_catalog.int4[]) as w (pid)"


def every_schedule(parts: Parts) -> Iterator[tuple[str, ...]]:
    """All orders in which the statements of ``parts`` can come, each session's own in theirs; serial ones first.

    There are many: 6 for two sessions of two statements, 90 for three.
    """
    if not any(parts.values()):
        yield ()
    for name, steps in parts.items():
        if steps:
            rest = {other: steps[1:] if other == name else left for other, left in parts.items()}
            for schedule in every_schedule(rest):
                yield (name, *schedule)


def schedules(parts: Parts) -> SearchStrategy[tuple[str, ...]]:
    """A strategy of such orders, for Hypothesis. It shrinks towards one session after the other."""
    from hypothesis import strategies

    return strategies.permutations([name for name, steps in parts.items() for _ in steps]).map(tuple)


@dataclass(frozen=True)
class Result:
    """What came of one statement.

    ``tag`` is PostgreSQL's, as ``SELECT 1``; a failed statement has ``sqlstate`` and ``message`` instead. ``rows`` is
    what it returned, ``waited_for`` the sessions that it waited for when it had begun.
    """

    session: str
    statement: str
    tag: str = ""
    rows: tuple[tuple[Any, ...], ...] = ()
    sqlstate: str | None = None
    message: str | None = None
    waited_for: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """``ok`` or the SQLSTATE."""
        return self.sqlstate or "ok"


@dataclass
class History:
    """What happened in a play: the results in the order in which the statements ended."""

    schedule: tuple[str, ...]
    results: list[Result] = field(default_factory=list)
    lines: list[str] = field(default_factory=list, repr=False)

    def of(self, session: str) -> list[Result]:
        """The results of one session, in the order of its statements."""
        return [result for result in self.results if result.session == session]

    def outcomes(self, session: str) -> list[str]:
        """``ok`` or the SQLSTATE of each statement of one session."""
        return [result.outcome for result in self.of(session)]

    def failures(self, sqlstate: str) -> list[Result]:
        """The results with this SQLSTATE, as `DEADLOCK` or `SERIALIZATION_FAILURE`."""
        return [result for result in self.results if result.sqlstate == sqlstate]

    def __str__(self) -> str:
        """The play as it went, to be read from top to bottom, and the schedule with which it can be played again."""
        return "\n".join([f"schedule={self.schedule!r}", *self.lines])


class Stage:
    """A database and the sessions that play in it. A context manager; ``owner`` is a session for setting things up."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.owner = clone.connect()
        self.last: History | None = None
        self._monitor = clone.connect_as_admin()
        self._sessions: dict[tuple[str, Identity | None], Session] = {}
        self._threads = ThreadPoolExecutor(thread_name_prefix="pgassay-play")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        self.clone.close()
        if error is not None and self.last is not None:
            error.add_note(str(self.last))

    def play(
        self,
        parts: Parts,
        schedule: Iterable[str],
        *,
        identities: Mapping[str, Identity] | None = None,
        isolation_level: IsolationLevel | None = None,
    ) -> History:
        """Run the statements of ``parts`` in the order of ``schedule``, which names a session for each of them.

        Each session is the owner, unless ``identities`` has another one for it. Its first statement opens a
        transaction, as the first one after ``commit`` or ``rollback`` does; one that is open after its last statement
        is rolled back. A session that waits for another keeps its place: its next statement comes as soon as it goes
        on, and the schedule goes on with the others meanwhile.

        Raises ValueError when the schedule does not name each session as often as it has statements.
        """
        schedule = tuple(schedule)
        if sorted(schedule) != sorted(name for name, steps in parts.items() for _ in steps):
            raise ValueError(f"the schedule {schedule!r} does not name each session once a statement")
        sessions = {name: self._session(name, (identities or {}).get(name)) for name in parts}
        for session in sessions.values():
            session.isolation_level = isolation_level
        self.last = History(schedule)
        play = _Play(self.last, self._monitor, self._threads, sessions, parts)
        try:
            play.run()
        finally:
            for session in sessions.values():
                session.rollback()
        return self.last

    def _session(self, name: str, identity: Identity | None) -> Session:
        """A session of that name and identity, in which no transaction is open. The same one in every play."""
        session = self._sessions.get((name, identity))
        if session is None or session.closed:
            session = self._sessions[name, identity] = self.clone.connect()
            session.execute("select pg_catalog.set_config('statement_timeout', %s, false)", [_PATIENCE])
            if identity is not None:
                session.become(identity)
            session.autocommit = False
        return session


@dataclass
class _Running:
    """A statement that has begun."""

    statement: str
    future: Future[Result]
    waits_for: tuple[str, ...] = ()


class _Play:
    """One run of a schedule."""

    def __init__(
        self,
        history: History,
        monitor: Session,
        threads: ThreadPoolExecutor,
        sessions: dict[str, Session],
        parts: Parts,
    ) -> None:
        self._history = history
        self._monitor = monitor
        self._threads = threads
        self._sessions = sessions
        self._names = {session.info.backend_pid: name for name, session in sessions.items()}
        self._left = {name: deque(steps) for name, steps in parts.items()}
        self._running: dict[str, _Running] = {}

    def run(self) -> None:
        turns = list(self._history.schedule)
        while turns or self._running:
            ready = next((n for n, name in enumerate(turns) if name not in self._running), None)
            if ready is not None:
                self._begin(turns.pop(ready))
            self._settle()

    def _begin(self, name: str) -> None:
        step = self._left[name].popleft()
        statement, parameters = (step, None) if isinstance(step, str) else step
        future = self._threads.submit(_execute, name, self._sessions[name], statement, parameters)
        self._running[name] = _Running(statement, future)

    def _settle(self) -> None:
        """Wait until every session is through with its statement, or waits for one whose turn is still to come."""
        while self._running:
            while True:
                wait([running.future for running in self._running.values()], timeout=_ASK_AFTER_SECONDS)
                busy = {name: running for name, running in self._running.items() if not running.future.done()}
                if not busy or self._all_wait(busy):
                    break
            # First who let others go on, then these: who of them was the faster is nothing to tell.
            ended = [name for name in self._running if name not in busy]
            for name in sorted(ended, key=lambda name: bool(self._running[name].waits_for)):
                self._end(name)
            if not ended:
                return

    def _all_wait(self, busy: dict[str, _Running]) -> bool:
        """Whether each of these waits, in the end, for a session that is not one of them. In a deadlock none does."""
        pids = {self._sessions[name].info.backend_pid: name for name in busy}
        rows = self._monitor.execute(_BLOCKERS, [list(pids)]).fetchall()
        blockers = {pids[pid]: tuple(self._names[by] for by in found if by in self._names) for pid, found in rows}
        for name, found in blockers.items():
            if found and not busy[name].waits_for:
                busy[name].waits_for = found
                self._log(name, busy[name].statement, f"waits for {' and '.join(found)}")
        stuck = set(busy)
        while freed := {name for name in stuck if any(blocker not in stuck for blocker in blockers[name])}:
            stuck -= freed
        return not stuck

    def _end(self, name: str) -> None:
        running = self._running.pop(name)
        result = replace(running.future.result(), waited_for=running.waits_for)
        self._history.results.append(result)
        said = result.tag if result.sqlstate is None else f"{result.sqlstate} {result.message}"
        rows = f" {list(result.rows)}" if result.rows else ""
        self._log(name, running.statement, ("goes on: " if running.waits_for else "") + said + rows)
        if not self._left[name] and self._sessions[name].info.transaction_status != TransactionStatus.IDLE:
            self._sessions[name].rollback()
            self._log(name, "(end)", "ROLLBACK")

    def _log(self, name: str, statement: str, what: str) -> None:
        self._history.lines.append(f"{name}: {' '.join(statement.split())}\n    {what}")


def _execute(
    name: str, session: Session, statement: str, parameters: Sequence[Any] | Mapping[str, Any] | None
) -> Result:
    try:
        cursor = session.cursor(row_factory=tuple_row).execute(statement.encode(), parameters)
        rows = tuple(cursor.fetchall()) if cursor.description is not None else ()
    except psycopg.Error as error:
        return Result(
            name, statement, sqlstate=error.sqlstate or "?????", message=error.diag.message_primary or str(error)
        )
    return Result(name, statement, tag=cursor.statusmessage or "", rows=rows)
