"""The command `campaigns`."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from typing import Any

import click
import psycopg

from campaigns import logs, settings, tokens, worker
from campaigns.database import Database
from campaigns.settings import SettingsError
from campaigns.tokens import InvalidToken

CANNOT_BEGIN = 2
"""Exit code: a setting is missing or wrong, or the database is not there."""

CONNECT_SECONDS = 5


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    r"""The campaign API, its Control Panel and its workers.

    \b
    CAMPAIGNS_DATABASE    how to connect, as authenticator
    CAMPAIGNS_JWT_SECRET  the secret of the tokens, at least 32 bytes
    CAMPAIGNS_TOKEN       the token of a worker
    CAMPAIGNS_DEV         1 offers sample users, on loopback only
    PORT                  the port to serve on, 9002 by default
    """


@cli.command()
def serve() -> None:
    """Serve the API and the panel until Ctrl-C."""
    from campaigns import serving  # here, since a worker needs nothing of it, and starts in half the time

    given = settings.read(os.environ)
    listener = serving.bound(given)
    _look_for(given.database)
    logs.begin()
    with suppress(KeyboardInterrupt):  # which the server raises again, once it has ended
        serving.serve(given, listener)


@cli.command(name="worker")
@click.option("--pace", type=click.FloatRange(0, 60), default=0.0, help="Seconds that a task takes at least.")
@click.option(
    "--refresh",
    type=click.FloatRange(0),
    default=0.0,
    help="Refresh the metrics every so many seconds, as service_role.",
)
def work(pace: float, refresh: float) -> None:
    """Work on running jobs until Ctrl-C or SIGTERM, which let the task at hand finish."""
    given = settings.read(os.environ)
    caller = tokens.verify(os.environ.get("CAMPAIGNS_TOKEN", ""), given.secret)
    _look_for(given.database)
    database = Database(given.database, size=1, wait=given.pool_wait, statement_seconds=given.statement_seconds)
    logs.begin()
    asyncio.run(worker.work(database, worker.Worker(database, caller, pace=pace, refresh=refresh)))


@cli.command()
@click.option("--role", default="authenticated", show_default=True, help="The database role: service_role for all.")
@click.option("--user", metavar="UUID", help="The id of the user; left out for service_role.")
@click.option("--hours", type=click.IntRange(1, 24 * 365), default=1, show_default=True, help="How long it lasts.")
def token(role: str, user: str | None, hours: int) -> None:
    """Print a token, signed with CAMPAIGNS_JWT_SECRET."""
    given = settings.secret(os.environ)
    signed = tokens.sign(given, role=role, seconds=hours * 3600, subject=user)
    tokens.verify(signed, given)
    click.echo(signed)


@cli.command()
@click.option("--workers", type=click.IntRange(0, 20), default=3, show_default=True, help="How many workers run.")
@click.option("--pace", type=click.FloatRange(0, 60), default=0.5, show_default=True, help="Seconds a task takes.")
def dev(workers: int, pace: float) -> None:
    """Start PostgreSQL, the sample, workers and the server on this machine; Ctrl-C ends all."""
    from campaigns import development

    development.run(os.environ, workers=workers, pace=pace)


def main(**given: Any) -> None:
    """The command, with errors as sentences."""
    try:
        cli(standalone_mode=False, **given)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (SettingsError, InvalidToken) as error:
        _end(str(error))


def _look_for(database: str) -> None:
    """Connect once, so that a database that is not there is told in a sentence. Raises `SettingsError`."""
    try:
        psycopg.connect(database, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise SettingsError(f"The database of CAMPAIGNS_DATABASE does not answer: {reason}") from None


def _end(sentence: str) -> None:
    click.echo(f"campaigns: {sentence}", err=True)
    sys.exit(CANNOT_BEGIN)


if __name__ == "__main__":
    main()
