"""pg_dump and psql: a database that is what was restored of another one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

from pgassay import Clone
from pgassay.identity import Databases
from pgassay.templates import Template
from tests import needs

What = Literal["schema", "data"]


def restored(databases: Databases, origin: Clone, what: What, folder: Path) -> Template:
    """A new database of the platform into which a dump of ``origin`` went, the ``schema`` alone or with its ``data``.

    Without the platform's own schemas, whose stand-ins for extensions no dump has; users come along as plain rows.
    """
    server = databases.server
    programs, dump = needs.tools(server), folder / f"{what}.sql"
    options = ["--schema=public", "--schema=private", *(["--schema-only"] if what == "schema" else [])]
    _run(programs / "pg_dump", server.url(origin.name), "--file", dump, *options)
    lines = dump.read_text().splitlines(keepends=True)
    # the schema, which every database has; and a setting of a pg_dump that is newer than the server
    unknown = {"CREATE SCHEMA public;\n"} | ({"SET transaction_timeout = 0;\n"} if server.major < 17 else set())
    dump.write_text("".join(line for line in lines if line not in unknown))
    copy = databases.clone(databases.template((), ()), f"{origin.name}_{what}")
    with copy.connect_as_admin() as admin, origin.connect() as source:
        # as initdb makes it: without Supabase's default privileges, which come last in the dump
        admin.execute("drop schema public cascade; create schema public authorization pg_database_owner")
        admin.execute("grant usage on schema public to public")
        for (user,) in source.execute("select id from auth.users") if what == "data" else ():
            admin.execute("insert into auth.users (id) values (%s)", [user])
    quietly = ["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"]
    _run(programs / "psql", server.url(copy.name), *quietly, "-f", dump)
    return Template(copy.name)


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
