"""Formats of migrations: which one a folder has, and that a new one is one module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgassay import Clone, ConfigError, MigrationError, migrations
from pgassay.migrations import Script, formats
from tests.harness.command import run
from tests.harness.formats import reading

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "migrations"
MADE_UP = '''
"""A format that nobody has."""

from pgassay.migrations.formats import MARKED
from pgassay.migrations.script import Folder, Script

NAME, TOOL, SIGNS, RANK = "made-up", "Made-up Migrate", "a file made-up.list", MARKED


def seen(listing):
    return "made-up.list" if listing.has("made-up.list") else ""


def read(listing):
    files = [listing.path / name for name in listing.text(listing.path / "made-up.list").split()]
    return Folder(listing.path, tuple(Script(file, file.name, listing.text(file)) for file in files), {}, NAME)
'''


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "made_up.py").write_text(MADE_UP)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path / "code")])
    yield
    sys.modules.pop("pgassay.migrations.formats.made_up", None)


def test_a_format_is_one_module(made_up: None, tmp_path: Path) -> None:
    reading.write(tmp_path, {"z.sql": "select 1;", "a.sql": "select 2;", "made-up.list": "z.sql a.sql"})
    found = migrations.discover(tmp_path)
    assert (found.format, reading.names(found)) == ("made-up", ["z.sql", "a.sql"])
    assert "made-up" in formats.known()
    with pytest.raises(ConfigError, match="made-up"):
        migrations.discover(tmp_path, "nothing")


def test_every_format_has_a_test_an_example_and_a_page() -> None:
    files = {name.replace("-", "_") for name in formats.known()} - {"file"} | {"one_file"}
    assert {path.stem.removeprefix("test_") for path in reading.HERE.glob("test_*.py")} == files
    assert {path.name for path in reading.HERE.iterdir() if path.is_dir()} - {"__pycache__"} == files
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == {*formats.known(), "command"}
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert all(f"({name}.md)" in index for name in (*formats.known(), "command"))


def test_the_command_lists_them_with_what_they_are_recognised_by(tmp_path: Path) -> None:
    printed = " ".join(run("formats", cwd=tmp_path).stdout.split())
    for name, format_ in formats.known().items():
        assert f"{name} {format_.TOOL} {format_.SIGNS}" in printed


def test_a_folder_that_looks_like_two_tools_is_refused_until_one_is_named(tmp_path: Path) -> None:
    both = {"1_a.sql": "-- migrate:up\nselect 1;\n", "2_b.sql": "-- +goose Up\nselect 1;\n"}
    said = reading.refusal(reading.write(tmp_path, both))
    assert "dbmate (-- migrate:up in 1_a.sql); goose (-- +goose Up in 2_b.sql)" in said
    assert 'format = "dbmate"' in said


def test_a_folder_that_fits_none_is_refused_with_what_was_seen(tmp_path: Path) -> None:
    assert "it is empty" in reading.refusal(tmp_path)
    reading.write(tmp_path, {"notes.sql": "select 1;", "b/c.txt": ""})
    said = reading.refusal(tmp_path)
    assert "it has b/, notes.sql" in said
    assert "pgassay formats" in said


def test_the_configuration_decides(tmp_path: Path) -> None:
    marked = "-- migrate:up\ncreate table public.a (id int);\n-- migrate:down\ndrop table public.a;\n"
    reading.write(tmp_path, {"migrations/1_a.sql": marked})
    reading.write(tmp_path, {"pgassay.toml": '[tool.pgassay]\nformat = "goose"\n'})
    done = run("check", ".", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no line -- +goose Up, which goose wants in each migration" in " ".join(done.stderr.split())
    reading.write(tmp_path, {"pgassay.toml": '[tool.pgassay]\nformat = "nothing"\n'})
    done = run("check", ".", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 2
    assert "'nothing' is no format of migrations" in done.stderr


def test_what_its_tool_runs_in_no_transaction_stays_up_to_the_statement_that_fails(clone: Clone) -> None:
    text = "create table public.stays (id int);\nselect 1 / 0;"
    for alone, there in ((False, False), (True, True)):
        script = Script(Path("1_a.sql"), "1_a.sql", text, in_transaction=not alone)
        with clone.connect_as_owner() as owner:
            with pytest.raises(MigrationError, match="division by zero"):
                migrations.apply(owner, script)
            assert owner.execute("select to_regclass('public.stays') is not null").fetchone() == (there,)


@pytest.mark.parametrize("name", [name for name in formats.known() if name not in ("file", "supabase")])
def test_apply_leaves_the_ledgers_of_other_tools_alone(name: str, tmp_path: Path) -> None:
    folder = reading.HERE / name.replace("-", "_")
    done = run("apply", "postgresql://nobody@127.0.0.1:1/nothing", folder, cwd=tmp_path)
    assert done.returncode == 2
    assert "has migrations of another tool" in " ".join(done.stderr.split())
