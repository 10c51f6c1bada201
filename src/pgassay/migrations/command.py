"""A command that applies migrations itself: Alembic, Django, Rails, Knex, TypeORM, Ecto and others."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from pgassay.config import Config
from pgassay.errors import ConfigError, MigrationError
from pgassay.migrations.script import Script
from pgassay.servers.server import url_of

FORMAT = "command"
_SAID_LINES = 40
"""So many lines of what a command said are shown where it fails."""

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Command(Script):
    """A program with its arguments, which is run in the folder ``path``; it has no ``sql`` that anybody could read.

    ``inputs`` is a digest of the files that it goes by; empty where nobody knows them.
    """

    arguments: tuple[str, ...] = ()
    inputs: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What a database that is built with it depends on, as far as that is known."""
        return (FORMAT, *self.arguments, self.inputs)


def of(settings: Config) -> Command:
    """The command of a project. Raises `ConfigError` for one that cannot be read, or inputs that are not there."""
    text = settings.migrate or ""
    try:
        arguments = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"migrate is {text!r}, which cannot be read: {error}.") from error
    if not arguments:
        raise ConfigError("migrate names no command.")
    return Command(settings.root, text, "", arguments=arguments, inputs=_digest(settings.root, settings.migrate_inputs))


def _digest(root: Path, patterns: tuple[str, ...]) -> str:
    """A digest of the files that ``patterns`` find below ``root``; empty where there are no patterns."""
    digest = hashlib.sha256()
    for pattern in patterns:
        found = sorted(file for file in root.glob(pattern) if file.is_file())
        if not found:
            raise ConfigError(f"migrate_inputs has {pattern!r}, which finds no file in {root}.")
        for file in found:
            for part in (file.relative_to(root).as_posix().encode(), file.read_bytes()):
                digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest() if patterns else ""


def run(connection: Connection, command: Command) -> None:
    """Run ``command`` for the database of ``connection``, as its user. Raises `MigrationError` with what it said."""
    if connection.info.user != _current_user(connection):
        raise MigrationError(
            f"{command.name} has to log in as {_current_user(connection)}, whose password is not known on this server.",
            hint="A server that pgassay starts itself has such a login: --pg auto.",
        )
    environment = _without_libpq() | dict(_variables(connection))
    try:
        done = subprocess.run(
            command.arguments,
            cwd=command.path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise MigrationError(
            f"{command.name} cannot be run in {command.path}: {error.strerror}.",
            hint="It is looked for as a program, without a shell. In a virtual environment: "
            'migrate = ".venv/bin/alembic upgrade head".',
        ) from error
    if done.returncode != 0:
        how = f"ended with {done.returncode}" if done.returncode > 0 else f"was ended by signal {-done.returncode}"
        raise MigrationError(f"{command.name} {how}. It said:\n\n{_end_of(done.stdout)}")


def _current_user(connection: Connection) -> str:
    row = connection.execute("select current_user").fetchone()
    assert row is not None
    return str(row[0])


def _without_libpq() -> dict[str, str]:
    """The environment without what else would tell libpq where to connect."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("PG") or name.startswith("PGASSAY")
    }


def _variables(connection: Connection) -> Iterator[tuple[str, str]]:
    """How a client of libpq, and one that takes a URL, finds the database of ``connection``."""
    info = connection.info
    yield (
        "DATABASE_URL",
        url_of(
            {
                "host": info.host,
                "port": str(info.port),
                "user": info.user,
                "password": info.password,
                "dbname": info.dbname,
            }
        ),
    )
    yield "PGHOST", info.host
    yield "PGPORT", str(info.port)
    yield "PGUSER", info.user
    yield "PGDATABASE", info.dbname
    if info.password:
        yield "PGPASSWORD", info.password


def _end_of(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").rstrip().splitlines()
    left = len(lines) - _SAID_LINES
    shown = [f"… {left} lines before", *lines[-_SAID_LINES:]] if left > 0 else lines
    return "\n".join(shown) or "(nothing)"
