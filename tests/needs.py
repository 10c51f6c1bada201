"""Things that a test needs and not every machine has: without them it is skipped, or fails where PGASSAY_REQUIRE says.

``PGASSAY_REQUIRE=npm,cron`` names what has to be there, as in .ci/run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from pgassay.servers import Server, embedded, local, system

ROOT = Path(__file__).parents[1]


def lacks(thing: str, how_to_get: str) -> NoReturn:
    """Skip the test, or fail it where ``thing`` is required."""
    message = f"{thing} is not here: {how_to_get}"
    if thing in os.environ.get("PGASSAY_REQUIRE", "").split(","):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def npm(program: str) -> Path:
    """The command of an npm package in tests/npm."""
    found = ROOT / ".tmp" / "npm" / "node_modules" / ".bin" / program
    if not found.exists():
        lacks("npm", "cp -r tests/npm .tmp/npm && npm ci --prefix .tmp/npm")
    return found


def tools(server: Server) -> Path:
    """The directory of psql and pg_dump that came with ``server``; a container has its own inside, so any there are."""
    if server.backend == "system":
        return next(found.bin for found in system.installations() if found.version // 10000 == server.major)
    return embedded.package() / "pginstall" / "bin"


def cron() -> local.Binaries:
    """A PostgreSQL with pg_cron."""
    for found in system.installations():
        if (found.bin.parent / "lib" / "pg_cron.so").exists():
            return found
    lacks("cron", "apt-get install postgresql-15-cron")


def plpgsql_check() -> local.Binaries:
    """A PostgreSQL with plpgsql_check."""
    for found in system.installations():
        if (found.bin.parent / "lib" / "plpgsql_check.so").exists():
            return found
    lacks("plpgsql_check", "apt-get install postgresql-15-plpgsql-check")
