"""``pgassay up``."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import threading
from pathlib import Path
from typing import Any

import click

from pgassay import environment
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.errors import Unavailable
from pgassay.report import terminal
from pgassay.servers import embedded


@click.command(
    epilog="""\b
Examples:
  pgassay up
  pgassay up --seed supabase/seed.sql
  pgassay up supabase/migrations --pg system --pg-version 17
""",
)
@server_options
def up(directory: str | None, **options: Any) -> None:
    """Keep a server with the migrations in DIR applied until Ctrl-C, and print how to connect to it.

    The server and all that is in it are gone afterwards.
    """
    out = terminal.console()
    with errors_as_sentences(), Steps(out) as steps, schema(directory, options, steps) as (_, databases, template):
        server = databases.server
        clone = databases.clone(template, name="postgres" if server.ours else None)
        out.print("As the owner, as in the SQL editor:")
        out.print(f"  {_psql()} {shlex.quote(clone.url)}", soft_wrap=True)
        out.print("As a user of the API:")
        out.print(f"  {_psql()} {shlex.quote(server.url(clone.name, user=environment.AUTHENTICATOR))}", soft_wrap=True)
        claims = json.dumps({"role": "authenticated", "sub": "00000000-0000-0000-0000-000000000000"})
        out.print("  and there, with the id of a user of auth.users for sub:")
        out.print("    begin;")
        out.print("    set local role authenticated;")
        out.print(f"    set local request.jwt.claims = '{claims}';", soft_wrap=True)
        out.print()
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
