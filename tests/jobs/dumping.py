"""pg_dump and psql: a database that is what was restored of another one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from pgassay import Clone
from pgassay.identity import Databases
from pgassay.templates import Template
from tests import needs

What = Literal["schema", "data"]


def restored(databases: Databases, origin: Clone, what: What, folder: Path) -> Template:
    """A new database into which a dump of ``origin`` went, the ``schema`` alone or with its ``data``."""
    server = databases.server
    programs, dump = needs.tools(server), folder / f"{what}.sql"
    name = f"{origin.name}_{what}"
    options = ["--schema-only"] if what == "schema" else []
    _run(programs / "pg_dump", server.url(origin.name), "--file", dump, *options)
    with server.connect(server.maintenance, kind=psycopg.Connection[Any]) as admin:
        admin.execute(
            sql.SQL("create database {} owner {} template template0").format(
                sql.Identifier(name), sql.Identifier(server.owner)
            )
        )
    # settings and grants of the database itself: they are not in it, and pg_dumpall brings them
    databases._give_properties(name, Template(origin.name))
    _run(programs / "psql", server.url(name), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", dump)
    return Template(name)


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
