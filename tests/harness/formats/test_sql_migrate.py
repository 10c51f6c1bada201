"""sql-migrate: its up parts are applied by number, and its down parts are not."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_up_parts_are_applied_and_the_down_parts_are_not(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "sql-migrate")
    assert reading.names(found) == ["1_people.sql", "2_function.sql", "10_more.sql"]
    assert [script.in_transaction for script in found.migrations] == [True, True, False]
    assert not any("DROP" in script.sql for script in found.migrations)


def test_a_file_without_a_marker_is_refused(tmp_path: Path) -> None:
    files = {"1_a.sql": "-- +migrate Up\nselect 1;\n", "2_b.sql": "select 1;\n"}
    assert "2_b.sql has no line -- +migrate Up" in reading.refusal(reading.write(tmp_path, files))
    assert migrations.discover(tmp_path, "supabase").format == "supabase"
