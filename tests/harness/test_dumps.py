"""What pg_dump writes and psql restores is no difference to a snapshot, whatever the schema."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pgassay import Clone, environment
from pgassay.checks.snapshot import grading, reading, state
from pgassay.identity import Databases
from tests import needs
from tests.harness import schemas
from tests.harness.test_corpus import Case, cases
from tests.harness.test_snapshot import BASES

ZOO = Case("zoo", "\n".join(script.sql for script in BASES["zoo"][1]), {}, {})
"""One of each kind of object."""
STAND_IN = ("event trigger",)
"""Their stand-ins have names by which no dump finds them again."""
CONTENTS = ("TABLE DATA storage buckets", "TABLE DATA cron job", "TABLE DATA vault secrets")
ANEW = ("ACL", "DEFAULT ACL")
"""What the platform has as well, perhaps otherwise."""


@pytest.mark.parametrize("case", [*cases(None), pytest.param(ZOO, id="zoo")])
def test_what_is_dumped_and_restored_is_no_difference(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    bare = pg_databases.template((), ())
    with pg_databases.copy(bare) as clone:
        ground = reading.read(clone.connect_as_owner())
    with schemas.database(pg_databases, case.schema) as clone, pg_databases.copy(bare) as copy:
        with clone.connect_as_owner() as session:
            before = state.since(reading.read(session), ground)
        extensions = [thing for thing in before.objects.values() if thing.kind == "extension"]
        _restore(clone, copy, tmp_path, {thing.name: thing.entries["schema"] for thing in extensions})
        after = state.since(reading.read(copy.connect_as_owner()), ground)
    before, after = before.without(STAND_IN), after.without(STAND_IN)
    assert before.objects
    assert grading.compare(before, after) == grading.compare(after, before) == []


def _restore(origin: Clone, copy: Clone, folder: Path, extensions: dict[str, str]) -> None:
    """Put into ``copy``, which is as the platform makes it, what a dump of ``origin`` has besides."""
    with copy.connect_as_owner() as owner:
        for extension, schema in extensions.items():
            environment.provide(owner, extension, schema)
    programs, archives = needs.tools(origin.server), (folder / "origin.dump", folder / "copy.dump")
    for database, archive in zip((origin, copy), archives, strict=True):
        _run(programs / "pg_dump", origin.server.url(database.name), "-Fc", "--file", archive)
    wanted, there = (_contents(programs, archive) for archive in archives)
    lines = [line for what, line in wanted.items() if what not in there or what.startswith((*CONTENTS, *ANEW))]
    (folder / "list").write_text("\n".join(lines), encoding="utf-8")
    script = folder / "dump.sql"
    _run(programs / "pg_restore", "-L", folder / "list", "-f", script, archives[0])
    if origin.server.major < 17:  # a setting of a pg_dump that is newer than the server
        script.write_text(script.read_text().replace("SET transaction_timeout = 0;\n", ""))
    options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"]
    _run(programs / "psql", origin.server.url(copy.name), *options, "-f", script)


def _contents(programs: Path, archive: Path) -> dict[str, str]:
    """The lines of an archive's table of contents by what they say, without numbers."""
    listed = _run(programs / "pg_restore", "-l", archive).splitlines()
    return {line.split(" ", 3)[3]: line for line in listed if line and not line.startswith(";")}


def _run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
