"""Things that a test needs and not every machine has: without them it is skipped, or fails where PGASSAY_REQUIRE says.

``PGASSAY_REQUIRE=npm,cron`` names what has to be there, as in .ci/run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from pgassay.pgtap import source
from pgassay.servers import Server, embedded, local, system

ROOT = Path(__file__).parents[1]
INSTALL_TOOLS = ["python3 -m venv .tmp/tools", ".tmp/tools/bin/pip install -r tests/tools.txt"]
INSTALL_NPM = ["mkdir -p .tmp", "cp -r tests/npm .tmp/npm", "npm install --no-save --prefix .tmp/npm"]


def lacks(thing: str, how_to_get: str) -> NoReturn:
    """Skip the test, or fail it where ``thing`` is required."""
    message = f"{thing} is not here: {how_to_get}"
    if thing in os.environ.get("PGASSAY_REQUIRE", "").split(","):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def npm(package: str) -> Path:
    """The directory of one of the npm packages of tests/npm."""
    found = ROOT / ".tmp" / "npm" / "node_modules" / package
    if not found.is_dir():
        lacks("npm", " && ".join(INSTALL_NPM))
    return found


def npm_programs() -> Path | None:
    """Where the commands of those packages are, if they are here."""
    found = ROOT / ".tmp" / "npm" / "node_modules" / ".bin"
    return found if found.is_dir() else None


def migration_tool(name: str) -> Path:
    """A migration tool in Python, of tests/tools.txt."""
    found = ROOT / ".tmp" / "tools" / "bin" / name
    if not found.exists():
        lacks("tools", " && ".join(INSTALL_TOOLS))
    return found


def container(image: str) -> None:
    """A container engine that has ``image``."""
    for question in (["info"], ["image", "inspect", image]):
        if (
            shutil.which("docker") is None
            or subprocess.run(["docker", *question], capture_output=True, check=False).returncode != 0
        ):
            lacks("container", f"no container engine answers that has the image {image}")


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


def pgtap() -> tuple[local.Binaries, Path]:
    """A PostgreSQL with pgTAP as an extension of its own, and pgTAP's SQL."""
    for found in system.installations():
        script = source.installed()
        if script is not None and str(found.version // 10000) in script.parts:
            return found, script
    lacks("pgtap", "apt-get install postgresql-15-pgtap")


def pg_prove() -> str:
    """The program that runs files with tests for pgTAP."""
    found = shutil.which("pg_prove")
    if found is None:
        lacks("pgtap", "apt-get install libtap-parser-sourcehandler-pgtap-perl")
    return found
