"""`pgassay apply`: what it applies to a database that is not ours, what it refuses, and what it writes down."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pgassay import Clone, MigrationError, ledger, migrations
from pgassay.errors import ConfigError, Unavailable
from pgassay.identity import Databases
from pgassay.migrations import Folder
from tests.harness import command
from tests.jobs.cast import one

ROOT = Path(__file__).parents[2]
LEDGER = "select version, name, statements from supabase_migrations.schema_migrations order by version"
Write = Callable[..., Folder]


@pytest.fixture
def target(pg_databases: Databases) -> Iterator[Clone]:
    """A database as Supabase hands it out."""
    with pg_databases.copy(pg_databases.template((), ())) as clone:
        yield clone


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write migrations ``_<version>_<name>="…"`` into a folder, and read it."""

    def write(**files: str | None) -> Folder:
        for name, text in files.items():
            file = tmp_path / f"{name.lstrip('_')}.sql"
            if text is None:
                file.unlink()
            else:
                file.write_text(text, newline="")
        return migrations.discover(tmp_path)

    return write


def apply(target: Clone, folder: Folder, *, include_all: bool = False) -> list[str]:
    """The names of the migrations that were applied."""
    with ledger.connect(target.url) as connection:
        todo = ledger.apply(connection, folder, include_all=include_all)
        return [script.name for script in todo.pending]


def refusal(target: Clone, folder: Folder, *, include_all: bool = False) -> MigrationError:
    """The error with which it ends, having changed nothing."""
    with target.connect() as db:
        before = db.execute("select count(*), max(oid::bigint) from pg_class").fetchone(), rows(target)
        with pytest.raises(MigrationError) as caught:
            apply(target, folder, include_all=include_all)
        assert (db.execute("select count(*), max(oid::bigint) from pg_class").fetchone(), rows(target)) == before
    return caught.value


def rows(target: Clone) -> list[tuple[str, str, list[str]]]:
    with target.connect() as db:
        if one(db, "select to_regclass('supabase_migrations.schema_migrations')::text") is None:
            return []
        return db.execute(LEDGER).fetchall()


def exists(target: Clone, table: str) -> bool:
    with target.connect() as db:
        return one(db, "select to_regclass(%s) is not null", [table]) is True


def test_what_was_applied_stands_in_the_ledger_and_a_second_run_does_nothing(target: Clone, write: Write) -> None:
    folder = write(_1_a="-- why\ncreate table public.a ();\n", _2_b="create table public.b (); select 1")
    assert apply(target, folder) == ["1_a.sql", "2_b.sql"]
    expected = [("1", "a", ["-- why\ncreate table public.a ()"]), ("2", "b", ["create table public.b ()", "select 1"])]
    assert rows(target) == expected
    assert apply(target, folder) == []
    assert rows(target) == expected


def test_a_dry_run_says_what_would_be_applied_and_makes_not_even_the_ledger(target: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a ();", _2_b="create table public.b ();")
    with ledger.connect(target.url, read_only=True) as connection:
        assert [script.name for script in ledger.plan(connection, folder).pending] == ["1_a.sql", "2_b.sql"]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("create table public.c ()")
    assert not exists(target, "supabase_migrations.schema_migrations")
    assert not exists(target, "public.a")


def test_a_failure_in_the_third_file_leaves_the_first_two_and_nothing_of_the_third(target: Clone, write: Write) -> None:
    folder = write(
        _1_a="create table public.a ();",
        _2_b="create table public.b ();",
        _3_c="create table public.c ();\nselect 1 / 0;",
        _4_d="create table public.d ();",
    )
    with pytest.raises(MigrationError, match=r"3_c\.sql:2: (.|\n)*division by zero"):
        apply(target, folder)
    assert [exists(target, f"public.{name}") for name in "abcd"] == [True, True, False, False]
    assert [version for version, _, _ in rows(target)] == ["1", "2"]
    assert apply(target, write(_3_c="create table public.c ();")) == ["3_c.sql", "4_d.sql"]


def test_what_is_deferred_to_the_commit_and_fails_there_leaves_nothing(target: Clone, write: Write) -> None:
    folder = write(
        _1_a="create table public.a (id int primary key, a int references public.a deferrable initially deferred);\n"
        "insert into public.a values (1, 2);"
    )
    with pytest.raises(MigrationError, match=r"1_a\.sql: PostgreSQL refused the commit:(.|\n)*a_a_fkey"):
        apply(target, folder)
    assert not exists(target, "public.a")
    assert rows(target) == []


def test_a_file_that_cannot_run_in_a_transaction_runs_statement_by_statement_and_that_is_said(
    target: Clone, write: Write
) -> None:
    folder = write(_1_a="create table public.a (id int);\ncreate index concurrently a_by_id on public.a (id);")
    done: list[migrations.Applied] = []
    with ledger.connect(target.url) as connection:
        ledger.apply(connection, folder, on_applied=done.append)
    assert [applied.autocommit for applied in done] == [True]
    assert [version for version, _, _ in rows(target)] == ["1"]


def test_a_failure_in_such_a_file_says_that_what_stands_before_it_stays(target: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a (id int);\ncreate index concurrently a_by_id on public.a (no);")
    with pytest.raises(MigrationError, match="what stands before this statement in it has been applied"):
        apply(target, folder)
    assert exists(target, "public.a")
    assert rows(target) == []


@pytest.mark.parametrize(
    "changed",
    [
        "create table public.a (id int, n int);\ncreate table public.b ();",
        "create table public.a (id int);",
        "create table public.a (id int);\ncreate table public.b (); select 1",
    ],
    ids=["another token", "shorter", "longer"],
)
def test_a_file_that_was_changed_since_it_was_applied_is_refused(target: Clone, write: Write, changed: str) -> None:
    apply(target, write(_1_a="create table public.a (id int);\ncreate table public.b ();"))
    refused = refusal(target, write(_1_a=changed, _2_b="create table public.c ();"))
    assert "1_a.sql was changed since it was applied" in refused.message
    assert not exists(target, "public.c")


def test_the_line_of_a_change_is_named_also_within_the_body_of_a_function(target: Clone, write: Write) -> None:
    body = "-- a\ncreate function public.f() returns int language sql as $$\n    select {}\n$$;\nselect 1;"
    apply(target, write(_1_a=body.format(1)))
    assert "1_a.sql:2: " in refusal(target, write(_1_a=body.format(2))).message
    assert "1_a.sql:6: " in refusal(target, write(_1_a=body.format(1) + "\nselect 2;")).message


def test_comments_layout_and_line_ends_are_no_change(target: Clone, write: Write) -> None:
    apply(target, write(_1_a="create table public.a (id int, t text default E'x\\n;');\nselect 'größe;';"))
    same = (
        "-- größer\r\ncreate table public.a (\r\n  id int, -- so\r\n  t text default E'x\\n;'\r\n);\r\nselect 'größe;'"
    )
    assert apply(target, write(_1_a=same)) == []


def test_a_version_that_the_folder_lacks_is_named(target: Clone, write: Write) -> None:
    apply(target, write(_1_a="create table public.a ();", _2_b="create table public.b ();"))
    refused = refusal(target, write(_1_a=None, _3_c="create table public.c ();"))
    assert refused.message.endswith(": 1.")
    assert refused.hint


def test_a_version_older_than_the_last_applied_one_is_taken_only_when_told(target: Clone, write: Write) -> None:
    apply(target, write(_2_b="create table public.b ();"))
    folder = write(_1_a="create table public.a ();", _3_c="create table public.c ();")
    refused = refusal(target, folder)
    assert "1_a.sql would come after 2_b.sql" in refused.message
    assert "--include-all" in (refused.hint or "")
    assert apply(target, folder, include_all=True) == ["1_a.sql", "3_c.sql"]


def test_a_ledger_without_statements_is_taken_and_completed(target: Clone, write: Write) -> None:
    """As early versions of the Supabase CLI made it, or an operator who had pasted the files."""
    with target.connect() as db:
        db.execute("create schema supabase_migrations")
        db.execute("create table supabase_migrations.schema_migrations (version text not null primary key)")
        db.execute("insert into supabase_migrations.schema_migrations values ('1')")
    folder = write(_1_a="select 1;", _2_b="select 2;")
    with ledger.connect(target.url) as connection:
        todo = ledger.plan(connection, folder)
        assert [script.name for script in todo.unchecked] == ["1_a.sql"]
    assert apply(target, folder) == ["2_b.sql"]
    assert rows(target) == [("1", None, None), ("2", "b", ["select 2"])]


def test_a_migration_that_changes_role_and_path_is_written_down_all_the_same(target: Clone, write: Write) -> None:
    folder = write(
        _1_a="create schema x; create table x.a (); set search_path = x; set role anon; select 1;",
        _2_b="create table public.b ();",
    )
    assert apply(target, folder) == ["1_a.sql", "2_b.sql"]


def test_what_shadows_built_in_functions_does_not_fool_the_ledger(target: Clone, write: Write) -> None:
    with target.connect() as db:
        db.execute("create function public.to_jsonb(anyelement) returns jsonb language sql as 'select null::jsonb'")
        db.execute("create function public.take(jsonb, text) returns jsonb language sql as 'select null::jsonb'")
        db.execute("create operator public.-> (leftarg = jsonb, rightarg = text, function = public.take)")
        db.execute(f'alter database "{target.name}" set search_path = public, pg_catalog')
    apply(target, write(_1_a="select 1;"))
    assert "was changed" in refusal(target, write(_1_a="select 2;")).message


def test_two_at_once_apply_each_migration_once_and_the_second_says_that_it_waits(target: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a ();", _2_b="create table public.b ();")
    waits = threading.Event()
    second: list[ledger.Plan] = []

    def other() -> None:
        with ledger.connect(target.url) as connection:
            second.append(ledger.apply(connection, folder, on_wait=waits.set))

    thread = threading.Thread(target=other)

    def first_is_in(_: migrations.Applied) -> None:
        if not thread.is_alive():
            thread.start()
            assert waits.wait(60)

    with ledger.connect(target.url) as connection:
        first = ledger.apply(connection, folder, on_applied=first_is_in)
    thread.join()
    assert [len(first.pending), len(second[0].pending)] == [2, 0]
    assert len(rows(target)) == 2


def test_the_lock_of_a_run_that_failed_is_free_again(target: Clone, write: Write) -> None:
    with ledger.connect(target.url) as connection, target.connect() as witness:
        with pytest.raises(MigrationError, match="division by zero"):
            ledger.apply(connection, write(_1_a="select 1 / 0;"))
        assert (
            one(
                witness,
                "select count(*) from pg_locks where locktype = 'advisory' and database = "
                "(select oid from pg_database where datname = current_database())",
            )
            == 0
        )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("create table public.a (u uuid default auth.uid());", "Is this the database of a Supabase project?"),
        ("create table public.there ();", "applied by hand"),
        ("alter table public.others add column n int;", "Connect as the owner"),
    ],
    ids=["no auth.uid()", "already exists", "permission denied"],
)
def test_what_operators_meet_has_a_hint(target: Clone, write: Write, text: str, hint: str) -> None:
    with target.connect() as db:
        db.execute("create table public.there ()")
    with target.connect_as_admin() as admin:
        admin.execute("create table public.others ()")
        if "auth.uid" in text:
            admin.execute("drop schema auth cascade")
    with pytest.raises(MigrationError) as caught:
        apply(target, write(_1_a=text))
    assert hint in (caught.value.hint or "")


def test_who_may_not_make_the_ledger_is_told_so(target: Clone, write: Write) -> None:
    with ledger.connect(target.url) as connection:
        connection.execute("set role anon")
        with pytest.raises(MigrationError, match=r"may not make supabase_migrations\.schema_migrations"):
            ledger.apply(connection, write(_1_a="select 1;"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/x", "127.0.0.1:1 cannot be reached"),
        ("postgresql://me:s3cret%zz@127.0.0.1/x", "not valid"),
        ("postgresql://me:s3cret%de@127.0.0.1/x", "not valid"),
        ("postgresql://me:s3cret@p@127.0.0.1/x", "not valid"),
        ("postgresql://me:s3cret/x@127.0.0.1:1/x", "not valid"),
        ("postgresql://s3cret:12/x@127.0.0.1:1/x", "not valid"),
        ("host=127.0.0.1 password=s3cret", "URL"),
    ],
    ids=["nobody there", "no escape", "no UTF-8", "an @", "a slash", "a number and a slash", "no URL"],
)
def test_no_error_shows_the_password(url: str, words: str) -> None:
    with pytest.raises((ConfigError, Unavailable)) as caught:
        ledger.connect(url)
    assert words in caught.value.message
    assert "s3cret" not in str(caught.value)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = command.run("apply", *arguments, cwd=ROOT)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_the_command_says_what_it_would_do_does_it_and_says_that_nothing_is_left(target: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a ();", notes="")
    would = run("--dry-run", target.url, str(folder.path))
    assert would.returncode == 0, would.stderr
    assert f"database {target.name} at " in would.stdout
    assert "Would apply 1 migration, and has changed nothing:\n  1_a.sql\n" in would.stdout
    assert "notes.sql passed over" in would.stdout
    assert not exists(target, "public.a")
    assert "  1_a.sql\n" in (done := run(target.url, str(folder.path)).stdout)
    assert "Applied 1 migration." in done
    assert "Nothing to apply: 1 migration had been applied before." in run(target.url, str(folder.path)).stdout


def test_a_refusal_is_2_and_what_went_in_before_it_is_listed(target: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a ();", _2_b="create tabel b ();")
    done = run(target.url, str(folder.path))
    assert done.returncode == 2
    assert "  1_a.sql\n" in done.stdout
    assert "2_b.sql:1: PostgreSQL refused this statement" in done.stderr
