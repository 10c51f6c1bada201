"""Templates and clones: built once, never written to, and a clone is all that its template is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from pgassay import MigrationError, Session
from pgassay.identity import Databases
from pgassay.migrations import Applied, Script
from pgassay.servers import Server
from pgassay.servers.server import DATABASE_PREFIX, new_token
from pgassay.servers.url import clean_up
from pgassay.templates import Template
from tests.jobs.cast import one

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 60


def script(text: str, name: str = "1_a.sql") -> Script:
    return Script(Path(name), name, text)


def on_this_database(statement: str) -> Script:
    """A migration with ``statement``, in which %I stands for the name of the database."""
    return script(f"do $do$ begin execute format($sql${statement}$sql$, current_database()); end $do$;")


NOTES = script("create table public.notes (note text); insert into public.notes values ('from the template');")


@pytest.fixture
def server(pg_server: Server) -> Iterator[Server]:
    """The server as another run sees it: databases that it makes are told from all others by their names."""
    another = replace(pg_server, run=new_token())
    yield another
    clean_up(another.conninfo(another.maintenance), another.run)


@pytest.fixture
def databases(server: Server) -> Iterator[Databases]:
    with Databases(server, Session) as found:
        yield found


def made_by(server: Server) -> set[str]:
    """The databases that the run of ``server`` has made."""
    with server.connect(server.maintenance, kind=Session) as session:
        rows = session.execute(
            "select datname from pg_database where starts_with(datname, %s)", [DATABASE_PREFIX + server.run]
        ).fetchall()
    return {name for (name,) in rows}


def test_a_clone_has_the_data_of_its_template(databases: Databases) -> None:
    with databases.clone(databases.template((), (NOTES,))).connect() as session:
        assert session.execute("select note from public.notes").fetchall() == [("from the template",)]
        assert one(session, "select to_regclass('auth.users') is not null")


def test_what_goes_in_before_the_migrations_is_there_for_them(databases: Databases) -> None:
    template = databases.template((NOTES,), (script("alter table public.notes add at timestamptz;", "2_b.sql"),))
    assert [applied.script.name for applied in template.applied] == ["1_a.sql", "2_b.sql"]


def test_progress_is_told_file_by_file(databases: Databases) -> None:
    told: list[Applied] = []
    template = databases.template((), (NOTES, script("vacuum;", "2_b.sql")), on_progress=told.append)
    assert tuple(told) == template.applied
    assert [applied.autocommit for applied in told] == [False, True]


def test_a_clone_has_the_settings_of_its_template(databases: Databases) -> None:
    template = databases.template((), (on_this_database("alter database %I set work_mem = '7MB'"),))
    with databases.clone(template).connect() as session:
        assert one(session, "show work_mem") == "7MB"
        assert one(session, "show search_path") == '"$user", public, extensions'


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lc_monetary", "C"),
        ("search_path", ""),
        ("search_path", '"Odd, name", public'),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_read_only", "on"),
        ("datestyle", "SQL, DMY"),
        ("timezone", "Europe/Berlin"),
    ],
)
def test_a_setting_is_in_a_clone_what_it_is_in_its_template(databases: Databases, setting: str, value: str) -> None:
    """Compared with a database that was never cloned: PostgreSQL's own reading of the value."""
    literal = value if setting == "search_path" and value else "'" + value.replace("'", "''") + "'"
    statement = f"set {setting} = {literal}"
    with databases.clone(databases.template((), ())).connect() as session:
        session.execute(statement.encode())
        expected = one(session, f"show {setting}")
    with databases.clone(
        databases.template((), (on_this_database(f"alter database %I {statement}"),))
    ).connect() as session:
        assert one(session, f"show {setting}") == expected


def test_a_clone_has_the_settings_of_roles_in_its_template(databases: Databases) -> None:
    template = databases.template(
        (), (on_this_database("alter role authenticated in database %I set statement_timeout = '2s'"),)
    )
    with databases.clone(template).connect() as session:
        with session.as_user(uuid4()):
            assert one(session, "show statement_timeout") == "2s"
        with session.as_anon():
            assert one(session, "show statement_timeout") == "3s"


def test_settings_for_a_clone_do_not_stay_in_the_session_that_makes_clones(databases: Databases) -> None:
    """The second template's own clone has the server's value again."""
    databases.clone(databases.template((), (on_this_database("alter database %I set work_mem = '7MB'"),)))
    with databases.clone(databases.template((), (NOTES,))).connect() as session:
        assert one(session, "show work_mem") != "7MB"


@pytest.mark.parametrize(
    ("statement", "rights"),
    [
        ("comment on database %I is ''", {"anon CONNECT", "anon TEMPORARY"}),
        (
            "grant create on database %I to authenticated",
            {"anon CONNECT", "anon TEMPORARY", "authenticated CREATE"},
        ),
        ("revoke temporary on database %I from public", {"anon CONNECT"}),
        ("revoke all on database %I from public", set()),
    ],
)
def test_a_clone_has_the_grants_of_its_template(databases: Databases, statement: str, rights: set[str]) -> None:
    with databases.clone(databases.template((), (on_this_database(statement),))).connect() as session:
        found = session.execute(
            "select r || ' ' || p from unnest(array['anon', 'authenticated']) as r, "
            "unnest(array['CONNECT', 'TEMPORARY', 'CREATE']) as p "
            "where has_database_privilege(r, current_database(), p) and (r = 'anon' or p = 'CREATE')"
        ).fetchall()
        assert {right for (right,) in found} == rights
        assert one(session, "select has_database_privilege(current_database(), 'CREATE')")


def test_a_migration_finds_itself_in_the_database_postgres(databases: Databases) -> None:
    template = databases.template((), (script("create table public.here as select current_database() as name;"),))
    with databases.clone(template).connect() as session:
        name = one(session, "select name from public.here")
    assert name == ("postgres" if databases.server.ours else template.name)


def test_the_same_scripts_give_the_same_template_which_is_not_built_again(databases: Databases) -> None:
    first = databases.template((), (NOTES,))
    second = databases.template((), (NOTES,))
    assert (len(first.applied), second) == (1, Template(first.name, ()))


@pytest.mark.parametrize(
    "scripts",
    [
        (),
        (replace(NOTES, sql=NOTES.sql + "\n"),),
        (replace(NOTES, name="2_a.sql"),),
        (NOTES, script("select 1;", "2_b.sql")),
    ],
)
def test_other_scripts_give_another_template(databases: Databases, scripts: tuple[Script, ...]) -> None:
    first, second = databases.template((), (NOTES,)), databases.template((), scripts)
    assert first.name != second.name
    assert len(second.applied) == len(scripts)


def test_a_template_is_not_to_be_connected_to(databases: Databases) -> None:
    server = databases.server
    template = databases.template((), (NOTES,))
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        server.connect(template.name, kind=Session)


@pytest.mark.parametrize(
    "failing",
    ["select 1 / 0;", "vacuum; select 1 / 0;", "begin; select 1;", "select pg_terminate_backend(pg_backend_pid());"],
    ids=["in a transaction", "in autocommit", "never ended", "connection lost"],
)
def test_a_migration_that_fails_leaves_no_database_and_nothing_in_the_way(databases: Databases, failing: str) -> None:
    scripts = (NOTES, script(failing, "2_b.sql"))
    environment = databases.template((), ()).name
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"2_b\.sql"):
            databases.template((), scripts)
        assert made_by(databases.server) == {environment}
    name = script("create table public.here as select current_database() as name;")
    with databases.clone(databases.template((), (name,))).connect() as session:
        if databases.server.ours:
            assert one(session, "select name from public.here") == "postgres"


def test_many_who_want_a_template_at_once_get_one_that_was_built_once(server: Server) -> None:
    """Each with connections of its own, as the workers of a run."""
    together = threading.Barrier(4)
    results: list[Template] = []
    environments: list[Template] = []

    def build() -> None:
        with Databases(server, Session) as databases:
            together.wait()
            results.append(databases.template((), (NOTES,)))
            environments.append(databases.template((), ()))

    threads = [threading.Thread(target=build) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {template.name for template in (*results, *environments)} == made_by(server)
    assert len(made_by(server)) == 2
    assert sorted(len(template.applied) for template in results) == [0, 0, 0, 1]


def test_clones_know_nothing_of_each_other(databases: Databases) -> None:
    template = databases.template((), (NOTES,))
    first, second = databases.clone(template), databases.clone(template)
    with first.connect() as one_session, second.connect() as other:
        one_session.execute("delete from public.notes")
        other.execute("insert into public.notes values ('from the second')")
        assert one(one_session, "select count(*) from public.notes") == 0
        assert one(other, "select count(*) from public.notes") == 2
    with databases.clone(template).connect() as third:
        assert one(third, "select count(*) from public.notes") == 1


def test_a_clone_gives_sessions_of_every_standing(databases: Databases) -> None:
    clone = databases.clone(databases.template((), (NOTES,)))
    server = databases.server
    sessions = [clone.connect(), clone.connect_as_authenticator(), clone.connect_as_admin()]
    who = [one(session, "select current_user") for session in sessions]
    assert who == [server.owner, "authenticator", server.admin]
    clone.close()
    assert all(session.closed for session in sessions)


def test_the_url_of_a_clone_is_one_to_connect_with_as_its_owner(databases: Databases) -> None:
    clone = databases.clone(databases.template((), (NOTES,)))
    with psycopg.connect(clone.url) as connection:
        assert connection.execute("select current_user::text, current_database()::text").fetchone() == (
            databases.server.owner,
            clone.name,
        )


def test_a_clone_that_is_to_be_dropped_later_is_dropped_in_the_end_also_under_an_open_session(
    databases: Databases,
) -> None:
    template = databases.template((), (NOTES,))
    clone = databases.clone(template)
    session = clone.connect()
    databases.drop_later(clone)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while clone.name in made_by(databases.server):
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    clone.close()


def test_a_template_that_was_not_finished_is_built_again(databases: Databases) -> None:
    """As where the worker that built it was killed."""
    template = databases.template((), (NOTES,))
    name = template.name.encode()
    with databases.server.connect(databases.server.maintenance, kind=Session) as admin:
        admin.execute(b"alter database %b is_template false allow_connections true" % name)
    with databases.server.connect(template.name, kind=Session) as admin:
        admin.execute("drop table public.notes")
    assert databases.template((), (NOTES,)).applied
    with databases.clone(template).connect() as session:
        assert one(session, "select note from public.notes") == "from the template"
