"""Flyway: versions are numbers in parts, repeatable files come last, placeholders have values."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_example_is_applied_in_flyways_order(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "flyway")
    assert reading.names(found) == [
        "V1__Create_person_table.sql",
        "V1_2__Add_people.sql",
        "V1_10__More.sql",
        "V2__Index.sql",
        "R__People_view.sql",
    ]
    assert [script.in_transaction for script in found.migrations] == [True, True, True, False, True]
    assert "public.person" in found.migrations[0].sql
    assert found.migrations[2].down is not None
    assert found.migrations[2].down.name == "U1_10__More.sql"


def test_a_placeholder_without_a_value_is_refused(tmp_path: Path) -> None:
    said = reading.refusal(reading.write(tmp_path, {"V1__a.sql": "select '${nobody}';"}))
    assert "${nobody}, which has no value" in said
    reading.write(tmp_path, {"flyway.conf": "flyway.placeholders.nobody=somebody\n"})
    assert migrations.discover(tmp_path).migrations[0].sql == "select 'somebody';"


def test_a_baseline_stands_for_what_comes_before_it(tmp_path: Path) -> None:
    files = dict.fromkeys(["V1__a.sql", "B2__base.sql", "V2__b.sql", "V3.0__c.sql"], "select 1;")
    found = migrations.discover(reading.write(tmp_path, files))
    assert reading.names(found) == ["B2__base.sql", "V3.0__c.sql"]
    assert sorted(found.skipped) == ["V1__a.sql", "V2__b.sql"]


def test_one_version_in_two_spellings_is_refused(tmp_path: Path) -> None:
    files = dict.fromkeys(["V1__a.sql", "more/V1.0__b.sql"], "select 1;")
    assert "have the version 1" in reading.refusal(reading.write(tmp_path, files))


def test_a_migration_in_java_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    files = dict.fromkeys(["V1__a.sql", "V2__b.java"], "select 1;")
    assert "V2__b.java" in reading.refusal(reading.write(tmp_path, files))
