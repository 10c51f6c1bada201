"""``pgassay diff``."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from typing import Any

import click

from pgassay import config, environment, migrations
from pgassay.checks import run
from pgassay.checks.isolation import Matrix
from pgassay.checks.run import NOT_JUDGED
from pgassay.checks.snapshot import grading, live, sources
from pgassay.checks.snapshot.remembered import Memory, cache_folder
from pgassay.checks.snapshot.sources import Source
from pgassay.checks.snapshot.state import State
from pgassay.cli.ending import errors_as_sentences, exit_code
from pgassay.cli.options import backend_options
from pgassay.cli.steps import Steps
from pgassay.config import Config
from pgassay.errors import PgassayError
from pgassay.identity import Databases, Session
from pgassay.report import schema as schema_report
from pgassay.report import terminal
from pgassay.servers import running
from pgassay.templates import Template


@click.command(
    epilog="""\b
Examples:
  pgassay diff main                                      what this branch changes, with what is not committed
  pgassay diff main..HEAD                                what it changes, as committed
  pgassay diff old/migrations new/migrations
  pgassay diff sql/migrations postgresql://user@host/db  drift of a live database: its catalog alone is read
  pgassay diff before.snapshot pgassay.snapshot

\b
Exit code: 0 no difference, 1 differences of the grade fail_on or worse, 2 they could not be compared.
""",
)
@click.argument("sides", metavar="A B", nargs=-1)
@backend_options
def diff(sides: tuple[str, ...], **options: Any) -> None:
    """Compare the schemas of A and B: folders of migrations, revisions of git, URLs of databases, or snapshots.

    One side alone is compared with the migrations as they are now. A database is read in a transaction that may not
    write. Of a revision, the folder is the one that the configuration names; the work tree is not touched.
    """
    out = terminal.console()
    with errors_as_sentences():
        settings = config.load(None, **options)
        first, second = sources.sources(sides, settings)
        with contextlib.ExitStack() as stack:
            steps = stack.enter_context(Steps(out))
            databases = None
            if {first.kind, second.kind} != {"snapshot"}:
                steps("Starting a server")
                bare = stack.enter_context(running(settings))
                steps.print(str(bare))
                steps.print()
                server = environment.prepare(bare, settings.platform, timeout=settings.timeout, settings=settings.api)
                databases = stack.enter_context(Databases(server, Session))
            lacking: tuple[str, ...] = ()
            if databases is not None and "database" in (first.kind, second.kind):
                states, lacking = _drift(first, second, settings, databases, steps)
            else:
                memory = Memory(settings, tried=True, folder=cache_folder())
                states = []
                for source in (first, second):
                    steps(f"Reading {source}")
                    states.append(sources.take(source, settings, databases, partial(_try, settings, steps), memory))
        differences = grading.compare(*states)
        out.print(schema_report.differences(differences, str(first), str(second)))
        out.print(schema_report.lacking(lacking))
    sys.exit(exit_code(differences, settings.fail_on) or (NOT_JUDGED if lacking else 0))


def _try(settings: Config, steps: Steps, databases: Databases, template: Template) -> Matrix | None:
    """Who reaches whose rows, for any folder or revision: one that has no such tenants is compared without."""
    try:
        return run.observe(databases, template, settings, progress=steps)
    except PgassayError:
        return None


def _drift(
    first: Source, second: Source, settings: Config, databases: Databases, steps: Steps
) -> tuple[list[State], tuple[str, ...]]:
    """The states of two sides of which one at least is a live database, and the rights that reading it lacked.

    A live database is not tried, so neither is what it is compared with.
    """
    there, other = (first, second) if first.kind == "database" else (second, first)
    steps(f"Reading {there}")
    found = live.read(there.text, databases, migrations.scripts(settings.before))
    steps(f"Reading {other}")
    compared, own = sources.beside(other, settings, databases, found)
    return ([own, compared] if there is first else [compared, own]), found.rights
