"""``pgassay rollback``."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click
import psycopg

from pgassay.checks import rollback as rolling
from pgassay.checks.run import Outcome, Record
from pgassay.cli import interruption
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import report_option, server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.errors import MigrationError, PgassayError
from pgassay.report import destinations, terminal
from pgassay.report import linting as lint_report


@click.command(
    epilog="""\b
Examples:
  pgassay rollback
  pgassay rollback db/migrations --report github

\b
Exit code: 0 all come back, 1 something does not, 2 something could not be tried.
""",
)
@report_option
@server_options
def rollback(directory: str | None, wanted: tuple[str, ...], **options: Any) -> None:
    """Try the down parts of the migrations in DIR: each goes up, down and up again, on rows.

    What does not come back, what is lost on the way, and which migrations have no down part is told. A finding is
    accepted by a waiver with rule = "migration-rollback".
    """
    out = terminal.console()
    record = Record()
    with errors_as_sentences():
        reports = destinations.parse(wanted)
        try:
            with (
                reports.quoted(),
                Steps(out) as steps,
                schema(directory, options, steps, record) as (settings, databases, _),
            ):
                assert record.folder is not None
                scripts = record.folder.migrations
                done = rolling.check(databases, record.before, scripts, settings.tenancy, progress=steps)
                if not done.tried and not done.unjudged:
                    raise MigrationError(
                        f"None of the {len(scripts)} migrations in {record.folder.path} has a down part.",
                        hint="The formats that have such parts are described in docs/migrations.",
                    )
                waivers = tuple(waiver for waiver in settings.waivers if waiver.rule == rolling.RULE)
                record.settings = replace(settings, relations=(), waivers=waivers)
        except (PgassayError, psycopg.Error) as error:
            reports.write(record.stopped(error))
            raise
        findings = [*done.findings, *rolling.missing(scripts)]
        run = record.finished(Outcome(findings=findings, unjudged=done.unjudged))
        with reports.quoted():
            out.print(lint_report.lint(run, {}, verbose=True), soft_wrap=True)
            if not run.findings and not run.unjudged:
                tried = len(done.tried)
                out.print(f"{tried} migration{'s' * (tried != 1)} went up, down and up again, and all came back.")
        with interruption.waits():
            reports.write(run)
    sys.exit(run.exit_code)
