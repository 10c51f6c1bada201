"""``pgassay init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pgassay import declaration
from pgassay.checks import run
from pgassay.checks.run import NOT_JUDGED
from pgassay.cli import interruption
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.errors import ConfigError
from pgassay.report import tenancy as tenancy_report
from pgassay.report import terminal
from pgassay.schema.states import Proposed
from pgassay.tenancy import USERS


@click.command(
    epilog="""\b
Examples:
  pgassay init                               for the migrations of this project
  pgassay init --print                       show what would be written
  pgassay init path/to/supabase/migrations
  pgassay init --tenant public.teams         where more than one table may be meant

\b
Exit code: 0 written, 2 nothing was written.
""",
)
@click.option("--print", "only_print", is_flag=True, help="Print what would be written, and write nothing.")
@click.option(
    "--tenant", metavar="TABLE", help=f"The table of tenants, as public.teams; {USERS} where each user is one."
)
@click.option("--member", metavar="RULE", help="Who belongs to them, as 'public.members(team_id, user_id)'.")
@server_options
def init(directory: str | None, only_print: bool, tenant: str | None, member: str | None, **options: Any) -> None:
    """Write down who owns which rows, as far as the migrations in DIR tell.

    The schema is built, and [tool.pgassay.tenancy] is written into the project's pyproject.toml, or into pgassay.toml
    where there is none, with the evidence for each line and what only you can answer. What members of each role were
    seen to do is written below it in comments, as a proposal, and so are states of rows that policies ask for. Nothing
    that is there is changed.
    """
    out = terminal.console(stderr=only_print)
    with errors_as_sentences():
        with Steps(out) as steps, schema(directory, options, steps) as (settings, databases, template):
            steps("Reading the catalog")
            inferred = run.infer(databases, template, tenant, member)
            proposal, why = None, ""
            states: list[Proposed] = []
            unseen = ""
            if inferred.tenancy is not None:
                steps("Looking what members of each role do")
                proposal, why = run.propose(databases, template, inferred.tenancy)
                states, unseen = run.states(databases, template, inferred.tenancy)
        if inferred.tenancy is None:
            out.print(tenancy_report.undecided(inferred), soft_wrap=True)
            sys.exit(NOT_JUDGED)
        block = declaration.lines(inferred) + declaration.roles(proposal, why) + declaration.states(states, unseen)
        if only_print:
            click.echo(block, nl=False)
            return
        file = declaration.place(settings, directory, Path.cwd())
        if settings.tenancy is not None:
            out.print(block, soft_wrap=True)
            raise ConfigError(
                f"{file} has [tool.pgassay.tenancy] already; it was left as it is.",
                hint="Above is what would have been written.",
            )
        with interruption.waits():
            declaration.add(file, settings, block)
        out.print(f"Wrote into {file}:", soft_wrap=True)
        out.print()
        out.print(block, soft_wrap=True)
    asks = len(inferred.questions) + len(inferred.openings) + len(states)
    asks += len(proposal.questions) if proposal is not None else 0
    answer = f", answer {'its question' if asks == 1 else f'its {asks} questions'}" if asks else ""
    out.print(f"Next: read it{answer}, and run: pgassay check", soft_wrap=True)
