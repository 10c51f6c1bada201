"""``pgassay test``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pgassay import config, pgtap
from pgassay.checks.run import FOUND, NOT_JUDGED
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.options import server_options
from pgassay.cli.schema import schema
from pgassay.cli.steps import Steps
from pgassay.errors import ConfigError
from pgassay.pgtap import source
from pgassay.pgtap.suite import Suite
from pgassay.report import taps, terminal


@click.command(
    epilog="""\b
Examples:
  pgassay test                      the files of supabase/tests
  pgassay test --verbose            each test, too
  pgassay test --pg system --pg-version 15

\b
Exit code: 0 all passed, 1 tests failed, 2 something could not be judged.
""",
)
@click.option("--verbose", is_flag=True, help="Print all that the files print.")
@server_options
def test(directory: str | None, *, verbose: bool, **options: Any) -> None:
    """Run the pgTAP files of the project in DIR on a database with its migrations applied.

    They lie in supabase/tests, or where [tool.pgassay] pgtap = ["…"] says.
    """
    out = terminal.console()
    here = Path.cwd()
    with errors_as_sentences():
        files = pgtap.files(config.load(directory, **options))
        if not files:
            raise ConfigError(
                "No pgTAP files were found.",
                hint='They lie in supabase/tests, beside the migrations; or name them: [tool.pgassay] pgtap = ["…"].',
            )
        with Steps(out) as steps, schema(directory, options, steps) as (settings, databases, template):
            chosen = source.choose(databases.server, settings.pgtap_sql)
            outcomes = []
            with Suite(databases, template, files, chosen) as suite:
                for number, file in enumerate(files, 1):
                    steps(f"Running file {number} of {len(files)}: {file.name}")
                    outcomes.append(suite.run(file))
            steps.print(taps.report(outcomes, suite.source or chosen, here, verbose=verbose))
    if not all(outcome.judged for outcome in outcomes):
        sys.exit(NOT_JUDGED)
    sys.exit(0 if all(outcome.passed for outcome in outcomes) else FOUND)
