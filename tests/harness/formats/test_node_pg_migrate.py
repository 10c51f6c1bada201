"""node-pg-migrate: its up parts are applied by time, and its down parts are not."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_up_parts_are_applied_by_time(pg_databases: Databases) -> None:
    """A time written out, of 17 digits, is later than milliseconds that say an earlier one."""
    found = reading.applied(pg_databases, "node-pg-migrate")
    assert reading.names(found) == ["1700000000000_create-users.sql", "20231201000000000_posts.sql"]
    assert not any("DROP" in script.sql for script in found.migrations)
    assert all(script.down is not None for script in found.migrations)


def test_a_file_without_markers_is_an_up_part(tmp_path: Path) -> None:
    files = {"1_a.sql": "-- Up Migration\nselect 1;\n", "2_b.sql": "select 2;\n"}
    second = migrations.discover(reading.write(tmp_path, files)).migrations[1]
    assert (second.sql, second.down) == ("select 2;\n", None)


def test_a_down_part_alone_is_refused(tmp_path: Path) -> None:
    assert "no line -- Up Migration" in reading.refusal(
        reading.write(tmp_path, {"1_a.sql": "select 1;\n-- Down Migration\nselect 2;\n"})
    )


def test_a_migration_in_javascript_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    files = {"1_a.sql": "-- Up Migration\nselect 1;\n", "2_b.js": "exports.up = pgm => {}"}
    assert "2_b.js" in reading.refusal(reading.write(tmp_path, files))
