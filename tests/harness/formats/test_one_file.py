"""One file: what pg_dump wrote, with its data."""

from __future__ import annotations

from pathlib import Path

from pgassay import migrations
from pgassay.identity import Databases
from pgassay.migrations.formats import known
from pgassay.migrations.listing import Listing
from tests.harness.formats import reading


def test_a_dump_is_applied_with_its_data(pg_databases: Databases) -> None:
    assert known()["file"].seen(Listing(reading.HERE / "one_file")) == "schema.sql"
    found = migrations.discover(reading.HERE / "one_file")
    template = pg_databases.template((), found.migrations)
    with pg_databases.copy(template) as clone, clone.connect() as session:
        rows = session.execute("select id, body, tags from public.notes order by id").fetchall()
        assert rows == [(1, "it's a\\b\n\tc", ["x", "y z"]), (2, None, None)]
        assert session.execute("select public.quoted()").fetchone() == (
            "a\nCOPY public.notes (id, body, tags) FROM stdin;\n\\.\n",
        )


def test_lines_keep_their_numbers() -> None:
    (script,) = migrations.discover(reading.HERE / "one_file").migrations
    written = script.path.read_text().split("\n")
    last = migrations.split(script.sql)[-1]
    assert written[last.code_line - 1] == "ALTER TABLE ONLY public.notes"


def test_a_file_may_be_named_itself(tmp_path: Path) -> None:
    reading.write(tmp_path, {"any.sql": "select 1;", "other.sql": "select 1;"})
    found = migrations.discover(tmp_path / "any.sql")
    assert (found.format, reading.names(found)) == ("file", ["any.sql"])
    assert "any.sql, other.sql" in reading.refusal(tmp_path)


def test_a_migration_of_supabase_that_is_a_dump_stays_one(tmp_path: Path) -> None:
    reading.write(tmp_path, {"1_remote_schema.sql": "--\n-- PostgreSQL database dump\n--\nselect 1;"})
    assert migrations.discover(tmp_path).format == "supabase"


def test_data_without_an_end_or_in_another_format_are_refused(tmp_path: Path) -> None:
    reading.write(tmp_path, {"schema.sql": "select 1;\nCOPY a (b) FROM stdin;\n1\n"})
    assert "schema.sql:2: the data of this COPY have no end" in reading.refusal(tmp_path)
    reading.write(tmp_path, {"schema.sql": "COPY a (b) FROM stdin WITH (FORMAT csv);\n1\n\\.\n"})
    assert "schema.sql:1: the data of this COPY are not in its text format" in reading.refusal(tmp_path)
