"""The command ``pgassay``: a module a command, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from pgassay import __version__
from pgassay.errors import without_passwords

COMMANDS = {
    "apply": "Apply the migrations in DIR that the database at URL has not had.",
    "check": "Apply the migrations in DIR and try who can reach whose rows.",
    "diff": "Compare the schemas of A and B: folders of migrations, revisions of git, URLs of databases, or snapshots.",
    "formats": "List the formats of migrations that pgassay reads, and what each is recognised by.",
    "init": "Write down who owns which rows, as far as the migrations in DIR tell.",
    "lint": "Look at the migrations in DIR: style, safety, what lowers security, and what they do on tables with rows.",
    "report-schema": "Print the JSON Schema of what 'pgassay check --report json=FILE' writes.",
    "rollback": "Try the down parts of the migrations in DIR: each goes up, down and up again, on rows.",
    "snapshot": "Write the state of the schema that the migrations in DIR make, to be committed: pgassay.snapshot.",
    "test": "Run the pgTAP files of the project in DIR on a database with its migrations applied.",
    "up": "Keep a server with the migrations in DIR applied until Ctrl-C, and print how to connect to it.",
}
"""Each command, and the first line of its help."""


@contextmanager
def _no_passwords() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = without_passwords(error.message)
        raise


class _Commands(click.Group):
    """Loads a command when it is wanted: to list them, or to say the version, needs none of what they do."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """The same; a password that stands in the wrong place of the command line is not shown."""
        with _no_passwords():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """The same, for what stands after the command."""
        with _no_passwords():
            return super().invoke(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{__name__}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run 'pgassay COMMAND --help' for the options and examples of a command.",
)
@click.version_option(__version__, prog_name="pgassay", message="%(prog)s %(version)s")
def main() -> None:
    """Find out by experiment whether a PostgreSQL or Supabase schema keeps its tenants apart.

    It builds the schema from its migrations in a PostgreSQL that is thrown away afterwards. Every option can also be
    given as a variable (PGASSAY_PG, PGASSAY_PG_VERSION, PGASSAY_PG_IMAGE, PGASSAY_TIMEOUT) or under [tool.pgassay]
    in pyproject.toml or pgassay.toml; the command line comes first, then the environment, then the file.
    """
