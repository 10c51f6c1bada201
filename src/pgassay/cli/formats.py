"""``pgassay formats``."""

from __future__ import annotations

import click
from rich.table import Table

from pgassay.migrations import command
from pgassay.migrations.formats import known
from pgassay.report import terminal


@click.command(
    epilog="""\b
Examples:
  pgassay formats                    all of them
  pgassay formats --help             and how one is chosen
""",
)
def formats() -> None:
    """List the formats of migrations that pgassay reads, and what each is recognised by.

    [tool.pgassay] format = "…" chooses one. A tool that is not among them applies its migrations itself:
    migrate = "alembic upgrade head".
    """
    table = Table(box=None, pad_edge=False, header_style="")
    for heading in ("format", "tool", "recognised by"):
        table.add_column(heading, overflow="fold")
    for name, format_ in known().items():
        table.add_row(name, format_.TOOL, format_.SIGNS)
    table.add_row(f"({command.FORMAT})", "any other", 'migrate = "…" in [tool.pgassay]')
    terminal.console().print(table)
