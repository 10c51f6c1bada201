"""dbmate: its up parts are applied by name, and its down parts are not."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_up_parts_are_applied_and_the_down_parts_are_not(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "dbmate")
    assert reading.names(found) == ["20151127184807_create_users.sql", "20200101000000_index.sql"]
    assert [script.version for script in found.migrations] == ["20151127184807", "20200101000000"]
    assert [script.in_transaction for script in found.migrations] == [True, False]
    first = found.migrations[0]
    assert "drop" not in first.sql
    assert first.sql.split("\n")[1] == "create table users ("
    assert first.down is not None
    assert first.down.sql.split("\n")[8] == "drop table users;"


def test_several_blocks_of_one_file_go_together(tmp_path: Path) -> None:
    text = "-- migrate:up\nselect 1;\n-- migrate:down\nselect 2;\n-- migrate:up\nselect 3;\n"
    (script,) = migrations.discover(reading.write(tmp_path, {"1_a.sql": text})).migrations
    assert [statement.text for statement in migrations.split(script.sql)] == [
        "select 1",
        "select 3",
    ]


def test_what_dbmate_refuses_is_refused(tmp_path: Path) -> None:
    reading.write(tmp_path, {"1_a.sql": "-- migrate:up\nselect 1;\n"})
    reading.write(tmp_path, {"2_b.sql": "select 1;\n"})
    assert "2_b.sql has no line -- migrate:up" in reading.refusal(tmp_path)
    reading.write(tmp_path, {"2_b.sql": "select 1;\n-- migrate:up\nselect 2;"})
    assert "2_b.sql has statements before -- migrate:up" in reading.refusal(tmp_path)


def test_files_without_a_number_are_passed_over(tmp_path: Path) -> None:
    text = "-- migrate:up\nselect 1;\n"
    found = migrations.discover(reading.write(tmp_path, {"1_a.sql": text, "seed.sql": text}))
    assert list(found.skipped) == ["seed.sql"]
