"""``pgassay apply``."""

from __future__ import annotations

import click
from rich.text import Text

from pgassay import config, indexes, ledger, migrations, pending, rehearsal, target
from pgassay.cli import interruption
from pgassay.cli.ending import errors_as_sentences
from pgassay.cli.schema import folder_of
from pgassay.report import terminal
from pgassay.report.visible import in_a_line


@click.command(
    epilog="""\b
Examples:
  pgassay apply --dry-run postgresql://postgres@db.example.org:5432/postgres
  pgassay apply postgresql://postgres@db.example.org:5432/postgres supabase/migrations

\b
Exit code: 0 applied, or nothing to apply; 2 something is in the way.
""",
)
@click.argument("url", metavar="URL")
@click.argument("directory", metavar="[DIR]", required=False)
@click.option(
    "--dry-run",
    is_flag=True,
    help="List what would be applied, try it in a transaction that is rolled back, and change nothing.",
)
@click.option("--include-all", is_flag=True, help="Apply migrations, too, that come before one that was applied.")
def apply(url: str, directory: str | None, *, dry_run: bool, include_all: bool) -> None:
    """Apply the migrations in DIR that the database at URL has not had.

    This is the one command that changes a database which pgassay did not make. What was applied is read from and
    written to the ledger of the Supabase CLI, supabase_migrations.schema_migrations. The password can be given as
    PGPASSWORD. See docs/applying.md.
    """
    out = terminal.console()
    with errors_as_sentences(), interruption.is_an_exception():  # a statement that is cut off is cancelled there, too
        settings = config.load(directory)
        folder_of(settings)
        folder = migrations.of(settings)
        ledger.refuse_others(folder)
        with ledger.connect(url, read_only=dry_run) as connection:
            out.print(ledger.place(connection), soft_wrap=True)
            if other := target.platform(connection):
                out.print(Text(in_a_line(other), "yellow"), soft_wrap=True)
            for index in indexes.invalid(connection):
                said = (
                    f"The index {index} of {index.table} is invalid: a CREATE INDEX CONCURRENTLY failed, or is at work."
                )
                out.print(Text(in_a_line(said), "yellow"), soft_wrap=True)

            def warn(plan: ledger.Plan) -> None:
                superuser = target.is_superuser(connection)
                for script in plan.pending:
                    for warning in pending.warnings(script, superuser=superuser):
                        out.print(Text(in_a_line(warning), "yellow"), soft_wrap=True)

            rehearsed = None
            if dry_run:
                plan = ledger.plan(connection, folder, include_all=include_all)
                warn(plan)
                rehearsed = rehearsal.rehearse(connection, plan.pending)
            else:
                plan = ledger.apply(
                    connection,
                    folder,
                    include_all=include_all,
                    on_wait=lambda: out.print("Another pgassay apply is at work there. Waiting for its end."),
                    on_plan=warn,
                    on_applied=lambda done: out.print(terminal.migration(done)),
                )
            out.print(terminal.plan(plan, folder, rehearsed))
