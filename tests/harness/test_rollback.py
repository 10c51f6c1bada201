"""Down parts: what does not come back is told, and what is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgassay.checks import rollback
from pgassay.identity import Databases
from pgassay.migrations import Script
from tests.harness.command import run
from tests.harness.formats import reading

BASE = "create table public.notes (id int primary key, owner_id uuid references auth.users (id), body text not null);"


def script(number: int, up: str, down: str | None) -> Script:
    path = Path(f"{number}_x.sql")
    back = None if down is None else Script(path, path.name, down)
    return Script(path, path.name, up, down=back)


def told(databases: Databases, up: str, down: str) -> list[tuple[str, str]]:
    done = rollback.check(databases, (), [script(1, BASE, None), script(2, up, down)], None)
    assert [one.name for one in done.tried] == ["2_x.sql"]
    assert not done.unjudged
    assert {finding.object for finding in done.findings} <= {"2_x.sql"}
    return [(finding.severity, finding.observed) for finding in done.findings]


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (
            "alter table public.notes add pinned boolean not null default false;",
            "alter table public.notes drop pinned;",
        ),
        ("create table public.tags (id int primary key);", "drop table public.tags;"),
        ("create index concurrently a on public.notes (body);", "drop index concurrently public.a;"),
        (
            "create policy p on public.notes for select using (true);",
            "drop policy p on public.notes;",
        ),
    ],
)
def test_a_down_part_that_takes_everything_back_is_no_finding(pg_databases: Databases, up: str, down: str) -> None:
    assert told(pg_databases, up, down) == []


def test_what_stays_is_named(pg_databases: Databases) -> None:
    found = told(
        pg_databases,
        "create table public.tags (id int primary key); create type public.mood as enum ('a');",
        "drop table public.tags; alter type public.mood add value 'b';",
    )
    assert [severity for severity, _ in found] == ["error", "error"]
    assert "after its down part, the schema is not what it was" in found[0][1]
    assert "public.mood" in found[0][1]
    assert "after its down part it cannot go up again" in found[1][1]


def test_a_policy_that_is_not_made_again_is_named(pg_databases: Databases) -> None:
    ((severity, observed),) = told(pg_databases, "alter table public.notes enable row level security;", "select 1;")
    assert severity == "error"
    assert "public.notes" in observed


def test_a_down_part_that_fails_on_rows_is_an_error(pg_databases: Databases) -> None:
    up = "alter table public.notes drop body;"
    ((severity, observed),) = told(pg_databases, up, "alter table public.notes add body text not null;")
    assert severity == "error"
    assert "its down part fails: 2_x.sql:1: " in observed
    assert "contains null values" in observed


def test_rows_that_are_lost_on_the_way_are_a_warning(pg_databases: Databases) -> None:
    found = told(pg_databases, "delete from public.notes;", "select 1;")
    assert [severity for severity, _ in found] == ["warning"]
    assert "lose rows of public.notes" in found[0][1]


def test_a_migration_that_fails_on_rows_is_not_judged(pg_databases: Databases) -> None:
    up = "alter table public.notes add title text not null;"
    done = rollback.check(pg_databases, (), [script(1, BASE, None), script(2, up, "select 1;")], None)
    assert "it fails on rows" in done.unjudged["2_x.sql"]


def project(folder: Path, down: str, configured: str = "") -> Path:
    marked = f"-- migrate:up\n{BASE}\n\n-- migrate:down\n{down}\n"
    reading.write(folder, {"migrations/1_a.sql": marked, "migrations/2_b.sql": "-- migrate:up\nselect 1;\n"})
    return reading.write(folder, {"pgassay.toml": f"[tool.pgassay]\n{configured}"})


def test_the_command_tells_what_it_found_and_which_have_no_down_part(tmp_path: Path) -> None:
    done = run("rollback", ".", "--pg", "embedded", cwd=project(tmp_path, "drop table public.notes;"))
    assert done.returncode == 0, done.stderr
    assert "2_b.sql:2: warning: it has no down part  [migration-rollback]" in done.stdout
    done = run("rollback", ".", "--pg", "embedded", cwd=project(tmp_path, "drop table public.nothing;"))
    assert done.returncode == 1
    assert "1_a.sql:5: error: its down part fails" in done.stdout


def test_a_waiver_accepts_it_and_lint_does_not_call_it_unused(tmp_path: Path) -> None:
    waive = '[[tool.pgassay.waive]]\nrule = "migration-rollback"\nobject = "2_b.sql"\nreason = "Nothing is done."\n'
    project(tmp_path, "drop table public.notes;", waive)
    done = run("rollback", ".", "--pg", "embedded", cwd=tmp_path)
    assert "0 errors, 0 warnings, 1 waived" in done.stdout
    assert "unused-waiver" not in run("lint", ".", "--pg", "embedded", cwd=tmp_path).stdout


def test_migrations_without_any_down_part_are_not_called_fine(tmp_path: Path) -> None:
    reading.write(tmp_path, {"migrations/1_a.sql": BASE})
    done = run("rollback", ".", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 2
    assert "None of the 1 migrations" in done.stderr


def test_lint_tries_down_parts_and_says_nothing_else_of_their_text(tmp_path: Path) -> None:
    project(tmp_path, "drop table public.notes cascade;")
    said = run("lint", ".", "--pg", "embedded", "--verbose", cwd=tmp_path).stdout
    assert "migration-rollback" not in said
    assert "squawk-ban-drop-table" not in said
    project(tmp_path, "drop table public.nothing;")
    done = run("lint", ".", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 1
    assert "1_a.sql:5: error: its down part fails" in done.stdout
