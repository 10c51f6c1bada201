"""A server that is kept until Ctrl-C: how to connect to it."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import threading
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pgassay.cli import interruption
from pgassay.errors import Unavailable
from pgassay.servers import embedded
from pgassay.servers.server import Server


def command(server: Server, database: str, *, user: str) -> str:
    """What a person types to be there. A password that was given to us is not in it: psql asks for it."""
    if not server.ours:
        server = replace(server, params={key: text for key, text in server.params.items() if key != "password"})
    return f"{_psql()} {shlex.quote(server.url(database, user=user))}"


def until_interrupted(out: Console) -> None:
    """Wait for Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt), interruption.is_an_exception():
        out.print("The server runs until Ctrl-C.")  # which is so from here on
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
