"""Schema regression: every planted change is found and graded, no equivalent rewrite shows, all servers write alike."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgassay import migrations
from pgassay.checks.snapshot import grading, reading, state
from pgassay.checks.snapshot.state import State
from pgassay.identity import Clone, Databases, Session
from pgassay.migrations import Script
from pgassay.templates import Template

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "snapshots"
CHANGES = tomllib.loads((HERE / "changes.toml").read_text(encoding="utf-8"))["change"]


def scripts(*texts: str) -> tuple[Script, ...]:
    return tuple(Script(Path(f"{n}_x.sql"), f"{n}_x.sql", text) for n, text in enumerate(texts, start=1))


HOST = migrations.scripts([ROOT / "sql" / "host"])
JOBS = migrations.discover(ROOT / "sql" / "migrations").migrations
ZOO = scripts((HERE / "zoo.sql").read_text(encoding="utf-8"))
BASES = {"zoo": ((), ZOO), "jobs": (HOST, JOBS)}


@dataclass
class Bench:
    """A database in which migrations are applied and undone, and what was there before them."""

    session: Session
    ground: State
    before: State

    def after(self, *applied: Script) -> State:
        with self.session.transaction(force_rollback=True):
            for script in applied:
                migrations.apply(self.session, script)
            return state.since(reading.read(self.session), self.ground)


@contextmanager
def bench(databases: Databases, before: tuple[Script, ...], after: tuple[Script, ...]) -> Iterator[Bench]:
    """A bench on which ``after`` is there already; what ``before`` makes is the ground that it stands on."""

    def opened(template: Template) -> Session:
        clones.append(databases.clone(template))
        return clones[-1].connect()

    clones: list[Clone] = []
    try:
        ground = reading.read(opened(databases.template(before, ())))
        session = opened(databases.template(before, after))
        yield Bench(session, ground, state.since(reading.read(session), ground))
    finally:
        for clone in clones:
            clone.close()
            databases.drop_later(clone)


@pytest.fixture(scope="module")
def benches(pg_databases: Databases) -> Iterator[dict[str, Bench]]:
    with bench(pg_databases, *BASES["zoo"]) as zoo, bench(pg_databases, *BASES["jobs"]) as jobs:
        yield {"zoo": zoo, "jobs": jobs}


@pytest.mark.parametrize("change", CHANGES, ids=[change["sql"].splitlines()[0] for change in CHANGES])
def test_a_planted_change_is_found_where_it_is_and_graded(benches: dict[str, Bench], change: dict[str, Any]) -> None:
    on = benches[change.get("base", "zoo")]
    found = grading.compare(on.before, on.after(*scripts(change["sql"])))
    assert found
    worst = max(difference.grade for difference in found)
    places = {(str(difference.object), difference.key) for difference in found if difference.grade == worst}
    assert (worst.word, (change["object"], change.get("key", ""))) == (
        change["grade"],
        next((place for place in places if place == (change["object"], change.get("key", ""))), places),
    )
    assert {str(difference.object) for difference in found} <= {change["object"], *change.get("also", ())}
