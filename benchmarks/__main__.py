"""Measure, and print a table; whatever the figures are, the exit code is 0."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psycopg
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from benchmarks import (
    check,
    concurrency,
    counters,
    inserting,
    isolation,
    large_jobs,
    loading,
    planning,
    snapshot,
    starting,
)
from benchmarks.bench import Bench
from benchmarks.measuring import Figure, Track
from pgassay import config, environment, migrations
from pgassay.config import Config
from pgassay.errors import ConfigError, PgassayError, Unavailable
from pgassay.identity import Databases, Session
from pgassay.report import terminal
from pgassay.servers import running

ROOT = Path(__file__).resolve().parent.parent
CANNOT_RUN = 2
"""Exit code: there is no server to measure on, or no schema."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--pg", metavar="BACKEND", help="embedded (default), system, container, auto, or the URL of a server.")
@click.option("--pg-version", metavar="MAJOR", help="Major version of PostgreSQL that is wanted, as 17.")
@click.option("--long", "is_long", is_flag=True, help="Measure large campaigns alone, which takes several minutes.")
def main(pg: str | None, pg_version: str | None, is_long: bool) -> None:
    """Measure what starting, isolating and counting cost, beside their limits; with --long, what large campaigns do."""
    out = terminal.console()
    started = time.perf_counter()
    try:
        settings = config.load(
            None, pg=pg or os.environ.get("PGASSAY_PG") or "embedded", pg_version=pg_version, cwd=ROOT
        )
        with _progress() as track:
            starts, reason = ([], "") if is_long else _starts(track)
            with _bench(settings, track) as bench:
                out.print(f"{bench.databases.server}, on {os.cpu_count()} cores")
                if is_long:
                    figures = [*planning.measure(bench), *large_jobs.measure(bench), *concurrency.measure_long(bench)]
                else:
                    figures = [
                        *starts,
                        *loading.measure(track),
                        *inserting.measure(bench),
                        *isolation.measure(bench),
                        *concurrency.measure(bench),
                        *counters.measure(bench),
                        *check.measure(bench),
                        *snapshot.measure(bench),
                    ]
    except PgassayError as error:
        terminal.console(stderr=True).print(f"benchmarks: {error}", soft_wrap=True)
        sys.exit(CANNOT_RUN)
    out.print(_table(figures))
    if reason:
        out.print(f"Starting an embedded server was not measured: {reason}")
    over = sum(figure.over for figure in figures)
    out.print(f"{over} of {len(figures)} figures over their limits, measured in {time.perf_counter() - started:.0f} s")


def _starts(track: Track) -> tuple[list[Figure], str]:
    """The figures of starting, or why there are none: the wheel need not be there to measure on another server."""
    try:
        return starting.measure(ROOT, track), ""
    except Unavailable as error:
        return [], error.message


@contextmanager
def _bench(settings: Config, track: Track) -> Iterator[Bench]:
    if settings.migrations is None:
        raise ConfigError(f"No migrations were found in {ROOT}.")
    with running(settings) as bare:
        server = environment.prepare(bare)
        with (
            Databases(server, Session) as databases,
            server.connect(server.maintenance, kind=psycopg.Connection[Any]) as admin,
        ):
            scripts = migrations.discover(settings.migrations).migrations
            template = databases.template(migrations.scripts(settings.before), scripts)
            yield Bench(databases, template, admin, track)


@contextmanager
def _progress() -> Iterator[Track]:
    """Shows on standard error, where that is a terminal, which subject is being measured and how far it is."""
    console = terminal.console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:

        def track(subject: str, rounds: int) -> Iterable[int]:
            return progress.track(range(rounds), description=subject)

        yield track


def _table(figures: Iterable[Figure]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="bold")
    for column in ("what", "measured", "against", "figure", "limit", ""):
        table.add_column(column, no_wrap=True, justify="right" if column in ("measured", "figure", "limit") else "left")
    for figure in figures:
        table.add_row(
            figure.what,
            figure.measured,
            figure.against,
            f"{figure.value:.2f} {figure.unit}",
            "" if figure.limit is None else f"≤ {figure.limit:g} {figure.unit}",
            Text("") if figure.limit is None else Text("over", "bold red") if figure.over else Text("ok", "green"),
        )
    return table


if __name__ == "__main__":
    main()
