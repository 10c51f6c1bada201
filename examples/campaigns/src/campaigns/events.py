"""Progress as server-sent events.

The database is polled: a channel of NOTIFY would be shared by all tenants. No connection is held between two polls, and
the pause grows while nothing happens.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any
from uuid import UUID

from fastapi.sse import format_sse_event

from campaigns import jobs
from campaigns.database import Database
from campaigns.problems import Problem
from campaigns.tokens import Caller

SHORTEST_PAUSE = 0.25
LONGEST_PAUSE = 4.0
GROWTH = 1.5
HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2000

Disconnected = Callable[[], Awaitable[bool]]


class Streams:
    """The streams that are open: not more than so many, and not more than so many of one caller."""

    def __init__(self, most: int, most_per_caller: int) -> None:
        self._most = most
        self._most_per_caller = most_per_caller
        self._open: Counter[str] = Counter()
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End all streams: the server stops. Their clients come back."""
        self.closing.set()

    async def closed_within(self, seconds: float) -> bool:
        """Wait for so long; True as soon as the server stops."""
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return False
        return True

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    @contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """Count one more stream for as long as the block lasts. Raises `Problem` where there are too many."""
        name = caller.subject or caller.role
        if self.count >= self._most or self._open[name] >= self._most_per_caller:
            raise Problem(429, "Too many streams are open.", hint="Close one.", headers={"Retry-After": "5"})
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]


async def begin(
    database: Database, streams: Streams, caller: Caller, job_id: UUID, last_id: str | None, disconnected: Disconnected
) -> AsyncIterator[bytes]:
    """The events of a job, begun: what refuses the stream is raised here, and not in the middle of an answer."""
    events = _events(database, streams, caller, job_id, last_id, disconnected)
    first = await anext(events)

    async def begun() -> AsyncIterator[bytes]:
        yield first
        async with aclosing(events):
            async for event in events:
                yield event

    return begun()


async def _events(
    database: Database, streams: Streams, caller: Caller, job_id: UUID, last_id: str | None, disconnected: Disconnected
) -> AsyncGenerator[bytes]:
    """`progress` when something has changed, and at last `end` with the reason."""
    with streams.one(caller):
        async with database.acting_as(caller) as connection:
            state: dict[str, Any] | str = await jobs.progress(connection, job_id)
        yield format_sse_event(comment="progress of a job", retry=RECONNECT_MILLISECONDS)
        pause, heard = SHORTEST_PAUSE, time.monotonic()
        while isinstance(state, dict):
            text = json.dumps(state)
            event_id = hashlib.sha256(text.encode()).hexdigest()[:16]
            if event_id != last_id:
                yield format_sse_event(event="progress", id=event_id, data_str=text)
                last_id, pause, heard = event_id, SHORTEST_PAUSE, time.monotonic()
            elif time.monotonic() - heard >= HEARTBEAT_SECONDS:
                yield format_sse_event(comment="still here")
                heard = time.monotonic()
            if state["status"] in jobs.FINAL:
                state = "finished"
                break
            if await streams.closed_within(min(pause, max(caller.expires - time.time(), 0))) or await disconnected():
                return
            pause = min(pause * GROWTH, LONGEST_PAUSE)
            state = await _state(database, caller, job_id)
        yield format_sse_event(event="end", data_str=json.dumps({"reason": state}))


async def _state(database: Database, caller: Caller, job_id: UUID) -> dict[str, Any] | str:
    """The progress of the job, or the reason why there is none any more."""
    if caller.is_expired:
        return "expired"
    try:
        async with database.acting_as(caller) as connection:
            return await jobs.progress(connection, job_id)
    except Exception as error:
        if _is_gone(error):
            return "gone"
        raise


def _is_gone(error: Exception) -> bool:
    return getattr(error, "sqlstate", None) in ("PT404", "42501")
