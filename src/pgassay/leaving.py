"""Ctrl-C before a command is at work, when there is nothing to clean up yet. It is loaded first, and loads nothing."""

import _signal  # type: ignore[import-not-found]  # built in, so it is there at once; ``signal`` is not
import os

INTERRUPTED = 130
"""Exit code: Ctrl-C."""


def leave(said: str) -> None:
    """End the process, with a line that says why. Whatever the terminal shows in its last line makes way for it."""
    try:
        start = "\r\x1b[2K\x1b[?25h" if os.isatty(2) else ""
        os.write(2, f"{start}pgassay: interrupted; {said}\n".encode())
    finally:
        os._exit(INTERRUPTED)


def heed_ctrl_c() -> None:
    """Have Ctrl-C end the process here and now, unless it is ignored, as a shell has its background jobs do."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, lambda *_: leave("nothing had been started."))
