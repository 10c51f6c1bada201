"""``pgassay report-schema``."""

from __future__ import annotations

import click

from pgassay.report import json as json_report


@click.command(
    epilog="""\b
Examples:
  pgassay report-schema > run.schema.json
""",
)
def report_schema() -> None:
    """Print the JSON Schema of what 'pgassay check --report json=FILE' writes."""
    click.echo(json_report.schema(), nl=False)
