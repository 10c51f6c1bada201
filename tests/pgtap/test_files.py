"""The files in files/ print the same with pgTAP and with the stand-in for it: what stands in the ``.tap`` beside each.

These are what pgTAP 1.2 printed on PostgreSQL 15. `python -m tests.pgtap.test_files` writes them anew.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from pgassay import Session, environment, migrations
from pgassay.identity import Databases
from pgassay.pgtap import source
from pgassay.pgtap.source import Source
from pgassay.pgtap.suite import Outcome, Suite
from pgassay.servers import local
from tests import needs

HERE = Path(__file__).parent
FILES = sorted((HERE / "files").glob("*.sql"))
CALL = re.compile(r"\b(\w+)\(")


@contextmanager
def suite(databases: Databases, chosen: Source) -> Iterator[Suite]:
    template = databases.template((), migrations.scripts([HERE / "schema.sql"]))
    with Suite(databases, template, FILES, chosen) as made:
        yield made


@contextmanager
def suite_of_pgtap() -> Iterator[Suite]:
    """Of a server that has pgTAP as its own extension."""
    with local.start(needs.pgtap()[0], backend="system", why="it has pgTAP") as bare:
        server = environment.prepare(bare)
        with Databases(server, Session) as databases, suite(databases, Source()) as made:
            yield made


@pytest.fixture(scope="module")
def with_stand_in(pg_databases: Databases) -> Iterator[Suite]:
    with suite(pg_databases, Source(ours=True)) as made:
        yield made


@pytest.fixture(scope="module")
def with_sql_of_pgtap(pg_databases: Databases) -> Iterator[Suite]:
    with suite(pg_databases, Source(sql=needs.pgtap()[1])) as made:
        yield made


@pytest.fixture(scope="module")
def with_pgtap() -> Iterator[Suite]:
    with suite_of_pgtap() as made:
        yield made


def printed(outcome: Outcome) -> str:
    """What the file printed, and why it ended where it did so before its end."""
    lines = [line.text for line in outcome.output.lines]
    if outcome.output.aborted is not None:
        lines.append(f"ABORTED {outcome.output.aborted.replace(f'{outcome.path.parent}/', '')}")
    return "\n".join(lines) + "\n"


def expected(file: Path) -> str:
    return file.with_suffix(".tap").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_stand_in_tells_what_pgtap_tells(with_stand_in: Suite, file: Path) -> None:
    assert printed(with_stand_in.run(file)) == expected(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_pgtap_of_another_version_works_by_its_sql(with_sql_of_pgtap: Suite, file: Path) -> None:
    assert printed(with_sql_of_pgtap.run(file)) == expected(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_pgtap_tells_this(with_pgtap: Suite, file: Path) -> None:
    assert printed(with_pgtap.run(file)) == expected(file)


def test_pg_prove_says_the_same_of_each_file(tmp_path: Path) -> None:
    """Files that fail, with the number of their tests, of those that failed, and what pg_prove calls parse errors."""
    program = needs.pg_prove()
    binaries = needs.pgtap()[0]
    with local.start(binaries, backend="system", why="it has pgTAP") as bare:
        server = environment.prepare(bare)
        with Databases(server, Session) as databases, suite(databases, Source()) as ours:
            told = {file.name: verdict_of(ours.run(file)) for file in FILES if not ours.run(file).passed}
            with databases.copy(databases.template((), migrations.scripts([HERE / "schema.sql"]))) as clone:
                source.provide(clone, Source())
                where = conninfo_to_dict(server.conninfo(clone.name, user=server.owner))
                options = [f"--{name}={where[key]}" for name, key in (("host", "host"), ("port", "port"))]
                command = [program, "--psql-bin", str(binaries.bin / "psql"), *options, f"--dbname={clone.name}"]
                done = subprocess.run(
                    [*command, f"--username={where['user']}", *(file.name for file in FILES)],
                    cwd=HERE / "files", capture_output=True, text=True, check=False,
                    env={**os.environ, "PGPASSWORD": str(where.get("password") or ""), "LC_ALL": "C"},
                )  # fmt: skip
    assert summary_of(done.stdout) == told, done.stderr


Verdict = tuple[int, int, list[str]]


def verdict_of(outcome: Outcome) -> Verdict:
    verdict = outcome.verdict
    errors = [problem for problem in verdict.problems if problem != outcome.output.aborted]
    return len(verdict.tests), len(verdict.failed), errors


def summary_of(report: str) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    name = what = ""
    for line in report.partition("Test Summary Report")[2].splitlines():
        heading = re.match(r"(\S+)\s+\(Wstat: .* Tests: (\d+) Failed: (\d+)\)", line)
        part = re.match(r"\s{1,9}(\w[^:]*):\s+(.*)", line)
        if heading is not None:
            name = heading[1]
            found[name] = (int(heading[2]), int(heading[3]), [])
            continue
        what = part[1] if part is not None else what
        if what == "Parse errors" and line.strip():
            found[name][2].append(" ".join((part[2] if part is not None else line).split()))
    # TODO tests that passed are told there, too, of files that did not fail
    return {name: verdict for name, verdict in found.items() if verdict[1] or verdict[2]}


def test_the_files_call_most_of_what_pgtap_has(pg_databases: Databases) -> None:
    with pg_databases.copy(pg_databases.template((), ())) as clone:
        source.provide(clone, Source(ours=True))
        with clone.connect() as owner:
            rows = owner.execute(
                "select distinct p.proname from pg_catalog.pg_proc as p "
                "join pg_catalog.pg_depend as d on d.objid = p.oid "
                "join pg_catalog.pg_extension as e on d.refobjid = e.oid "
                "where e.extname = 'pgtap' and p.proname !~ '^pgassay_'"
            ).fetchall()
    called = {name for file in FILES for name in CALL.findall(file.read_text(encoding="utf-8"))}
    assert len(FILES) >= 40
    assert len(called & {name for (name,) in rows}) >= 120


if __name__ == "__main__":
    with suite_of_pgtap() as made:
        for each in FILES:
            each.with_suffix(".tap").write_text(printed(made.run(each)), encoding="utf-8")
