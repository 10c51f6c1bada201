"""One file: what pg_dump wrote, with its data."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pgassay import migrations
from pgassay.checks import snapshot
from pgassay.checks.snapshot import grading
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.migrations.formats import known
from pgassay.migrations.listing import Listing
from tests import needs
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


def test_what_pg_dump_writes_makes_the_same_schema_with_the_same_rows(pg_databases: Databases, tmp_path: Path) -> None:
    schema = """
        create type public.mood as enum ('good', 'it''s');
        create table public.a (id int generated always as identity primary key, t text, j jsonb, m public.mood,
            b bytea);
        create table public.b (a_id int references public.a (id), at timestamptz, n numeric[], twice int generated
            always as (a_id * 2) stored);
        alter table public.b enable row level security;
        create policy p on public.b for select to authenticated using (a_id > 1);
        insert into public.a (t, j, m, b) values
            (e'tab\\t, line\\n, back\\\\slash, \\\\N', '{"a": "\\\\\\\\ \\""}', 'it''s', '\\x00ff'),
            (null, null, 'good', ''), ('', '[]', null, null);
        insert into public.b values (1, '2025-01-01 00:00:00+00', '{1.5,NULL}'), (3, null, null);
    """
    origin = pg_databases.template((), (Script(Path("1_a.sql"), "1_a.sql", schema),))
    with pg_databases.copy(origin) as clone:
        program = needs.tools(pg_databases.server) / "pg_dump"
        words = [str(program), clone.server.url(clone.name), "-n", "public", "-f", str(tmp_path / "schema.sql")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    written = (tmp_path / "schema.sql").read_text()
    assert "COPY public.a" in written
    restored = pg_databases.template((), migrations.discover(tmp_path).migrations)
    states = [snapshot.read_template(pg_databases, template) for template in (origin, restored)]
    assert grading.compare(*states) == []
    rows = []
    for template in (origin, restored):
        with pg_databases.copy(template) as clone, clone.connect() as session:
            rows.append([session.execute(f"table public.{name} order by 1".encode()).fetchall() for name in "ab"])
    assert rows[0] == rows[1]
    assert [len(found) for found in rows[0]] == [3, 2]
