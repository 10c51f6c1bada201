"""The same tests on a schema that was dumped and restored: ``make test ARGS="tests/jobs --restored schema"``."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgassay.identity import Databases
from pgassay.templates import Template
from tests import needs


@pytest.fixture(scope="session")
def pg_template(
    request: pytest.FixtureRequest,
    pg_databases: Databases,
    pg_template: Template,
    tmp_path_factory: pytest.TempPathFactory,
) -> Template:
    """The template of the plugin, or what pg_dump and psql make of it."""
    what = request.config.getoption("--restored")
    return restored(pg_databases, pg_template, what, tmp_path_factory.mktemp("dump")) if what else pg_template


def restored(databases: Databases, template: Template, what: str, folder: Path) -> Template:
    """A database of the worker's own into which a dump of ``template`` went, with ``data`` or the ``schema`` alone."""
    server = databases.server
    programs, dump = needs.tools(server), folder / "dump.sql"
    with databases.copy(template) as clone:
        name = f"{clone.name}_restored"
        options = ["--schema-only"] if what == "schema" else []
        run(programs / "pg_dump", server.url(clone.name), "--file", dump, *options)
    with server.connect(server.maintenance, kind=psycopg.Connection[Any]) as admin:
        admin.execute(
            sql.SQL("create database {} owner {} template template0").format(
                sql.Identifier(name), sql.Identifier(server.owner)
            )
        )
    databases._give_properties(name, template)  # as pg_dumpall does: they are the database's, and not in it
    run(programs / "psql", server.url(name), "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", dump)
    return Template(name)


def run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
