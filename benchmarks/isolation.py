"""What keeps tests apart: the transaction around a test, and a clone for one that commits."""

from __future__ import annotations

import itertools
from statistics import median
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, in_turn, middle, ratio, seconds
from pgassay.fixtures import OwnDatabase
from pgassay.servers.server import DATABASE_PREFIX

EXAMPLES = 2000
EXAMPLE_LIMIT_MS = 1.0
"""Beyond a bare transaction."""
CLONES = 20
CLONE_LIMIT = 2.0
"""Times a bare ``create database``."""


def measure(bench: Bench) -> list[Figure]:
    """The cost of a ``db`` test's isolation, and of a clone."""
    return [_example(bench), _clone(bench)]


def _example(bench: Bench) -> Figure:
    """What the fixture does around a test, on a session that is open already."""
    own = OwnDatabase(bench.databases, bench.template)

    def example() -> None:
        with own.example():
            pass

    def bare() -> None:
        session.execute("begin")
        session.execute("rollback")

    with own:
        with own.example() as session:
            pass
        for _ in range(20):  # psycopg prepares what it has run five times
            example()
            bare()
        taken = in_turn(
            bench.track("a test's transaction", EXAMPLES),
            {"example": lambda: seconds(example), "bare": lambda: seconds(bare)},
        )
    beyond = median(one - other for one, other in zip(taken["example"], taken["bare"], strict=True))
    return Figure(
        "around one test: db",
        middle(taken["example"]),
        f"begin, rollback: {middle(taken['bare'])}",
        beyond * 1000,
        "ms",
        EXAMPLE_LIMIT_MS,
    )


def _clone(bench: Bench) -> Figure:
    """A clone ready to be queried, against the same statement and connection without the harness."""
    server = bench.databases.server
    numbers = itertools.count(1)

    def clone() -> float:
        made = []

        def ready() -> None:
            made.append(bench.databases.clone(bench.template))
            made[0].connect().execute("select 1")

        taken = seconds(ready)
        made[0].close()
        bench.drop(made[0].name)
        return taken

    def bare() -> float:
        name = f"{DATABASE_PREFIX}{server.run}_bare_{next(numbers)}"
        made: list[psycopg.Connection[Any]] = []

        def ready() -> None:
            bench.admin.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(bench.template.name)
                )
            )
            made.append(psycopg.connect(server.conninfo(name), autocommit=True))
            made[0].execute("select 1")

        taken = seconds(ready)
        made[0].close()
        bench.drop(name)
        return taken

    clone(), bare()
    taken = in_turn(bench.track("a clone", CLONES), {"clone": clone, "bare": bare})
    return Figure(
        "a clone, ready to query",
        middle(taken["clone"]),
        f"create database, connect: {middle(taken['bare'])}",
        ratio(taken["clone"], taken["bare"]),
        TIMES,
        CLONE_LIMIT,
    )
