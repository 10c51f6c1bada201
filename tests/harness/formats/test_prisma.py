"""Prisma: a folder for each migration."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_folders_are_applied_by_name(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "prisma")
    assert reading.names(found) == [
        "20210313140442_init/migration.sql",
        "20210313140500_added_job_title/migration.sql",
    ]
    assert [script.version for script in found.migrations] == ["20210313140442", "20210313140500"]
    assert [script.down is not None for script in found.migrations] == [False, True]


def test_another_database_is_refused(tmp_path: Path) -> None:
    files = {"migration_lock.toml": 'provider = "mysql"\n', "1_a/migration.sql": "select 1;"}
    assert "for mysql" in reading.refusal(reading.write(tmp_path, files))


def test_files_beside_the_folders_are_passed_over(tmp_path: Path) -> None:
    files = {"1_a/migration.sql": "select 1;", "2_b.sql": "select 1;"}
    found = migrations.discover(reading.write(tmp_path, files))
    assert (found.format, list(found.skipped)) == ("prisma", ["2_b.sql"])
