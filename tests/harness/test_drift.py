"""`pgassay diff DIR URL` and `pgassay snapshot URL`: a live database, with few rights, and behind a pooler."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgassay import Clone, migrations
from pgassay.identity import Databases
from pgassay.platforms import DEFAULT
from tests import sampling
from tests.harness import command
from tests.harness.pooler import pooled
from tests.harness.test_cli import SCHEMA, TENANCY

# As a project of Supabase has them, and the environment has not.
OF_THE_PLATFORM = """
create schema pgbouncer authorization pgbouncer;
create table pgbouncer.users (name text);
create function pgbouncer.get_auth(text) returns text language sql security definer as 'select null::text';
create schema _realtime authorization supabase_admin;
create table _realtime.tenants (id int);
create type _realtime.kind as enum ('a');
grant usage on schema _realtime to dashboard_user;
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text primary key);
grant select on public.notes to supabase_read_only_user, dashboard_user;
alter default privileges for role supabase_admin in schema public grant all on tables to anon;
create extension if not exists pg_stat_statements with schema extensions;
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_notes.sql").write_text(SCHEMA)
    (tmp_path / "pyproject.toml").write_text(f'[tool.pgassay]\nmigrations = "migrations"\n{TENANCY}')
    return tmp_path


@pytest.fixture
def live(project: Path, pg_databases: Databases) -> Iterator[Clone]:
    """A database to which the project's migrations were applied."""
    template = pg_databases.template((), migrations.discover(project / "migrations").migrations)
    with pg_databases.copy(template) as clone:
        yield clone


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = command.run(*arguments, "--pg", "embedded", cwd=project)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def as_reader(clone: Clone) -> str:
    """Its URL for a role that has no rights of its own, and so may read the catalog alone."""
    return clone.server.url(clone.name, user=DEFAULT.roles.login)


def test_what_the_platform_has_besides_is_no_drift(project: Path, live: Clone) -> None:
    with live.connect_as_admin() as admin:
        admin.execute(OF_THE_PLATFORM.encode())
    done = run(project, "diff", "migrations", live.url)
    assert (done.returncode, "No difference" in done.stdout) == (0, True), done.stdout + done.stderr


BY_HAND = {
    "a schema": ("create schema tools; create table tools.t ();", "schema is new"),
    "a grant": ("grant trigger on public.notes to public;", "public"),
    "a grant option": ("grant select on public.notes to authenticated with grant option;", "grant option"),
    "a name of the platform's": ("create schema pgbouncer; create table pgbouncer.t ();", "schema is new"),
    "a policy": ("create policy more on public.notes using (true);", "policy more"),
    "an extension": ("create extension hstore with schema extensions;", "extension"),
    "gone": ("drop policy mine on public.notes;", "policy mine"),
    "files": ("create policy all_files on storage.objects using (true);", "policy all_files"),
}


@pytest.mark.parametrize("what", sampling.some(BY_HAND, dev=2))
def test_what_somebody_has_made_by_hand_is(project: Path, live: Clone, what: str) -> None:
    text, said = BY_HAND[what]
    with live.connect() as owner:
        owner.execute(text.encode())
    done = run(project, "diff", "migrations", live.url)
    assert (done.returncode, said in done.stdout) == (1, True), done.stdout + done.stderr
    assert "+ the database\n" in done.stdout


def test_an_extension_that_the_folder_asks_for_and_only_the_database_has_is_none(project: Path, live: Clone) -> None:
    """As one that our server stands in for."""
    (project / "migrations" / "2_more.sql").write_text(
        "create extension if not exists hstore; drop extension hstore;\n-- a stand-in is no extension\n"
    )
    with live.connect() as owner:
        owner.execute("create extension hstore with schema extensions")
    assert run(project, "diff", "migrations", live.url).returncode == 0


def test_a_role_that_may_read_the_catalog_alone_is_enough(project: Path, live: Clone) -> None:
    with live.connect() as owner:
        owner.execute("revoke all on schema public from public; alter table public.notes disable row level security")
    with psycopg.connect(as_reader(live)) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute("select from public.notes")
    done = run(project, "diff", "migrations", as_reader(live))
    assert "loosens  row level security was switched off" in done.stdout, done.stdout + done.stderr
    assert "would have needed" not in done.stdout


@pytest.mark.parametrize("turned", [False, True], ids=["folder first", "database first"])
def test_what_it_may_not_read_is_named_and_not_compared(project: Path, live: Clone, turned: bool) -> None:
    with live.connect_as_admin() as admin:
        admin.execute("revoke select on pg_catalog.pg_policy, pg_catalog.pg_trigger from public")
    sides = ["migrations", as_reader(live)]
    done = run(project, "diff", *(reversed(sides) if turned else sides))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "No difference" in done.stdout
    needed = "  select on pg_catalog.pg_policy\n  select on pg_catalog.pg_trigger\n"
    assert sorted(needed.splitlines()) == sorted(done.stdout.partition("would have needed:\n")[2].splitlines())
    with live.connect() as owner:
        owner.execute("grant trigger on public.notes to public")
    done = run(project, "diff", *(reversed(sides) if turned else sides))
    assert done.returncode == 1
    assert "policy mine" not in done.stdout, "what could not be read is no difference"
    assert needed.splitlines()[0] in done.stdout


def test_the_pooler_forgets_what_a_session_was_told(live: Clone) -> None:
    with pooled(live, live.server.owner) as (url, sessions):
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            connection.execute("set lock_timeout = '7s'")
            assert connection.execute("show lock_timeout").fetchone() == ("0",)
        with (
            psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection,
            pytest.raises(psycopg.errors.InvalidSqlStatementName),
        ):
            connection.execute("select %s::int", [1])
        assert len(sessions) > 2
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
            psycopg.connect(f"{url}?options=-csearch_path%3Dx")


def test_a_pooler_in_transaction_mode_is_no_hindrance(project: Path, live: Clone) -> None:
    with live.connect() as owner:
        owner.execute("create table public.by_hand (id integer)")
    with pooled(live, DEFAULT.roles.login) as (url, sessions):
        done = run(project, "diff", "migrations", url)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "adds  table is new" in done.stdout
    assert "1 difference: " in done.stdout
    assert sessions


def test_a_snapshot_begins_with_a_database(project: Path, live: Clone) -> None:
    with live.connect_as_admin() as admin:
        admin.execute(OF_THE_PLATFORM.encode())
    (project / "migrations" / "1_notes.sql").unlink()
    done = run(project, "snapshot", as_reader(live))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "objects of the database. Commit it." in done.stdout
    written = (project / "pgassay.snapshot").read_text()
    assert "\ntable public.notes\n" in written
    assert "pgbouncer" not in written
    assert "access " not in written
    assert run(project, "snapshot", "--check", live.url).returncode == 0
    (project / "migrations" / "1_again.sql").write_text(SCHEMA)
    assert run(project, "snapshot", "--check").returncode == 0, "the migrations that were written anew make the same"
    assert run(project, "snapshot", "--update").returncode == 0
    assert "\naccess public.notes\n" in (project / "pgassay.snapshot").read_text()
    assert run(project, "snapshot", "--check", live.url).returncode == 0
    with live.connect() as owner:
        owner.execute("create table public.by_hand (id integer)")
    done = run(project, "snapshot", "--check", live.url)
    assert (done.returncode, "adds  table is new" in done.stdout) == (1, True)


def test_what_a_database_cannot_do_to_a_snapshot_is_said(project: Path, live: Clone) -> None:
    for arguments, words in ((["--update"], "cannot be updated from there"), (["--check"], "There is no snapshot")):
        done = run(project, "snapshot", live.url, *arguments)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert run(project, "snapshot", live.url).returncode == 0
    before = (project / "pgassay.snapshot").read_text()
    done = run(project, "snapshot", live.url)
    assert (done.returncode, "is there already, and is left as it is" in done.stderr) == (2, True)
    assert (project / "pgassay.snapshot").read_text() == before


def test_a_database_that_is_read_is_not_written_to(project: Path, live: Clone) -> None:
    with live.connect_as_admin() as admin:
        admin.execute("select pg_stat_force_next_flush()")
        written = (
            "select xact_commit > 0, tup_inserted + tup_updated + tup_deleted from pg_stat_database where datname = %s"
        )
        before = admin.execute(written, [live.name]).fetchone()
    run(project, "snapshot", live.url)
    run(project, "diff", "migrations", live.url)
    with live.connect_as_admin() as admin:
        assert admin.execute(written, [live.name]).fetchone() == before
