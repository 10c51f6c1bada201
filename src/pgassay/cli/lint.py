"""``pgassay lint``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click
import psycopg

from pgassay import config
from pgassay.checks import changed, trials
from pgassay.checks import lint as linting
from pgassay.checks.run import FOUND, Outcome, Record
from pgassay.cli import interruption
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import report_option, server_options
from pgassay.cli.schema import folder_of, schema
from pgassay.cli.steps import Steps
from pgassay.errors import PgassayError
from pgassay.report import destinations, terminal
from pgassay.report import linting as lint_report


@click.command(
    epilog="""\b
Examples:
  pgassay lint
  pgassay lint --since main                  what this branch adds or changes
  pgassay lint --since main --rows 100000    tried on so many rows, too
  pgassay lint supabase/migrations --fail-on warning --report github

\b
Exit code: 0 nothing found, 1 findings of the severity of --fail-on, 2 something could not be judged.
""",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    help="The severity from which on findings are exit code 1: error (default) or warning.",
)
@click.option(
    "--since",
    metavar="REVISION",
    help="Only files that were changed since a revision of git, as main, or between two, as main..HEAD.",
)
@click.option(
    "--rows",
    metavar="N",
    type=click.IntRange(min=1),
    default=trials.MANY,
    help=f"Try migrations on so many rows in each table that they lock or write, too. {trials.MANY:,} by default.",
)
@click.option("--verbose", is_flag=True, help="Tell each warning, with its line and its mend.")
@report_option
@server_options
def lint(
    directory: str | None,
    wanted: tuple[str, ...],
    fail_on: str,
    since: str | None,
    *,
    rows: int,
    verbose: bool,
    **options: Any,
) -> None:
    """Look at the migrations in DIR: style, safety, what lowers security, and what they do on tables with rows.

    sqlfluff and squawk say what they find (pip install 'pgassay[lint]'), plpgsql_check where the server has it.
    """
    out = terminal.console()
    record = Record()
    with errors_as_sentences():
        reports = destinations.parse(wanted)
        only = None if since is None else changed.since(since, folder_of(config.load(directory, **options)))
        try:
            with (
                reports.quoted(),
                Steps(out) as steps,
                schema(directory, options, steps, record) as (settings, databases, template),
            ):
                assert record.folder is not None
                found = linting.check(
                    databases, template, settings, record.before, record.folder, only=only, most=rows, progress=steps
                )
                waivers = linting.waivers_of_lint(settings.waivers, found, partial=only is not None)
                record.settings = replace(settings, relations=(), waivers=waivers)
        except (PgassayError, psycopg.Error) as error:
            reports.write(record.stopped(error))
            raise
        done = record.finished(Outcome(findings=found.findings, unjudged=found.unjudged))
        done = replace(done, notes=(*done.notes, *found.notes))
        if fail_on == "warning" and done.findings:
            done = replace(done, exit_code=FOUND)
        with reports.quoted():
            out.print(lint_report.lint(done, found.lacking, verbose=verbose), soft_wrap=True)
        with interruption.waits():
            reports.write(done)
    sys.exit(done.exit_code)
