"""What `pgassay apply` says: before anything is done, after a failure, and of a rehearsal that changes nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgassay import Clone, MigrationError, indexes, ledger, migrations, pending, target
from pgassay.identity import Databases
from pgassay.migrations import Script
from tests.harness.test_ledger import Write, apply, exists, refusal, rows, run, write
from tests.jobs.cast import one

ROOT = Path(__file__).parents[2]
__all__ = ["write"]


@pytest.fixture
def there(pg_databases: Databases) -> Iterator[Clone]:
    """A database as Supabase hands it out."""
    with pg_databases.copy(pg_databases.template((), ())) as clone:
        yield clone


def failure(there: Clone, folder: migrations.Folder) -> str:
    with pytest.raises(MigrationError) as caught:
        apply(there, folder)
    return str(caught.value)


def warned(text: str, *, superuser: bool = False) -> list[str]:
    return list(pending.warnings(Script(Path("1_a.sql"), "1_a.sql", text), superuser=superuser))


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("select 1;\nbegin;\nselect 2;\ncommit;", "1_a.sql:2: begin ends the file's own transaction."),
        ("select 1;\n-- so\ncommit;", "1_a.sql:3: commit ends the file's own transaction."),
        ("\nset role service_role;", "1_a.sql:2: set role service_role: "),
        ("SET SESSION ROLE = 'anon';", "1_a.sql:1: set role anon: "),
        ("set local role anon;", "1_a.sql:1: set role anon: "),
        ('set session authorization "some one";', "1_a.sql:1: set session authorization some one: "),
    ],
)
def test_what_is_not_undone_with_the_file_is_said_by_name(text: str, begin: str) -> None:
    (said,) = warned(text)
    assert said.startswith(begin), said


@pytest.mark.parametrize(
    "text",
    [
        "reset role; set role none; reset session authorization; set session authorization default;",
        "-- commit; set role anon\nselect 'set role anon; commit';",
        "create function f() returns int language sql as $$ select 1; commit; $$;",
        "create function f() returns int language sql set role to anon begin atomic select 1; end;",
        "set search_path = public; savepoint a; release a;",
    ],
)
def test_what_changes_nobody_is_not(text: str) -> None:
    assert warned(text) == []


def test_session_authorization_is_said_to_need_a_superuser(there: Clone, write: Write) -> None:
    text = "set session authorization anon;"
    assert warned(text)[0].endswith("Only a superuser may do that.")
    assert warned(text, superuser=True)[0].endswith("It is set back before the ledger is written.")
    with there.connect_as_admin() as admin, ledger.connect(there.url) as owner:
        assert (target.is_superuser(admin), target.is_superuser(owner)) == (True, False)


def test_a_superusers_ledger_is_written_although_a_file_has_become_somebody_else(there: Clone, write: Write) -> None:
    folder = write(_1_a="set session authorization anon; select 1;", _2_b="create table public.b ();")
    with there.connect_as_admin() as admin:
        done = ledger.apply(admin, folder)
    assert [script.name for script in done.pending] == ["1_a.sql", "2_b.sql"]


TWICE = "create table public.t (n int); insert into public.t values (1), (1);"
UNIQUE = "create unique index concurrently if not exists t_n on public.t (n);"


def test_an_index_left_invalid_is_named_and_not_passed_over(there: Clone, write: Write) -> None:
    folder = write(_1_a=TWICE, _2_b=f"select 1;\n{UNIQUE}", _3_c="create table public.c ();")
    said = failure(there, folder)
    assert 'The index public.t_n is invalid. Remove it first: drop index concurrently "public"."t_n";' in said
    refused = refusal(there, folder)
    assert "2_b.sql:2: the index public.t_n is there already, but invalid" in refused.message
    assert 'drop index concurrently "public"."t_n";' in (refused.hint or "")
    assert [version for version, *_ in rows(there)] == ["1"]
    listed = run("--dry-run", there.url, str(folder.path))
    assert "The index public.t_n of t is invalid" in listed.stdout
    with there.connect() as db:
        db.execute("delete from public.t")
        db.execute('drop index concurrently "public"."t_n"')
    assert apply(there, folder) == ["2_b.sql", "3_c.sql"]
    with there.connect() as db:
        assert one(db, "select indisvalid from pg_index where indexrelid = 'public.t_n'::regclass") is True


def test_an_apply_that_failed_at_an_index_is_refused_the_second_time(there: Clone, write: Write) -> None:
    """The case invalid-index-kept."""
    org = "'6f6d1c3e-0000-4000-8000-000000000001'"
    folder = write(
        _1_a="create table public.events (id bigint generated always as identity primary key, org uuid, key text);",
        _2_rows=f"insert into public.events (org, key) values ({org}, 'a'), ({org}, 'a');",
        _3_unique="create unique index concurrently if not exists events_key on public.events (org, key);",
        _4_later="alter table public.events add column at timestamptz;",
    )
    assert run(there.url, str(folder.path)).returncode == 2
    again = run(there.url, str(folder.path))
    assert (again.returncode, "the index public.events_key is there already, but invalid" in again.stderr) == (2, True)


def test_one_that_is_dropped_first_or_another_of_that_name_is_made(there: Clone, write: Write) -> None:
    with there.connect() as db:
        db.execute(TWICE.encode())
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute(UNIQUE.encode())
        db.execute("delete from public.t")
        db.execute("create schema other; create table other.t (n int)")
    folder = write(
        _1_a="create unique index if not exists t_n on other.t (n);",
        _2_b=f"drop index concurrently if exists public.t_n;\n{UNIQUE}",
    )
    assert apply(there, folder) == ["1_a.sql", "2_b.sql"]
    assert "invalid" not in run("--dry-run", there.url, str(folder.path)).stdout


def test_the_index_of_a_partitioned_table_is_none_that_failed(there: Clone) -> None:
    with there.connect() as db:
        db.execute("create table public.p (n int) partition by list (n)")
        db.execute("create table public.p1 partition of public.p for values in (1)")
        db.execute("create index p_n on only public.p (n)")
    with ledger.connect(there.url) as connection:
        assert indexes.invalid(connection) == []


def test_after_a_failure_it_says_what_is_applied_what_is_not_and_what_to_do(there: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a ();", _2_b="create tabel b ();", _3_c="select 1;")
    assert (
        "\n\nApplied: 1_a.sql.\n"
        "Not applied: 2_b.sql (nothing of it is in the database); 3_c.sql.\n"
        "Next: mend 2_b.sql, and apply again. It goes on with that file."
    ) in failure(there, folder)
    assert "\n\nApplied: none.\n" in failure(there, folder), "by this run"


VACUUM = "vacuum public.a;"


@pytest.mark.parametrize(
    ("text", "tables", "stays"),
    [
        (f"create table public.a ();\n{VACUUM}\nselect 1 / 0;", "a", "what stands before this statement in it has"),
        (
            "create table public.a ();\nbegin;\ncreate table public.b ();\nselect 1 / 0;\ncommit;",
            "a",
            "what stands in it up to line 1 has been applied, and what it began after that was rolled back.",
        ),
        ("begin;\ncreate table public.a ();\nselect 1 / 0;\ncommit;", "", "but nothing of it has been applied."),
        (
            "begin;\ncreate table public.a ();\ncommit;\ncreate table public.b (\n);\nselect 1 / 0;",
            "ab",
            "what stands before this statement in it has been applied.",
        ),
    ],
    ids=["outside", "own transaction after", "own transaction", "own transaction before"],
)
def test_what_stays_of_a_file_that_runs_statement_by_statement_is_told(
    there: Clone, write: Write, text: str, tables: str, stays: str
) -> None:
    said = failure(there, write(_1_a=text))
    assert stays in said
    assert "division by zero" in said, "not what came of it"
    assert "".join(name for name in "ab" if exists(there, f"public.{name}")) == tables
    until = {"a": 1 if "begin" in text else 2, "ab": 5}.get(tables)
    assert ("nothing of it is in the database" in said) == (until is None)
    if until is not None:
        assert f"(but for its lines up to {until}, which stay)" in said
        assert f"Next: take the lines up to {until} out of 1_a.sql, or undo by hand what they did" in said


def test_a_database_that_is_no_supabase_gets_a_sentence_before_anything_is_done(there: Clone, write: Write) -> None:
    folder = write(_1_a="create table public.a (u uuid default auth.uid());")
    sentence = "This is no database of Supabase: it lacks the function auth.uid()."
    assert sentence not in run("--dry-run", there.url, str(folder.path)).stdout
    with there.connect_as_admin() as admin:
        admin.execute("drop schema auth cascade")
    for arguments in ((), ("--dry-run",)):
        done = run(*arguments, there.url, str(folder.path))
        assert (done.returncode, sentence in done.stdout) == (2, True)


def test_a_dry_run_tries_each_migration_and_leaves_nothing(there: Clone, write: Write) -> None:
    later = "".join(f"create table public.{name} (a int references public.a initially deferred);" for name in "bc")
    folder = write(
        _1_a="create table public.a (id int primary key);",
        _2_b="set role anon; select 1;",
        _3_c="set search_path = 'x'; alter table public.a add n int; insert into public.a values (1);",
        _4_d=f"{later} insert into public.b values (1); insert into public.a values (2); delete from public.b;",
        _5_e="insert into public.c values (3); insert into public.a values (3);",
        _6_f="alter table public.c add n int; insert into public.c values (4); insert into public.a values (4);",
    )
    done = run("--dry-run", there.url, str(folder.path))
    assert done.returncode == 0, done.stderr
    assert "Would apply 6 migrations, and has changed nothing:\n  1_a.sql\n  2_b.sql\n  3_c.sql\n" in done.stdout
    assert "Tried 6 migrations in a transaction that was rolled back: nothing was refused.\n" in done.stdout
    assert "2_b.sql:1: set role anon" in done.stdout
    assert not exists(there, "public.a")
    assert rows(there) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alter table public.a add n int;\nselect 1 / 0;", "2_b.sql:2: PostgreSQL refused this statement"),
        (
            "create table public.b (a int references public.a deferrable initially deferred);\n"
            "insert into public.b values (1);",
            "2_b.sql: PostgreSQL would refuse the commit",
        ),
    ],
    ids=["a statement", "the commit"],
)
def test_what_would_fail_is_2_in_a_dry_run(there: Clone, write: Write, text: str, words: str) -> None:
    folder = write(_1_a="create table public.a (id int primary key);", _2_b=text)
    done = run("--dry-run", there.url, str(folder.path))
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not exists(there, "public.a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("create index concurrently on public.a (id);", "it cannot run in a transaction"),
        ("create table public.b ();\ncommit;", "it ends its own transaction"),
        ("begin;\ncreate table public.b ();\ncommit;", "it ends its own transaction"),
        ("do $$ begin create table public.b (); commit; end $$;", "it ends transactions itself"),
        ("insert into public.e values ('b');", "it uses a value of an enum that has to be committed before"),
        ("create table public.b ();\nfrobnicate the table;\ncommit;", "its syntax is newer than pgassay's parser"),
    ],
    ids=["concurrently", "commit", "a transaction", "commit in a block", "a new value", "unknown syntax"],
)
def test_what_cannot_be_tried_is_named_and_nothing_of_it_stays(there: Clone, write: Write, text: str, why: str) -> None:
    with there.connect() as db:
        db.execute("create type public.kind as enum ('a'); create table public.e (k public.kind)")
    folder = write(
        _1_a="create table public.a (id int); alter type public.kind add value 'b';", _2_b=text, _3_c="select 1;"
    )
    done = run("--dry-run", there.url, str(folder.path))
    assert done.returncode == 0, done.stderr
    assert "Tried 1 migration in a transaction" in done.stdout
    assert f"Not tried: 2_b.sql, since {why}" in done.stdout
    assert done.stdout.endswith(", nor what comes after it: 3_c.sql.\n")
    assert not exists(there, "public.a")
    assert not exists(there, "public.b")


def test_a_dry_run_does_not_wait_for_a_lock(there: Clone, write: Write) -> None:
    with there.connect() as db, there.connect() as other:
        db.execute("create table public.a ()")
        with other.transaction():
            other.execute("lock table public.a")
            done = run("--dry-run", there.url, str(write(_1_a="alter table public.a add n int;").path))
    assert (done.returncode, "since it could not have a lock within 5s" in done.stdout) == (0, True)


def test_the_context_of_an_error_has_20_lines_at_most(there: Clone, write: Write) -> None:
    text = (
        "create function public.f(n int) returns int language plpgsql as $$\n"
        "begin return case when n = 0 then 1 / n else public.f(n - 1) end; end $$;\nselect public.f({});"
    )
    context = failure(there, write(_1_a=text.format(60))).partition("CONTEXT: ")[2].partition("\n\n")[0].splitlines()
    assert len(context) == 21
    assert re.fullmatch(r"… and \d+ more lines", context[-1])
    short = failure(there, write(_1_a=text.format(3))).partition("CONTEXT: ")[2].partition("\n\n")[0]
    assert "more line" not in short


def test_the_document_that_errors_name_is_in_the_wheel(tmp_path: Path) -> None:
    assert ledger.document().is_file()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extract("pgassay/docs/applying.md", tmp_path)
        ledger_ = packed.read("pgassay/ledger.py").decode()
    assert (tmp_path / "pgassay" / "docs" / "applying.md").read_bytes() == ledger.document().read_bytes()
    assert 'Path(__file__).parent / "docs" / "applying.md"' in ledger_
