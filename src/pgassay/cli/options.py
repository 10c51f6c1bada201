"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def server_options(command: F) -> F:
    """DIR, and the options of the server."""
    return backend_options(click.argument("directory", metavar="[DIR]", required=False)(command))


def backend_options(command: F) -> F:
    """The options of the server that migrations are applied to."""
    for option in (
        click.option(
            "--timeout",
            metavar="SECONDS",
            help="How long a statement of the migrations, or a call of a function, may take. 60 by default.",
        ),
        click.option(
            "--seed", metavar="FILE", multiple=True, help="SQL to apply after the migrations, as supabase/seed.sql."
        ),
        click.option("--pg-image", metavar="IMAGE", help="Image for the backend container, as postgres:17."),
        click.option("--pg-version", metavar="MAJOR", help="Major version of PostgreSQL that is wanted, as 17."),
        click.option(
            "--pg",
            metavar="BACKEND",
            help="auto (default), container, embedded, system, or the URL of a server, in which only databases of "
            "pgassay's own are made and dropped.",
        ),
    ):
        command = option(command)
    return command


report_option = click.option(
    "--report",
    "wanted",
    metavar="WHAT",
    multiple=True,
    help="json=FILE, sarif=FILE, html=FILE, junit=FILE, or github (annotations on standard output). May be repeated.",
)
