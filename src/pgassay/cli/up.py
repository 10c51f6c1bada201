"""``pgassay up``."""

from __future__ import annotations

import json
from typing import Any

import click

from pgassay import environment
from pgassay.cli import keeping
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.report import terminal


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
        platform, roles = server.platform, server.platform.roles
        clone = databases.clone(template, name="postgres" if server.ours else None)
        with clone.connect() as owner:  # for tests in SQL, each of which says CREATE EXTENSION IF NOT EXISTS
            environment.provide(owner, "pgtap", "extensions")
        out.print("As the owner, as in the SQL editor:")
        out.print(f"  {keeping.command(server, clone.name, user=server.owner)}", soft_wrap=True)
        out.print("As a user of the API:")
        out.print(f"  {keeping.command(server, clone.name, user=roles.login)}", soft_wrap=True)
        claims = json.dumps({"role": roles.signed_in, "sub": "00000000-0000-0000-0000-000000000000"})
        out.print(f"  and there, with the id of a user of {platform.users.table} for sub:")
        out.print("    begin;")
        out.print(f"    set local role {roles.signed_in};")
        out.print(f"    set local {platform.words.claims} = '{claims}';", soft_wrap=True)
        out.print()
        keeping.until_interrupted(out)
