"""``pgassay snapshot``."""

from __future__ import annotations

import sys
from typing import Any

import click

from pgassay import config, migrations
from pgassay.checks import run
from pgassay.checks import snapshot as snapshots
from pgassay.checks.snapshot import grading, state
from pgassay.cli import interruption
from pgassay.cli.ending import errors_as_sentences, exit_code
from pgassay.cli.options import server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.errors import ConfigError
from pgassay.report import schema as schema_report
from pgassay.report import terminal


@click.command(
    epilog="""\b
Examples:
  pgassay snapshot                          write the first one
  pgassay snapshot --check                  compare with it
  pgassay snapshot --update                 accept what is there now
  pgassay snapshot --update --reason "the catalogue is public from now on"

\b
Exit code: 0 as accepted, 1 differences of the grade fail_on or worse, 2 it could not be judged or accepted.
""",
)
@click.option("--check", "checks", is_flag=True, help="Compare with the accepted state, and write nothing.")
@click.option("--update", is_flag=True, help="Accept what is there now.")
@click.option("--reason", metavar="TEXT", help="Why access may be wider from now on: written into the history.")
@server_options
def snapshot(directory: str | None, checks: bool, update: bool, reason: str | None, **options: Any) -> None:
    """Write the state of the schema that the migrations in DIR make, to be committed: pgassay.snapshot.

    It says, in an order of its own, everything that behaviour hangs on, and who was observed to reach whose rows. A
    difference loosens (access may be wider), breaks (something went away or changed its type), changes or adds.
    """
    out = terminal.console()
    with errors_as_sentences():
        if checks and update:
            raise ConfigError("--check compares, --update accepts: only one of them can be wanted.")
        if reason is not None and not (update and reason.strip()):
            raise ConfigError("--reason says why --update accepts a wider access: it goes with it, and says something.")
        settings = config.load(directory, **options)
        accepted = state.read(settings.snapshot) if checks or update or settings.snapshot.exists() else None
        with Steps(out) as steps, schema(directory, options, steps) as (settings, databases, template):
            observed = run.observe(databases, template, settings, progress=steps)
            steps("Reading the catalog")
            found = snapshots.take(databases, template, migrations.scripts(settings.before), observed)
        if accepted is None:
            with interruption.waits():
                state.write(settings.snapshot, found)
            out.print(f"Wrote {settings.snapshot}: {len(found.objects)} objects. Commit it.", soft_wrap=True)
            return
        differences = grading.compare(accepted, found)
        out.print(schema_report.differences(differences))
        loosens = any(difference.grade is grading.Grade.LOOSENS for difference in differences)
        accept = "pgassay snapshot --update" + (" --reason '…'" if loosens else "")
        if update:
            accepted = snapshots.accept(accepted, found, differences, reason)
            with interruption.waits():
                state.write(settings.snapshot, accepted)
            out.print(f"Wrote {settings.snapshot}.", soft_wrap=True)
            if reason is not None and not loosens:
                out.print("Nothing loosens, so no reason was needed, and none was written down.")
        elif differences and not checks:
            raise ConfigError(
                f"{settings.snapshot} holds another state, and is left as it is.",
                hint=f"Accept this one: {accept}",
            )
        elif differences:
            out.print(f"To accept them: {accept}")
    sys.exit(0 if update else exit_code(differences, settings.fail_on))
