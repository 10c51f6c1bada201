"""``pgassay snapshot``."""

from __future__ import annotations

import sys
from typing import Any

import click
from rich.console import Console

from pgassay import config, environment, migrations
from pgassay.checks import run
from pgassay.checks import snapshot as snapshots
from pgassay.checks.run import NOT_JUDGED
from pgassay.checks.snapshot import grading, live, state
from pgassay.cli import interruption
from pgassay.cli.ending import errors_as_sentences, exit_code
from pgassay.cli.options import server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.config import Config
from pgassay.errors import ConfigError
from pgassay.identity import Databases, Session
from pgassay.report import schema as schema_report
from pgassay.report import terminal
from pgassay.servers import running


@click.command(
    epilog="""\b
Examples:
  pgassay snapshot                          write the first one
  pgassay snapshot --check                  compare with it
  pgassay snapshot --update                 accept what is there now
  pgassay snapshot postgresql://…           begin with a database whose migrations are lost
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

    DIR may be the URL of a database whose migrations are lost: its catalog is read, in a transaction that may not
    write.
    """
    out = terminal.console()
    with errors_as_sentences():
        if checks and update:
            raise ConfigError("--check compares, --update accepts: only one of them can be wanted.")
        if reason is not None and not (update and reason.strip()):
            raise ConfigError("--reason says why --update accepts a wider access: it goes with it, and says something.")
        if directory is not None and directory.startswith(live.URLS):
            if update:
                raise ConfigError(
                    "A database begins a snapshot, or is compared with one: it cannot be updated from there.",
                    hint="Who reaches whose rows is observed of migrations alone: pgassay snapshot DIR --update",
                )
            sys.exit(_of_a_database(directory, config.load(None, **options), out, checks=checks))
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


def _of_a_database(url: str, settings: Config, out: Console, *, checks: bool) -> int:
    """Begin a snapshot with what is in a live database, or compare the accepted one with it; the exit code."""
    accepted = state.read(settings.snapshot) if checks or settings.snapshot.exists() else None
    if accepted is not None and not checks:
        raise ConfigError(
            f"{settings.snapshot} is there already, and is left as it is.",
            hint="Compare it with the database: pgassay snapshot --check URL",
        )
    with Steps(out) as steps:
        steps("Starting a server")
        with running(settings) as bare:
            steps.print(str(bare))
            server = environment.prepare(bare, settings.platform, timeout=settings.timeout, settings=settings.api)
            with Databases(server, Session) as databases:
                steps("Reading the database")
                found = live.read(url, databases, migrations.scripts(settings.before))
    out.print(schema_report.lacking(found.rights))
    if accepted is not None:
        accepted = live.without_the_platforms(accepted)
        differences = grading.compare(accepted, live.comparable(found.state, accepted))
        out.print(schema_report.differences(differences, "the snapshot", "the database"))
        return exit_code(differences, settings.fail_on) or (NOT_JUDGED if found.rights else 0)
    begun = live.comparable(found.state, state.state([]))
    with interruption.waits():
        state.write(settings.snapshot, begun)
    out.print(f"Wrote {settings.snapshot}: {len(begun.objects)} objects of the database. Commit it.", soft_wrap=True)
    out.print(
        "Next: write migrations that make them, as from pg_dump --schema-only, and see whether they do: "
        "pgassay snapshot --check DIR. Who reaches whose rows is added then: pgassay snapshot --update DIR",
        soft_wrap=True,
    )
    return NOT_JUDGED if found.rights else 0
