"""Drizzle: the journal says which files there are, and in which order."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_files_of_the_journal_are_applied_in_its_order(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "drizzle")
    assert reading.names(found) == ["0000_init.sql", "0001_again.sql"]
    assert found.skipped == {"0001_left.sql": "meta/_journal.json does not name it."}


def test_a_journal_that_is_none_or_names_what_is_not_there_is_refused(tmp_path: Path) -> None:
    reading.write(tmp_path, {"meta/_journal.json": '{"entries": [{"idx": 0, "tag": "0000_a"}]}'})
    assert "names 0000_a.sql, which is not there" in reading.refusal(tmp_path)
    for journal in ("{", "[]", '{"entries": [1]}', '{"entries": null}'):
        reading.write(tmp_path, {"meta/_journal.json": journal})
        assert "is no journal of Drizzle" in reading.refusal(tmp_path)
    reading.write(tmp_path, {"meta/_journal.json": '{"dialect": "sqlite", "entries": []}'})
    assert "for sqlite" in reading.refusal(tmp_path)


def test_folders_with_a_snapshot_are_drizzles_too(tmp_path: Path) -> None:
    reading.write(tmp_path, {"1_a/migration.sql": "select 1;", "1_a/snapshot.json": "{}"})
    assert migrations.discover(tmp_path).format == "drizzle"
