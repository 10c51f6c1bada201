"""From nothing to the first query on an embedded server."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.measuring import Figure, Track, in_turn, middle
from pgassay.config import Config
from pgassay.servers import running

ROUNDS = 15
LIMIT_MS = 150.0
"""For a start from the cached data directory, on tmpfs."""

_MEMORY = Path("/dev/shm")


def measure(root: Path, track: Track) -> list[Figure]:
    """Start a server of the wheel over and over: with nothing cached, and with the data directory cached.

    The limit is for data on tmpfs; elsewhere the figure is only told. Raises `Unavailable` without the wheel.
    """
    config = Config(root=root, pg="embedded")
    with tempfile.TemporaryDirectory() as cache:
        _, home = _start(config, cache)
        taken = in_turn(
            track("starting a server", ROUNDS),
            {"cold": partial(_start_cold, config), "warm": partial(_start_warm, config, cache)},
        )
    cold, warm = taken["cold"], taken["warm"]
    place = f"data in {home.parent}"
    return [
        Figure("nothing → first query, empty cache", middle(cold), place, median(cold) * 1000, "ms"),
        Figure(
            "nothing → first query, cached data directory",
            middle(warm),
            place,
            median(warm) * 1000,
            "ms",
            LIMIT_MS if home.parent == _MEMORY else None,
        ),
    ]


def _start_cold(config: Config) -> float:
    with tempfile.TemporaryDirectory() as cache:
        return _start(config, cache)[0]


def _start_warm(config: Config, cache: str) -> float:
    return _start(config, cache)[0]


def _start(config: Config, cache: str) -> tuple[float, Path]:
    """Seconds to the first answer of a new server, and the directory that its data were in. Stopping is not counted."""
    with _cache_home(cache):
        started = time.perf_counter()
        with running(config) as server:
            with psycopg.connect(server.conninfo(server.maintenance)) as connection:
                connection.execute("select 1")
                taken = time.perf_counter() - started
            assert server.log is not None
            return taken, Path(server.log).parent


@contextmanager
def _cache_home(directory: str) -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = directory
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
