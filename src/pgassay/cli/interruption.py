"""Ctrl-C while a command is at work: it ends within two seconds, with one line and exit code 130.

KeyboardInterrupt unwinds what is under way, as far as that is quick. But it can be lost: in a callback, in a thread
that is waited for, in an error that takes its place. So another thread, which the signal wakes, ends the process when
its time is up. The watchdogs of what was started clean up either way.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from pgassay.leaving import leave
from pgassay.servers import guard

_UNWINDING_SECONDS = 0.9
_CLEANING_SECONDS = 0.7


class _Watch:
    """What Ctrl-C means now: ``armed`` where it ends the run, and ``pressed`` once it has been."""

    def __init__(self) -> None:
        self.armed = False
        self.pressed = False


_watch = _Watch()


@contextmanager
def ends_the_run() -> Iterator[None]:
    """Within the block, Ctrl-C ends the process; nothing of the block goes on, or is heard of, after that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, _interrupt)
    _wake_on_signals()
    _watch.armed = True
    try:
        yield
    except BaseException:
        if _watch.pressed:
            _end()
        raise
    finally:
        _watch.armed = False
        signal.signal(signal.SIGINT, before)


@contextmanager
def is_an_exception() -> Iterator[None]:
    """Within the block, Ctrl-C is KeyboardInterrupt and nothing else: what is under way has to be undone first."""
    armed, _watch.armed = _watch.armed, False
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
        _watch.armed = armed


@contextmanager
def waits() -> Iterator[None]:
    """Within the block, which is short, Ctrl-C has to wait: a file would be left half written."""
    armed, _watch.armed = _watch.armed, False
    before = signal.getsignal(signal.SIGINT)
    pressed = []
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        _watch.armed = armed
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    _watch.pressed = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is torn down in the middle of its work has things to say that help nobody.
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None
    raise KeyboardInterrupt


def _wake_on_signals() -> None:
    """Start the thread that ends the process. It does not take part in a deadlock of the others: it takes no lock."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    _thread.start_new_thread(_end_in_time, (ours,))


def _end_in_time(signals: int) -> None:
    while True:
        if signal.SIGINT in os.read(signals, 1) and _watch.armed:
            time.sleep(_UNWINDING_SECONDS)
            _end()


def _end() -> NoReturn:
    done = guard.end_all(_CLEANING_SECONDS)
    leave("what it had started is stopped." if done else "what it had started is being stopped.")
    raise AssertionError("it has left")
