"""What `pgassay diff` compares where one side alone is named, how it counts, and what it does not do a second time."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pgassay.checks.snapshot import grading, remembered, state
from pgassay.checks.snapshot.grading import Grade
from pgassay.checks.snapshot.remembered import Memory
from pgassay.checks.snapshot.state import Object
from pgassay.config import Config, Tenancy
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.report import schema as schema_report
from pgassay.report import terminal
from tests.harness import command
from tests.harness.test_cli import ROOT, SCHEMA, TENANCY
from tests.harness.test_snapshot_commands import git

INDEX = "create index notes_by_org on public.notes (org_id);\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "project"
    (folder / "migrations").mkdir(parents=True)
    (folder / "migrations" / "1_notes.sql").write_text(SCHEMA)
    (folder / "pyproject.toml").write_text(f'[tool.pgassay]\nmigrations = "migrations"\n{TENANCY}')
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def diff(project: Path, *sides: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(project.parent / "cache")}
    done = command.run("diff", *sides, "--pg", "embedded", cwd=project, environment=environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("side", ["main", "main..", "HEAD.."])
def test_a_revision_alone_is_compared_with_what_is_not_committed(project: Path, side: str) -> None:
    assert diff(project, side).returncode == 0
    (project / "migrations" / "2_index.sql").write_text(INDEX)
    status = git(project, "status", "--porcelain")
    done = diff(project, side)
    assert done.returncode == 1, done.stderr
    assert f"- revision {side.removesuffix('..')}\n+ folder migrations\n" in done.stdout
    assert "adds  index notes_by_org is new" in done.stdout
    assert done.stdout.endswith("\n1 difference: 1 addition\n")
    assert git(project, "status", "--porcelain") == status


def test_other_sides_alone_are_compared_with_the_migrations_too(project: Path) -> None:
    shutil.copytree(project / "migrations", project / "old")
    (project / "migrations" / "2_index.sql").write_text(INDEX + INDEX.replace("notes_by_org", "notes_again"))
    done = diff(project, "old")
    assert "- folder old\n+ folder migrations\n" in done.stdout
    assert done.stdout.endswith("\n2 differences: 2 additions\n")


def test_each_grade_is_counted_in_words() -> None:
    def told(*numbers: int) -> str:
        found = [
            grading.Difference(grade, Object("table", "a", {}), "owner", "it differs", "a", "b")
            for grade, number in zip(Grade, numbers, strict=True)
            for _ in range(number)
        ]
        out = terminal.console()
        with out.capture() as captured:
            out.print(schema_report.differences(found))
        return captured.get().splitlines()[-1]

    assert told(1, 1, 1, 1) == "4 differences: 1 loosening, 1 break, 1 change, 1 addition"
    assert told(2, 2, 2, 2) == "8 differences: 2 loosenings, 2 breaks, 2 changes, 2 additions"


def test_a_half_that_has_not_changed_is_not_tried_again(project: Path) -> None:
    """Its state is read from where it was kept: what is written there is what is compared."""
    (project / "migrations" / "2_index.sql").write_text(INDEX)
    first = diff(project, "main")
    kept = sorted((project.parent / "cache" / "pgassay" / "states").iterdir())
    assert len(kept) == 2, "a state each"
    assert first.stdout == diff(project, "main").stdout
    (main,) = [file for file in kept if "index notes_by_org" not in file.read_text()]
    main.write_text(main.read_text().replace("column text: text not null", "column text: integer not null"))
    assert "column text is text now, and not integer" in diff(project, "main").stdout
    (project / "migrations" / "1_notes.sql").write_text(SCHEMA + "comment on table public.notes is 'x';\n")
    git(project, "commit", "-qam", "two")
    assert "column text" not in diff(project, "main").stdout, "another schema is another key"


def test_what_is_not_settled_or_cannot_be_read_is_not_kept(tmp_path: Path) -> None:
    memory = Memory(Config(root=ROOT), tried=True, folder=tmp_path / "states")
    found = state.state([Object("table", "public.a", {"owner": "owner"})])
    memory.keep("one", found, beyond=False)
    assert memory.get("one") == found, "in this run it is"
    assert not (tmp_path / "states").exists()
    memory.keep("two", found, beyond=True)
    again = Memory(Config(root=ROOT), tried=True, folder=tmp_path / "states")
    assert (again.get("one"), again.get("two")) == (None, found)
    (tmp_path / "states" / "two").write_text("no snapshot")
    assert Memory(Config(root=ROOT), tried=True, folder=tmp_path / "states").get("two") is None
    Memory(Config(root=ROOT), tried=True, folder=tmp_path / "states" / "two" / "x").keep("three", found, beyond=True)


def test_a_state_is_kept_under_all_that_it_hangs_on(pg_databases: Databases, tmp_path: Path) -> None:
    server, plain = pg_databases.server, Config(root=ROOT)
    one = (Script(Path("1_a.sql"), "1_a.sql", "select 1;", "1"),)
    other = (Script(Path("1_a.sql"), "1_a.sql", "select 2;", "1"),)
    public = [Tenancy("public.orgs", None, "id", public=frozenset(f"public.{name}" for name in order))
              for order in ("abcdefgh", "hgfedcba")]  # fmt: skip
    rows = tmp_path / "rows.sql"
    rows.write_text("select 1;")
    keys = [
        Memory(plain, tried=True).key(server, (), one),
        Memory(plain, tried=False).key(server, (), one),
        Memory(plain, tried=True).key(server, (), other),
        Memory(plain, tried=True).key(server, one, ()),
        Memory(Config(root=ROOT, tenancy=public[0]), tried=True).key(server, (), one),
        Memory(Config(root=ROOT, rows=(rows,)), tried=True).key(server, (), one),
    ]
    rows.write_text("select 2;")
    keys.append(Memory(Config(root=ROOT, rows=(rows,)), tried=True).key(server, (), one))
    assert len(set(keys)) == len(keys)
    assert Memory(Config(root=ROOT, tenancy=public[1]), tried=True).key(server, (), one) == keys[4]


def test_only_the_latest_states_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_KEPT", 2)
    memory = Memory(Config(root=ROOT), tried=True, folder=tmp_path)
    for number in range(4):
        memory.keep(str(number), state.state([]), beyond=True)
        os.utime(tmp_path / str(number), (number, number))
    assert {file.name for file in tmp_path.iterdir()} == {"2", "3"}
