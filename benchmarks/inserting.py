"""What a file of many statements costs: splitting and applying it, against psql."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, in_turn, middle, ratio, seconds
from pgassay import migrations
from pgassay.errors import Unavailable
from pgassay.migrations import Script
from pgassay.servers import embedded

STATEMENTS = 50_000
ROUNDS = 3
LIMIT = 3.0
"""Times psql -f."""


def measure(bench: Bench) -> list[Figure]:
    """A migration of so many INSERTs, applied as `pgassay check` does and by psql; nothing where psql is not there."""
    psql = shutil.which("psql") or _beside_the_embedded_server()
    if psql is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "inserts.sql")
        lines = (f"insert into public.measured (n, said) values ({n}, 'it''s {n};');" for n in range(STATEMENTS))
        path.write_text("\n".join(["create table public.measured (n int, said text);", *lines]))
        taken = in_turn(
            bench.track(f"applying {STATEMENTS:,} statements", ROUNDS),
            {"applied": partial(_applied, bench, path), "psql": partial(_by_psql, bench, psql, path)},
        )
    return [
        Figure(
            f"a migration of {STATEMENTS:,} INSERTs",
            middle(taken["applied"]),
            f"psql -f: {middle(taken['psql'])}",
            ratio(taken["applied"], taken["psql"]),
            TIMES,
            LIMIT,
        )
    ]


def _beside_the_embedded_server() -> str | None:
    try:
        return shutil.which("psql", path=embedded.package() / "pginstall" / "bin")
    except Unavailable:
        return None


def _applied(bench: Bench, path: Path) -> float:
    with bench.clone() as clone, clone.connect_as_owner() as owner:
        return seconds(lambda: migrations.apply(owner, Script(path, path.name, path.read_text())))


def _by_psql(bench: Bench, psql: str, path: Path) -> float:
    with bench.clone() as clone:
        command = [psql, "--no-psqlrc", "--quiet", "--file", str(path), clone.url]
        return seconds(partial(subprocess.run, command, check=True, capture_output=True))
