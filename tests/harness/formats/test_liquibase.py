"""Liquibase: a changeset is a migration, and its rollback is never run."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_changesets_are_applied_and_their_rollbacks_are_not(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "liquibase")
    assert [script.version for script in found.migrations] == ["nvoxland:1", "nvoxland:2", "your.name:4"]
    assert [script.in_transaction for script in found.migrations] == [True, True, False]
    assert list(found.skipped) == ["example-changelog.sql: nvoxland:3"]
    first, second, last = found.migrations
    assert "drop" not in first.sql
    assert first.down is not None
    assert migrations.split(first.down.sql)[0].line == 8
    assert second.down is None
    assert last.down is not None
    assert migrations.split(last.down.sql)[0].text == "drop index\ntest1_name"
    assert "never" not in last.sql


def test_what_says_the_order_elsewhere_is_not_passed_over(tmp_path: Path) -> None:
    files = {"a.sql": "--liquibase formatted sql\n--changeset a:1\nselect 1;", "changelog.xml": "<x/>"}
    assert "liquibase update" in reading.refusal(reading.write(tmp_path, files))


def test_another_delimiter_is_refused(tmp_path: Path) -> None:
    text = "--liquibase formatted sql\n--changeset a:1 endDelimiter:/\nselect 1\n/\n"
    assert "a.sql:2: the changeset a:1 ends its statements by /" in reading.refusal(
        reading.write(tmp_path, {"a.sql": text})
    )
