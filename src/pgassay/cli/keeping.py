"""A server that is kept until Ctrl-C: how to connect to it."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import threading
from pathlib import Path

from rich.console import Console

from pgassay.errors import Unavailable
from pgassay.servers import embedded


def command(url: str) -> str:
    """What a person types to be there."""
    return f"{_psql()} {shlex.quote(url)}"


def until_interrupted(out: Console) -> None:
    """Wait for Ctrl-C."""
    out.print("The server runs until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    out.print()  # the terminal has written ^C into this line
    out.print("Stopping the server.")


def _psql() -> str:
    return "psql" if shutil.which("psql") else str(_embedded_psql() or "psql")


def _embedded_psql() -> Path | None:
    with contextlib.suppress(Unavailable):
        found = embedded.package() / "pginstall" / "bin" / "psql"
        return found if found.exists() else None
    return None
