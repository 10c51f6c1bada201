"""The side of `watchdog` that the run sees: start one, tell it what to clean up, wait until it has."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pgassay.servers import watchdog

_ASK_SECONDS = 0.02
_ALIVE: set[Guard] = set()


class Guard:
    """A watchdog process of this run. At the end of the block it has cleaned up; so it has if the block never ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(watchdog.__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self.messages: list[str] = []
        _ALIVE.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self.messages = [line for line in self._process.stdout.read().splitlines() if not line.startswith("{")]
        self._process.stdout.close()
        self._process.wait()
        _ALIVE.discard(self)

    def remove(self, directory: Path) -> None:
        """Have ``directory`` removed at the end. To be said before it is made."""
        self._order(remove=str(directory))

    def run_at_end(self, command: Sequence[str], text: str) -> None:
        """Have ``command`` run at the end with ``text`` on its standard input: arguments are public."""
        self._order(at_end=list(command), input=text)

    def start(self, command: Sequence[str], **how: Any) -> None:
        """Have the watchdog start a PostgreSQL, which it stops at the end. ``how`` is env, cwd, user, group and log."""
        self._order(start=list(command), **how)

    def exited(self, wait_seconds: float) -> bool:
        """Whether that PostgreSQL has ended, which it should not; waits up to ``wait_seconds`` for it to do so."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], wait_seconds)
        return bool(ready)

    def _order(self, **order: Any) -> None:
        assert self._process.stdin is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def end(self) -> None:
        """Have the watchdog clean up, without waiting, in a process that is about to end."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # it may be closed
            os.close(self._process.stdin.fileno())

    def has_ended(self) -> bool:
        """Whether the watchdog has cleaned up."""
        return self._process.poll() is not None


def end_all(wait_seconds: float) -> bool:
    """Have all watchdogs clean up, since the process is about to end. Whether they have within ``wait_seconds``."""
    guards = tuple(_ALIVE)
    for guard in guards:
        guard.end()
    until = time.monotonic() + wait_seconds
    while not (done := all(guard.has_ended() for guard in guards)) and time.monotonic() < until:
        time.sleep(_ASK_SECONDS)
    return done
