"""golang-migrate: pairs of files, of which the first is applied, by number."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_up_files_are_applied_and_the_down_files_are_not(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "golang-migrate")
    assert reading.names(found) == ["000001_create_users.up.sql", "000002_add_mood.up.sql"]
    assert [script.down and script.down.name for script in found.migrations] == [
        "000001_create_users.down.sql",
        "000002_add_mood.down.sql",
    ]
    assert not found.skipped


def test_versions_are_numbers_and_a_down_file_alone_is_told(tmp_path: Path) -> None:
    files = dict.fromkeys(["10_b.up.sql", "9_a.up.sql", "8_c.down.sql", "seed.sql"], "select 1;")
    found = migrations.discover(reading.write(tmp_path, files))
    assert reading.names(found) == ["9_a.up.sql", "10_b.up.sql"]
    assert sorted(found.skipped) == ["8_c.down.sql", "seed.sql"]
