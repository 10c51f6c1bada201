"""Atlas: the files that atlas.sum names, from the last checkpoint on."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from tests.harness.formats import reading


def test_the_files_are_applied_and_of_an_archive_the_migration(pg_databases: Databases) -> None:
    found = reading.applied(pg_databases, "atlas")
    assert reading.names(found) == [
        "20220811074144_initial.sql",
        "20220811074314_add_col.sql",
        "20220811080000_archive.sql",
    ]
    assert [script.in_transaction for script in found.migrations] == [True, False, True]
    assert "DROP" not in found.migrations[2].sql
    assert found.migrations[2].down is not None


def test_files_and_sums_have_to_name_each_other(tmp_path: Path) -> None:
    reading.write(tmp_path, {"atlas.sum": "h1:x\n1_a.sql h1:x\n", "1_a.sql": "select 1;", "2_b.sql": "select 1;"})
    assert "atlas.sum does not name 2_b.sql" in reading.refusal(tmp_path)
    reading.write(tmp_path, {"atlas.sum": "h1:x\n1_a.sql h1:x\n2_b.sql h1:x\n3_c.sql h1:x\n"})
    assert "names, without a file, 3_c.sql" in reading.refusal(tmp_path)


def test_a_checkpoint_stands_for_what_comes_before_it(tmp_path: Path) -> None:
    reading.write(
        tmp_path, {"1_a.sql": "select 1;", "2_b.sql": "-- atlas:checkpoint\nselect 2;", "3_c.sql": "select 3;"}
    )
    reading.write(tmp_path, {"atlas.sum": "h1:x\n1_a.sql h1:x\n2_b.sql h1:x\n3_c.sql h1:x\n"})
    found = migrations.discover(tmp_path)
    assert reading.names(found) == ["2_b.sql", "3_c.sql"]
    assert list(found.skipped) == ["1_a.sql"]
