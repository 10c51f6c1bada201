"""Migrations: which files are taken, in which order, and what an author is told of one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgassay import Clone, MigrationError, Session, migrations
from pgassay.identity import Databases
from pgassay.migrations import Applied, Script
from pgassay.servers import Server
from tests.jobs.cast import one

FILE = Path("/project/migrations/20250101000000_a.sql")
OBJECTS = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"


def script(text: str) -> Script:
    return Script(FILE, FILE.name, text)


def apply(clone: Clone, text: str) -> Applied:
    with clone.connect() as owner:
        return migrations.apply(owner, script(text))


def refusal(clone: Clone, text: str) -> MigrationError:
    """The error with which the migration ``text`` fails, after a look that nothing of it is left."""
    with clone.connect() as witness:
        before = one(witness, OBJECTS)
        with pytest.raises(MigrationError) as caught:
            apply(clone, text)
        assert one(witness, OBJECTS) == before
    return caught.value


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("select 1;")


def test_migrations_are_sorted_by_version(tmp_path: Path) -> None:
    """As text, as the Supabase CLI sorts them: 10 comes before 9."""
    write(tmp_path, "9_c.sql", "10_b.sql", "20250101000000_a.sql", "08_.sql")
    found = migrations.discover(tmp_path)
    assert [migration.name for migration in found.migrations] == [
        "08_.sql",
        "10_b.sql",
        "20250101000000_a.sql",
        "9_c.sql",
    ]
    assert [migration.version for migration in found.migrations] == ["08", "10", "20250101000000", "9"]


@pytest.mark.parametrize(
    "names",
    [
        ["1_a.sql", "10_b.sql", "2_c.sql"],
        ["20260420_b.sql", "20260420010000_c.sql", "20260420020000_d.sql"],
        ["001_z.sql", "0010_a.sql", "002_m.sql"],
    ],
)
def test_a_version_that_another_one_begins_with_comes_first(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path, *names)
    assert [migration.name for migration in migrations.discover(tmp_path).migrations] == names


def test_each_statement_of_a_long_file_has_its_line() -> None:
    text = "\n".join(f"insert into public.a values ({number}, 'größe');" for number in range(40_000))
    assert [statement.line for statement in migrations.split(text)] == list(range(1, 40_001))


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("  insert into a values (1)", "insert"),
        ("-- update\n/* drop /* nested */ still */ Delete from a", "delete"),
        ("/* never closed", ""),
        ("(select 1)", ""),
        ("", ""),
    ],
)
def test_the_verb_of_a_statement_is_its_first_word(text: str, verb: str) -> None:
    assert migrations.Statement(text, 1).verb == verb


def test_of_many_rows_the_one_that_fails_is_named_and_none_stays(clone: Clone) -> None:
    rows = "".join(f"insert into public.a values ({number});\n" for number in range(500))
    said = refusal(
        clone, f"create table public.a (id int primary key);\n{rows}insert into public.a values (7);\n"
    ).message
    assert f"{FILE}:502: " in said
    assert "Key (id)=(7) already exists" in said


def test_many_rows_are_all_there_and_each_has_its_own_snapshot(clone: Clone) -> None:
    rows = "".join("insert into public.a select count(*) from public.a; -- one more\n" for _ in range(450))
    apply(clone, f"create table public.a (id int primary key);\n{rows}delete from public.a where id = 449;")
    with clone.connect() as owner:
        assert owner.execute("select count(*), max(id) from public.a").fetchone() == (449, 448)


def test_a_file_that_the_supabase_cli_would_not_take_is_passed_over_and_reported(tmp_path: Path) -> None:
    write(tmp_path, "1_a.sql", "20250101-dashed.sql", "seed.sql", "v2_b.sql", "3.sql", "README.md")
    (tmp_path / "2_folder.sql").mkdir()
    found = migrations.discover(tmp_path)
    assert [migration.name for migration in found.migrations] == ["1_a.sql"]
    assert list(found.skipped) == ["20250101-dashed.sql", "3.sql", "seed.sql", "v2_b.sql"]


def test_two_files_of_one_version_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, "1_a.sql", "1_b.sql")
    with pytest.raises(MigrationError, match=r"have the version 1: 1_a\.sql and 1_b\.sql"):
        migrations.discover(tmp_path)


def test_a_folder_without_migrations_is_an_error_that_names_what_was_passed_over(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="There are no migrations in "):
        migrations.discover(tmp_path)
    write(tmp_path, "notes.sql")
    with pytest.raises(MigrationError, match=r"it has notes\.sql"):
        migrations.discover(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"select 'caf\xe9';", "is not UTF-8"), (b"select '\0';", "NUL byte"), ("select 1;".encode("utf-16"), "UTF-8")],
    ids=["Latin-1", "NUL", "UTF-16"],
)
def test_a_file_that_is_no_utf_8_text_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "1_a.sql").write_bytes(content)
    with pytest.raises(MigrationError, match=rf"1_a\.sql.*{said}"):
        migrations.discover(tmp_path)


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_bytes(b"\xef\xbb\xbfselect 1;")
    assert migrations.discover(tmp_path).migrations[0].sql == "select 1;"


def test_files_that_go_in_before_the_migrations_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    write(tmp_path, "other.sql")
    write(tmp_path / "host", "b.sql", "a.sql")
    found = migrations.scripts([tmp_path / "host", tmp_path / "other.sql"])
    assert [file.name for file in found] == ["a.sql", "b.sql", "other.sql"]


def test_a_syntax_error_is_shown_with_file_line_statement_and_postgresqls_words(clone: Clone) -> None:
    said = refusal(
        clone,
        "-- größer und schöner\ncreate table public.a (id int);\n\n"
        "create table public.b (\n    id int,\n    größe intt2 nulll\n);\n",
    ).message
    assert f"{FILE}:6: " in said
    assert "größe intt2 nulll" in said
    assert "create table public.b" in said
    assert 'syntax error at or near "nulll"' in said
    assert "42601" in said


def test_an_error_in_the_middle_of_a_file_is_shown_at_its_line(clone: Clone) -> None:
    said = refusal(
        clone,
        "create table public.a (id int primary key);\n"
        "insert into public.a values (1);\n"
        "-- the same again; it cannot be\n"
        "insert into public.a values (1);\n"
        "create table public.c (id int);\n",
    ).message
    assert f"{FILE}:4: " in said
    assert "insert into public.a values (1)" in said
    assert "create table public.c" not in said
    assert 'duplicate key value violates unique constraint "a_pkey"' in said
    assert "Key (id)=(1) already exists." in said
    assert "23505" in said


def test_an_error_inside_a_do_block_is_shown_with_its_context(clone: Clone) -> None:
    said = refusal(
        clone,
        "create table public.a (id int);\n\n/* a block */\ndo $$\nbegin\n    perform 1;\n"
        "    raise exception 'no; not so' using hint = 'Try otherwise.', errcode = 'P0042';\nend\n$$;\nselect 1;\n",
    ).message
    assert f"{FILE}:4: " in said
    assert "raise exception 'no; not so'" in said
    assert "no; not so (SQLSTATE P0042)" in said
    assert "HINT: Try otherwise." in said
    assert "inline_code_block line 4 at RAISE" in said


def test_a_long_statement_is_shown_around_the_line_of_the_error(clone: Clone) -> None:
    columns = "".join(f"    column_{number} int,\n" for number in range(100))
    said = refusal(clone, f"create table public.a (\n{columns}    wrong nosuchtype\n);").message
    assert f"{FILE}:102: " in said
    assert "wrong nosuchtype" in said
    assert "column_0 int" not in said
    assert 'type "nosuchtype" does not exist' in said


@pytest.mark.parametrize(
    "statement",
    ["create index concurrently a_id on public.a (id)", "vacuum public.a", "reindex table concurrently public.a"],
)
def test_what_postgresql_refuses_in_a_transaction_applies_in_autocommit(clone: Clone, statement: str) -> None:
    applied = apply(clone, f"create table public.a (id int);\n{statement};\ncreate table public.b (id int);\n")
    assert applied.autocommit
    with clone.connect() as owner:
        assert one(owner, "select to_regclass('public.b') is not null")


def test_a_file_that_begins_and_commits_by_itself_applies_in_autocommit(clone: Clone) -> None:
    applied = apply(
        clone,
        "-- two of them\nBEGIN;\ncreate table public.a (id int);\nCOMMIT;\n"
        "start transaction isolation level serializable;\ncreate table public.b (id int);\nend;\n",
    )
    assert applied.autocommit
    with clone.connect() as owner:
        assert one(owner, "select count(*) from pg_class where relname in ('a', 'b')") == 2


def test_a_file_that_begins_and_does_not_end_is_an_error(clone: Clone) -> None:
    assert (
        "begins a transaction and does not end it"
        in refusal(clone, "begin;\ncreate table public.a (id int);\n").message
    )


def test_a_file_in_one_transaction_says_so(clone: Clone) -> None:
    assert not apply(clone, "create table public.a (id int);").autocommit


@pytest.mark.parametrize("text", ["", "\n\n", "-- nothing; yet\n", "/* begin; */", ";;", "select 1"])
def test_a_file_with_little_in_it_applies(clone: Clone, text: str) -> None:
    assert not apply(clone, text).autocommit


def test_settings_of_one_file_do_not_reach_the_next(clone: Clone) -> None:
    with clone.connect() as owner:
        before = one(owner, "show search_path")
        migrations.apply(owner, script("select pg_catalog.set_config('search_path', '', false);"))
        assert one(owner, "show search_path") == before


def test_an_extension_that_is_not_there_comes_with_where_to_get_it(clone: Clone) -> None:
    error = refusal(clone, "create extension timescale_of_nowhere;")
    assert 'extension "timescale_of_nowhere" is not available' in error.message
    assert error.hint is not None
    assert "timescale_of_nowhere" in error.hint
    assert "--pg system" in error.hint
    assert "--pg container" in error.hint


@pytest.mark.parametrize(
    "text", ["\\i other.sql\n", "create table public.a (id int);\n\\echo done\n", "\\set ON_ERROR_STOP on\nselect 1;\n"]
)
def test_a_command_of_psql_comes_with_who_refuses_it(clone: Clone, text: str) -> None:
    error = refusal(clone, text)
    assert "syntax error" in error.message
    assert error.hint is not None
    assert "psql" in error.hint


def test_dollar_quotes_bodies_and_comments_are_not_cut_at_their_semicolons(clone: Clone) -> None:
    applied = apply(
        clone,
        """
        -- a comment; with a semicolon, and $$ a quote
        create table public.a (id int, note text default 'one; two'); /* begin; /* nested; */ commit; */
        create function public.f() returns int language plpgsql as $body$
        begin
            -- begin; commit;
            return length($$;$$);
        end;
        $body$;
        create function public.g(x int) returns int language sql
        begin atomic
            insert into public.a values (x);
            select count(*)::int from public.a;
        end;
        comment on table public."a" is E'it''s \\'fine\\'; 100% so: %s %(name)s';
        create rule r as on delete to public.a do instead (select 1; select 2);
        """,
    )
    assert not applied.autocommit
    with clone.connect() as owner:
        assert one(owner, "select public.f() + public.g(1)") == 2
        assert one(owner, "select obj_description('public.a'::regclass)") == "it's 'fine'; 100% so: %s %(name)s"


def test_the_newest_syntax_of_the_server_applies(clone: Clone, pg_server: Server) -> None:
    if pg_server.version >= 180000:
        text = (
            "create table public.a (id int primary key, twice int generated always as (id * 2) virtual);\n"
            "create table public.b (a_id int constraint a_there references public.a not enforced);\n"
            "alter table public.b add constraint a_set not null a_id not valid;\n"
        )
    else:
        text = (
            "create table public.a (id int unique nulls not distinct, twice int generated always as (id * 2) stored);\n"
            "create view public.b with (security_invoker = true) as select * from public.a;\n"
            "merge into public.a using (values (1)) as v (x) on id = x when not matched then insert values (x);\n"
        )
    assert not apply(clone, text).autocommit
    with clone.connect() as owner:
        assert one(owner, "select to_regclass('public.b') is not null")


def test_a_statement_that_the_parser_does_not_know_is_judged_by_the_server(clone: Clone) -> None:
    error = refusal(clone, "create table public.a (id int);\n\nfrobnicate table public.a;\n")
    assert f"{FILE}:3: " in error.message
    assert 'syntax error at or near "frobnicate"' in error.message


def test_rows_of_a_dump_between_copy_and_its_end_are_answered_with_a_sentence(clone: Clone) -> None:
    """psql's ``copy … from stdin`` cannot be in a migration: neither can `supabase db push` take it."""
    error = refusal(clone, "create table public.a (id int);\ncopy public.a (id) from stdin;\n1\n2\n\\.\n")
    assert f"{FILE}:" in error.message


@pytest.mark.parametrize("statement", ["copy public.a (id) from stdin", "copy public.a (id) to stdout"])
def test_a_copy_is_answered_for_those_who_write_sql_and_not_for_those_who_write_python(
    clone: Clone, statement: str
) -> None:
    error = refusal(clone, f"create table public.a (id int);\n{statement};\n")
    assert f"{FILE}:2: " in error.message
    assert statement in error.message
    assert "use copy()" not in str(error)


def test_a_refused_migration_ends_the_build_of_the_template(pg_databases: Databases) -> None:
    scripts = (script("create table public.a (id int);"), script("select 1 / 0;"))
    with pytest.raises(MigrationError, match="division by zero"):
        pg_databases.template((), scripts)


def test_a_migration_cannot_do_what_only_a_superuser_may(clone: Clone) -> None:
    assert "42501" in refusal(clone, "alter system set work_mem = '64MB';\n").message


def test_a_session_is_as_it_was_after_a_migration_in_autocommit(clone: Clone) -> None:
    owner: Session = clone.connect()
    migrations.apply(owner, script("begin; set local work_mem = '7MB'; set lock_timeout = '7s'; commit;"))
    assert one(owner, "show lock_timeout") == "0"
