"""Sqitch: the plan says the order, revert scripts take back, verify scripts are checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgassay import MigrationError, migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_changes_are_applied_in_the_plans_order(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "sqitch")
    assert reading.names(found) == [
        "deploy/appschema.sql",
        "deploy/users.sql",
        "deploy/insert_user@v1.0.0-dev1.sql",
        "deploy/insert_user.sql",
    ]
    assert [script.verify is not None for script in found.migrations] == [True, True, False, False]
    assert [script.down.name for script in found.migrations if script.down] == [
        "revert/appschema.sql",
        "revert/users.sql",
        "revert/insert_user@v1.0.0-dev1.sql",
        "revert/insert_user.sql",
    ]


def project(folder: Path, verify: str) -> Path:
    return reading.write(
        folder,
        {
            "sqitch.plan": "%project=x\n\na 2020-01-01T00:00:00Z A <a@example.com> # a\n",
            "deploy/a.sql": "begin; create table public.a (id int); commit;",
            "verify/a.sql": verify,
        },
    )


def test_a_verify_script_that_fails_is_an_error_and_what_it_writes_is_undone(
    tmp_path: Path, pg_databases: Databases
) -> None:
    written = migrations.discover(project(tmp_path, "begin; insert into public.a values (1); rollback;"))
    with pg_databases.copy(pg_databases.template((), written.migrations)) as clone, clone.connect() as session:
        assert session.execute("select count(*) from public.a").fetchone() == (0,)
    failing = migrations.discover(project(tmp_path, "select nothing from public.a;"))
    with pytest.raises(MigrationError, match=r"verify/a\.sql:1: "):
        pg_databases.template((), failing.migrations)


def test_a_change_without_a_script_is_named(tmp_path: Path) -> None:
    reading.write(tmp_path, {"sqitch.plan": "%project=x\n\na 2020-01-01T00:00:00Z A <a@example.com> # a\n"})
    assert "names the change a" in reading.refusal(tmp_path)
    reading.write(tmp_path, {"sqitch.plan": "%project=x\n"})
    assert "names no changes" in reading.refusal(tmp_path)


def test_scripts_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    reading.write(tmp_path, {"sqitch.conf": "[core]\n\tengine = pg\n\ttop_dir = migrations\n"})
    reading.write(tmp_path, {"sqitch.plan": "%project=x\n\na 2020-01-01T00:00:00Z A <a@example.com> # a\n"})
    reading.write(tmp_path, {"migrations/deploy/a.sql": "select 1;", "migrations/deploy/b.sql": "select 1;"})
    found = migrations.discover(tmp_path)
    assert reading.names(found) == ["deploy/a.sql"]
    assert list(found.skipped) == ["deploy/b.sql"]
