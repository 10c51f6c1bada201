"""The backend ``system``: PostgreSQL as this machine's package manager or its owner installed it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgassay.config import OLDEST_MAJOR, Config
from pgassay.errors import Unavailable
from pgassay.servers import local
from pgassay.servers.server import Server

_PLACES = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PostgreSQL's own RPMs
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)


@contextmanager
def start(config: Config) -> Iterator[Server]:
    """Run the newest PostgreSQL found on this machine, or the one of the major version that is wanted.

    Raises `Unavailable` when there is none.
    """
    found = {binaries.version // 10000: binaries for binaries in installations()}
    usable = {major: binaries for major, binaries in found.items() if major >= OLDEST_MAJOR}
    if config.pg_version is not None and config.pg_version not in usable:
        raise Unavailable(f"no system PostgreSQL {config.pg_version} ({_named(found)})")
    if not usable:
        raise Unavailable(f"no system PostgreSQL of {OLDEST_MAJOR} or later ({_named(found)})")
    preferred = config.project_version if config.project_version in usable else max(usable)
    binaries = usable[config.pg_version or preferred]
    with local.start(binaries, backend="system", why=f"in {binaries.bin}") as server:
        yield server


def installations() -> list[local.Binaries]:
    """All installations that can be run, oldest first."""
    directories = [path for place in _PLACES for path in Path("/").glob(place)]
    on_path = shutil.which("postgres")
    if on_path is not None:
        directories.append(Path(os.path.realpath(on_path)).parent)
    found = []
    for directory in dict.fromkeys(directories):
        version = local.read_version(directory / "postgres") if (directory / "initdb").exists() else None
        if version is not None:
            found.append(local.Binaries(directory, version))
    return sorted(found, key=lambda binaries: binaries.version)


def _named(found: dict[int, local.Binaries]) -> str:
    return "found: " + (", ".join(f"{major} in {found[major].bin}" for major in sorted(found)) or "none")
