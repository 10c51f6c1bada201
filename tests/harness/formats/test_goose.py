"""goose: its up parts are applied by number, and its down parts are not."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_up_parts_are_applied_and_the_down_parts_are_not(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "goose")
    assert reading.names(found) == ["00001_create_post.sql", "00002_histories.sql", "00003_index.sql"]
    assert [script.in_transaction for script in found.migrations] == [True, True, False]
    assert not any("DROP" in script.sql for script in found.migrations)
    assert all(script.down is not None and "DROP" in script.down.sql for script in found.migrations)


def test_versions_are_numbers(tmp_path: Path) -> None:
    text = "-- +goose Up\nselect 1;\n"
    found = migrations.discover(reading.write(tmp_path, {"10_b.sql": text, "9_a.sql": text, "other.sql": text}))
    assert reading.names(found) == ["9_a.sql", "10_b.sql"]
    assert list(found.skipped) == ["other.sql"]
    reading.write(tmp_path, {"09_c.sql": text})
    assert "have the version" in reading.refusal(tmp_path)


def test_a_migration_in_go_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    text = "-- +goose Up\nselect 1;\n"
    assert 'migrate = "goose up"' in reading.refusal(reading.write(tmp_path, {"1_a.sql": text, "2_b.go": "package x"}))


def test_values_of_the_environment_are_not_guessed(tmp_path: Path) -> None:
    text = "-- +goose ENVSUB ON\n-- +goose Up\nselect '${REGION}';\n"
    assert "ENVSUB" in reading.refusal(reading.write(tmp_path, {"1_a.sql": text}))
