"""An operator with `docs/applying.md` in hand, and a database to which they apply the Jobs system."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from pgassay import Clone, migrations
from pgassay.checks.snapshot import reading
from pgassay.checks.snapshot.state import State
from tests import needs

ROOT = needs.ROOT
FOLDER = migrations.discover(ROOT / "sql" / "migrations")
DOCUMENT = (ROOT / "docs" / "applying.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (.*)$", "\n".join(re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL)), re.MULTILINE)
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def block(words: str) -> str:
    """The one command or query of the document that begins with these words, else that has them in it."""
    everything: list[str] = [*COMMANDS, *QUERIES]
    (found,) = [b for b in everything if b.startswith(words)] or [b for b in everything if words in b]
    return found


class Operator:
    """Reaches the database ``clone`` by ``url``, over TCP, and has programs and settings in ``home``."""

    def __init__(self, clone: Clone, url: str, home: Path) -> None:
        self.clone = clone
        self.url = url
        programs = [str(needs.tools(clone.server)), str(home)]
        if npm := needs.npm_programs():
            programs.append(str(npm))
        # the CLI writes a folder of its own beside the migrations
        self._folder = home / "repository"
        shutil.copytree(ROOT / "supabase", self._folder / "supabase", symlinks=True)
        for name in ("sql", "pyproject.toml"):
            (self._folder / name).symlink_to(ROOT / name)
        (home / "pgassay").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pgassay "$@"\n')
        (home / "pgassay").chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([*programs, os.environ["PATH"]]),
            "DATABASE_URL": url,
            "HOME": str(home),
            "SUPABASE_TELEMETRY_DISABLED": "1",
        }

    def spoils(self, file: str) -> None:
        """Have an error at the end of that migration, in a copy of the repository's folder."""
        folder = self._folder / "sql"
        folder.unlink()
        shutil.copytree(ROOT / "sql", folder)
        with (folder / "migrations" / file).open("a") as text:
            text.write("\nSELECT 1 / 0;\n")

    def tries(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a shell, in a folder like the repository's."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def runs(self, command: str) -> str:
        """The output of a command that succeeds."""
        done = self.tries(command)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def pastes(self, text: str) -> None:
        """Send a whole file as one query of the simple protocol, as the dashboard's SQL editor does."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            result = connection.pgconn.exec_(text.encode())
            if result.status == ExecStatus.FATAL_ERROR:
                state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
                raise psycopg.errors.lookup(state)(result.error_message.decode())

    def asks(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        with self.clone.connect() as db:
            return db.execute(query.encode()).fetchall()

    def schema(self) -> tuple[State, str]:
        """All that is in the database but for the ledger: the snapshot, and what pg_dump writes."""
        with self.clone.connect() as db:
            snapshot = reading.read(db)
        url = shlex.quote(self.clone.server.url(self.clone.name))
        dump = self.runs(f"pg_dump {url} --schema-only --exclude-schema=supabase_migrations")
        return snapshot, re.sub(r"^(\\(un)?restrict .*|-- Dumped .*)$", "", dump, flags=re.MULTILINE)

    def versions(self) -> list[str]:
        """What the ledger says."""
        return [str(v) for (v,) in self.asks("select version from supabase_migrations.schema_migrations order by 1")]


@contextmanager
def by_tcp(clone: Clone) -> Iterator[str]:
    """The URL of ``clone`` as it is reached over TCP, which programs that know nothing of sockets in files need."""
    params = clone.server.params
    if not params["host"].startswith("/"):
        yield clone.url
        return
    path = f"{params['host']}/.s.PGSQL.{params['port']}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_forward, args=[listener, path], daemon=True).start()
        port = listener.getsockname()[1]
        try:
            yield f"postgresql://{clone.server.owner}@127.0.0.1:{port}/{clone.name}?sslmode=disable"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _forward(listener: socket.socket, path: str) -> None:
    with suppress(OSError):  # closed
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_relay, args=[client, path], daemon=True).start()


def _relay(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
        server.connect(path)
        while True:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                (server if source is client else client).sendall(data)
