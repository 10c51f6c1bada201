"""Supabase: the format that is left where nothing else is seen."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_files_are_applied_by_version(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "supabase")
    assert reading.names(found) == ["20250101000000_a.sql", "20250102000000_b.sql"]


def test_marks_of_another_tool_come_before_names(tmp_path: Path) -> None:
    reading.write(tmp_path, {"1_a.sql": "select 1;"})
    assert migrations.discover(tmp_path).format == "supabase"
    reading.write(tmp_path, {"1_a.sql": "-- migrate:up\nselect 1;"})
    assert migrations.discover(tmp_path).format == "dbmate"
