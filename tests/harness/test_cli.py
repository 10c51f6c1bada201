"""The command: what it says and exits with, above all when something is wrong; and that it leaves nothing behind."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from pgassay import cli
from pgassay.cli import keeping
from pgassay.servers import embedded
from pgassay.servers.server import Server
from tests.harness import command

ROOT = Path(__file__).parents[2]
PGASSAY = [sys.executable, "-m", "pgassay"]
TENANCY = """
[tool.pgassay.tenancy]
tenant = "public.orgs"
member = "public.members(org_id, user_id)"
column = "org_id"
"""
SCHEMA = """
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (
    org_id uuid not null references public.orgs (id) on delete cascade,
    user_id uuid not null references auth.users (id),
    primary key (org_id, user_id)
);
create table public.notes (
    id uuid primary key default gen_random_uuid(), text text not null,
    org_id uuid not null references public.orgs (id) on delete cascade
);
alter table public.orgs enable row level security;
alter table public.members enable row level security;
alter table public.notes enable row level security;
create policy mine on public.members to authenticated using (user_id = (select auth.uid()));
create policy mine on public.orgs to authenticated using (id in (select m.org_id from public.members as m));
create policy mine on public.notes to authenticated using (org_id in (select m.org_id from public.members as m));
revoke insert, update, delete on public.members from authenticated;
"""


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    done = command.run(*arguments, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    assert "\x1b" not in done.stdout + done.stderr, "no colours where there is no terminal"
    return done


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    def make(configuration: str = TENANCY, **migrations: str) -> Path:
        (tmp_path / "migrations").mkdir()
        for name, text in migrations.items():
            (tmp_path / "migrations" / f"{name.lstrip('_')}.sql").write_text(text)
        (tmp_path / "pyproject.toml").write_text(configuration)
        return tmp_path

    return make


def test_a_schema_that_keeps_its_tenants_apart_is_0(project: Callable[..., Path]) -> None:
    done = run("check", "--pg", "embedded", cwd=project(_1_notes=SCHEMA))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_leak_is_1_and_names_the_table(project: Callable[..., Path]) -> None:
    leak = "alter table public.notes disable row level security;"
    done = run("check", "--pg", "embedded", cwd=project(_1_notes=SCHEMA, _2_leak=leak))
    assert done.returncode == 1
    assert "public.notes: anon can select every tenant's rows" in done.stdout


def test_what_the_catalog_tells_is_found_too(project: Callable[..., Path]) -> None:
    """The view, which nobody may write through, keeps tenants apart as far as it is tried: no finding."""
    view = "create view public.mine as select n.* from public.notes as n where exists "
    view += "(select from public.members as m where m.org_id = n.org_id and m.user_id = auth.uid());"
    view += "revoke insert, update, delete on public.mine from anon, authenticated;"
    done = run("check", "--verbose", "--pg", "embedded", cwd=project(_1_notes=SCHEMA, _2_view=view))
    assert done.returncode == 0, done.stdout
    assert "no index begins with org_id of the foreign key notes_org_id_fkey" in done.stdout
    assert "definer-view" not in done.stdout


def test_what_the_platform_refuses_today_is_a_note(project: Callable[..., Path]) -> None:
    old = "create function auth.my_role() returns text language sql as $$ select auth.jwt() ->> 'role' $$;\n"
    old += "alter table storage.objects enable row level security;"
    done = run("check", "--verbose", "--pg", "embedded", cwd=project(_1_notes=SCHEMA, _2_old=old))
    assert done.returncode == 0, done.stdout
    said = " ".join(done.stdout.split())
    assert "platform-refuses" in said
    assert "function auth.my_role (2_old.sql:1)" in said
    assert "alter table storage.objects (2_old.sql:2)" in said


def test_the_settings_of_postgrest_and_event_triggers_are_no_obstacle(project: Callable[..., Path]) -> None:
    settings = "create function public.pre() returns void language sql as '';\n"
    settings += "alter role authenticator set pgrst.db_pre_request to 'public.pre';\n"
    settings += "create function public.watch() returns event_trigger language plpgsql as $$ begin end $$;\n"
    settings += "create event trigger watch on ddl_command_end execute function public.watch();"
    where = project(_1_notes=SCHEMA, _2_settings=settings)
    done = run("check", "--pg", "embedded", cwd=where)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "platform-refuses" not in done.stdout
    assert run("snapshot", "--pg", "embedded", cwd=where).returncode == 0
    assert "function: public.watch()" in (where / "pgassay.snapshot").read_text()


@pytest.mark.parametrize(
    ("seed", "fails"), [("insert into public.orgs (name) values ('seeded');", False), ("oops;", True)]
)
def test_the_seed_of_config_toml_goes_in_and_where_it_fails_it_is_left_out(
    tmp_path: Path, seed: str, fails: bool
) -> None:
    folder = tmp_path / "supabase"
    (folder / "migrations").mkdir(parents=True)
    (folder / "migrations" / "1_notes.sql").write_text(SCHEMA)
    (folder / "config.toml").write_text('[db.seed]\nsql_paths = ["./seed.sql"]')
    (folder / "seed.sql").write_text(seed)
    (tmp_path / "pyproject.toml").write_text(TENANCY)
    done = run("check", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("config.toml names is left out, since it fails" in done.stdout) == fails
    assert ("syntax error" in done.stdout) == fails
    named = run("check", "--pg", "embedded", "--seed", "supabase/seed.sql", cwd=tmp_path)
    assert named.returncode == (2 if fails else 0)


def test_row_level_security_off_on_jobs_is_found(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    fault = tmp_path / "sql" / "migrations" / "20251104000000_fault.sql"
    fault.write_text("alter table public.jobs disable row level security;")
    done = run("check", "--verbose", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"public\.jobs: .* can select every tenant's rows", done.stdout)


def test_a_declared_relation_that_is_missing_or_a_materialized_view_is_1(project: Callable[..., Path]) -> None:
    configuration = '[tool.pgassay]\nrelations = ["public.notes", "public.gone", "public.stale"]\n' + TENANCY
    stale = "create materialized view public.stale as select org_id from public.notes; revoke all on public.stale from "
    stale += "anon, authenticated;"
    done = run("check", "--pg", "embedded", cwd=project(configuration, _1_notes=SCHEMA, _2_stale=stale))
    assert done.returncode == 1
    assert "public.gone: the migrations made no relation" in done.stdout
    assert "public.stale: it is a materialized view" in done.stdout


SEED = """
insert into auth.users (id, email) values ('6f6d1c3e-0000-4000-8000-000000000001', 'ada@example.com');
insert into public.orgs (id, name) values ('6f6d1c3e-0000-4000-8000-000000000002', 'Engines');
insert into public.members (org_id, user_id)
values ('6f6d1c3e-0000-4000-8000-000000000002', '6f6d1c3e-0000-4000-8000-000000000001');
"""


@pytest.mark.parametrize(
    ("leak", "code"), [("", 0), ("alter table public.notes disable row level security;", 1)], ids=["clean", "leak"]
)
def test_rows_of_a_seed_do_not_change_the_verdict(project: Callable[..., Path], leak: str, code: int) -> None:
    folder = project(_1_notes=SCHEMA, _2_leak=leak)
    (folder / "seed.sql").write_text(SEED)
    done = run("check", "--pg", "embedded", "--seed", "seed.sql", cwd=folder)
    assert (done.returncode, "seed.sql" in done.stdout) == (code, True), done.stdout + done.stderr


def test_a_seed_that_fails_is_2_and_says_where(project: Callable[..., Path]) -> None:
    folder = project('[tool.pgassay]\nseed = ["seed.sql"]' + TENANCY, _1_notes=SCHEMA)
    (folder / "seed.sql").write_text(SEED + "insert into public.nowhere values (1);")
    done = run("check", "--pg", "embedded", cwd=folder)
    assert done.returncode == 2
    assert "seed.sql:6" in done.stderr


def test_a_schema_that_says_nothing_of_tenants_is_not_judged(project: Callable[..., Path]) -> None:
    schema = "create table public.a (id uuid primary key); alter table public.a enable row level security;"
    schema += "create policy anybody on public.a to authenticated using (true);"
    done = run("check", "--verbose", "--pg", "embedded", cwd=project("", _1_a=schema))
    assert done.returncode == 2
    assert "not judged  isolation: no tenancy is declared" in done.stdout


def test_what_was_found_can_be_run_in_psql_as_it_is_printed(project: Callable[..., Path]) -> None:
    leak = "create policy all_of_them on public.notes for select to authenticated using (true);"
    command = [*PGASSAY, "check", "--pg", "embedded", "--keep"]
    folder = project(_1_notes=SCHEMA, _2_leak=leak)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            printed = list(iter(process.stdout.readline, "The server runs until Ctrl-C.\n"))
            start = next(n for n, line in enumerate(printed) if line.startswith("       try  "))
            end = next(n for n, line in enumerate(printed) if line.strip() == "rollback;")
            script = "".join(printed[start : end + 1]).replace("try", "", 1)
            (url,) = (shlex.split(line)[-1] for line in printed if "postgresql://" in line)
            psql = embedded.package() / "pginstall" / "bin" / "psql"
            shown = subprocess.run(
                [str(psql), "-XAtq", "-v", "ON_ERROR_STOP=1", url],
                input=script,
                capture_output=True,
                text=True,
                check=True,
            )
            assert len(shown.stdout.splitlines()) == 6, script  # two of each of three tenants
            process.send_signal(signal.SIGINT)
            assert process.wait() == 1
        finally:
            process.kill()  # or a failure would wait for it
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_a_file_that_the_supabase_cli_passes_over_is_reported(project: Callable[..., Path]) -> None:
    done = run("check", "--pg", "embedded", cwd=project(_1_notes=SCHEMA, notes="select 1 / 0;"))
    assert done.returncode == 0
    assert "notes.sql passed over" in done.stdout


@pytest.mark.parametrize(
    ("migrations", "words"),
    [
        ({"_1_a": "create table a ();\ncreate tabel b ();"}, ["1_a.sql:2", "create tabel b ()", "syntax error"]),
        ({"_1_a": "select 1;", "_1_b": "select 1;"}, ["version 1", "1_a.sql", "1_b.sql"]),
        ({"_1_a": "create extension of_nobody;"}, ["of_nobody", "is not available", "--pg system"]),
        ({}, ["no migrations"]),
    ],
    ids=["syntax error", "one version twice", "missing extension", "no migrations"],
)
def test_migrations_that_cannot_be_applied_are_2(
    project: Callable[..., Path], migrations: dict[str, str], words: list[str]
) -> None:
    done = run("check", "migrations", "--pg", "embedded", cwd=project(**migrations))
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], ["nowhere does not exist"]),
        (["--seed", "nowhere.sql"], ["--seed names nowhere.sql, which does not exist"]),
        (["--pg", "oracle"], ["'oracle' is no backend", "embedded"]),
        (["--pg", "system", "--pg-version", "99"], ["99", "found: "]),
        (["--pg", "embedded", "--pg-version", "14"], ["14 is too old"]),
        (["--pg", "embedded", "--pg-version", "17"], ["17 is wanted", "has 18"]),
    ],
    ids=["no folder", "no seed", "no such backend", "no such version", "too old", "another version"],
)
def test_what_is_not_there_is_2(arguments: list[str], words: list[str]) -> None:
    done = run("check", *arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


def test_a_server_that_cannot_be_reached_is_2() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = run("check", "--pg", f"postgresql://someone:hidden@127.0.0.1:{port}/postgres")
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be reached" in done.stderr
    assert "hidden" not in done.stderr


@pytest.mark.parametrize("escaped", ["s3cret%zz", "s3cret%de", "s3cret@", "s3cret/"])
@pytest.mark.parametrize("words", [["check", "--pg"], ["diff", "sql/migrations"], ["apply"]], ids=lambda c: c[0])
def test_a_url_that_is_not_valid_is_2_and_its_password_is_not_shown(words: list[str], escaped: str) -> None:
    done = run(*words, f"postgresql://me:{escaped}x@127.0.0.1:1/postgres")
    assert done.returncode == 2
    assert "URL of the database is not valid" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


SECRET = "postgresql+psycopg://me:s3cret@127.0.0.1:1/postgres"


@pytest.mark.parametrize(
    "words",
    [
        [SECRET],
        ["check", SECRET],
        ["check", "sql/migrations", SECRET],
        ["check", "--pg", SECRET],
        ["check", "--seed", SECRET],
        ["check", "--timeout", SECRET],
        ["check", "--report", f"html={SECRET}"],
        ["lint", "--since", SECRET],
        ["diff", "sql/migrations", SECRET],
        ["apply", SECRET],
        ["apply", "postgresql://me@127.0.0.1:1/postgres", SECRET],
    ],
    ids=lambda words: " ".join(words).replace(SECRET, "URL"),
)
def test_a_password_is_not_shown_wherever_its_url_was_written(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr
    assert "s3cret" not in done.stdout + done.stderr


def test_psql_asks_for_a_password_that_was_given_to_us() -> None:
    server = Server("url", 180000, {"host": "h", "user": "me", "password": "s3cret"}, "me", "postgres", ours=False)
    logins = {"authenticator": "made-up"}
    assert "s3cret" not in keeping.command(server, "db", user="postgres")
    assert "made-up" in keeping.command(replace(server, logins=logins), "db", user="authenticator")
    assert "s3cret" in keeping.command(replace(server, ours=True), "db", user="postgres")


def test_the_first_line_names_folder_and_file_where_they_are_not_the_current_folders(tmp_path: Path) -> None:
    shop = tmp_path / "apps" / "shop"
    for folder in (tmp_path / "db" / "migrations", shop / "migrations"):
        folder.mkdir(parents=True)
        (folder / "1_notes.sql").write_text(SCHEMA)
    (tmp_path / "pyproject.toml").write_text('[tool.pgassay]\nmigrations = "db/migrations"\n' + TENANCY)
    first, second, third, *_ = run("check", "--pg", "embedded", cwd=shop).stdout.splitlines()
    assert first == "Migrations of ../../db/migrations, configured by ../../pyproject.toml"
    assert second == "Those of migrations are passed over; to take them: pgassay … migrations"
    assert third.startswith("PostgreSQL")
    first, second, *_ = run("check", "migrations", "--pg", "embedded", cwd=shop).stdout.splitlines()
    assert first == (
        "Migrations of migrations, configured by ../../pyproject.toml, whose own migrations are ../../db/migrations"
    )
    assert second.startswith("PostgreSQL")
    assert run("check", "--pg", "embedded", cwd=tmp_path).stdout.startswith("PostgreSQL")
    (tmp_path / "pyproject.toml").unlink()
    first, *_ = run("check", str(shop), "--pg", "embedded", cwd=tmp_path).stdout.splitlines()
    assert first == "Migrations of apps/shop/migrations, without configuration"


def test_a_snapshot_of_the_current_folder_is_not_of_another_project(tmp_path: Path) -> None:
    for name, text in {"here": SCHEMA, "other": SCHEMA + "create table public.more ();"}.items():
        (tmp_path / name / "migrations").mkdir(parents=True)
        (tmp_path / name / "migrations" / "1_notes.sql").write_text(text)
    assert run("snapshot", "--pg", "embedded", cwd=tmp_path / "here").returncode == 0
    assert (tmp_path / "here" / "pgassay.snapshot").exists()
    said = run("check", "../other", "--verbose", "--pg", "embedded", cwd=tmp_path / "here").stdout
    assert "schema-" not in said
    assert run("snapshot", "../other", "--pg", "embedded", cwd=tmp_path / "here").returncode == 0
    assert (tmp_path / "other" / "pgassay.snapshot").exists()


def test_an_unknown_key_is_2(project: Callable[..., Path]) -> None:
    done = run("check", cwd=project("[tool.pgassay]\nrelation = []", _1_a="select 1;"))
    assert done.returncode == 2
    assert "'relation'" in done.stderr
    assert "Did you mean 'relations'?" in done.stderr


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_examples_and_is_listed_with_its_first_line(name: str) -> None:
    printed = run(name, "--help").stdout
    assert "Examples:" in printed
    assert cli.COMMANDS[name] in " ".join(printed.split())


HEAVY = {
    "email",
    "hypothesis",
    "importlib.metadata",
    "jinja2",
    "postgast",
    "psycopg",
    "rich",
    "sqlfluff",
    "testcontainers",
}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_saying_what_it_is_loads_nothing_of_what_it_does(option: str) -> None:
    assert loaded(option) & HEAVY == set()


def test_a_check_loads_hypothesis_for_patterns_alone(project: Callable[..., Path]) -> None:
    schema = SCHEMA + "alter table public.notes add color text not null check (color {});"
    folder = project(_1_notes=schema.format("in ('red', 'green')"))
    needed = {"email", "importlib.metadata", "postgast", "psycopg", "rich"}
    assert loaded("check", "--pg", "embedded", cwd=folder) & HEAVY == needed
    (folder / "migrations" / "1_notes.sql").write_text(schema.format("~ '^#[0-9a-f]{3}$'"))
    assert "hypothesis" in loaded("check", "--pg", "embedded", cwd=folder)


def loaded(*arguments: str, cwd: Path = ROOT) -> set[str]:
    """The packages that the command imports with these arguments."""
    command = [sys.executable, "-X", "importtime", "-m", "pgassay", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", ["click", "pgassay.errors", "psycopg", "pgassay.cli.ending"])
def test_ctrl_c_while_modules_are_loaded_is_130_and_one_line(module: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pgassay", "check", "--pg", "embedded"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert any(line.rpartition("|")[2].strip() == module for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
        assert process.wait() == 130
        assert process.stdout.read() == ""
    assert len(said) == 1
    assert said[0].startswith("pgassay: interrupted; ")


LOST = """
import signal, sys, threading
from pgassay.cli.ending import errors_as_sentences

class Careless:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)  # Python drops what is raised here

def work():
    {}

print("begun", flush=True)
with errors_as_sentences():
    work()
"""


@pytest.mark.parametrize(
    "work",
    [
        "Careless(); threading.Event().wait()",
        "try: signal.raise_signal(signal.SIGINT)\n    except BaseException: threading.Event().wait()",
        "try: signal.raise_signal(signal.SIGINT)\n    except BaseException: raise ValueError('in its place')",
        "try: signal.raise_signal(signal.SIGINT)\n    finally: sys.exit(1)",
        "signal.raise_signal(signal.SIGINT)",
    ],
    ids=["dropped", "caught", "replaced", "an exit", "let through"],
)
def test_ctrl_c_is_130_and_one_line_whatever_becomes_of_the_exception(work: str) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LOST.format(work)], capture_output=True, text=True, check=False, preexec_fn=heed_ctrl_c
    )
    assert (done.returncode, done.stderr) == (130, "pgassay: interrupted; what it had started is stopped.\n")
    assert time.monotonic() - began < 10, "it is not waited for"


def heed_ctrl_c() -> None:
    """A shell has its background jobs ignore it, and what these start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever fails here: a process that nobody ends would be waited for without an end."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=lambda how: str(how)
)
def test_a_server_that_is_kept_is_gone_however_it_ends(how: signal.Signals, code: int) -> None:
    with (
        subprocess.Popen(
            [*PGASSAY, "up", "--pg", "embedded"], cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
        ) as up,
        ended(up),
    ):
        assert up.stdout is not None
        lines: list[str] = []
        while not lines or "until Ctrl-C" not in lines[-1]:
            lines.append(up.stdout.readline())
        url = next(line.split("'")[1] for line in lines if "postgresql://postgres@" in line)
        with psycopg.connect(url) as connection:
            assert connection.execute("select current_user").fetchone() == ("postgres",)
            connection.execute("create extension if not exists pgtap with schema extensions")  # as tests in SQL begin
            connection.execute("select extensions.plan(1)")
            assert connection.execute("select extensions.ok(true, 'a test')").fetchone() == ("ok 1 - a test",)
            home = Path(connection.info.host)
        assert home.is_dir()
        up.send_signal(how)
        up.stdout.read()
        assert up.wait() == code
    while home.exists():  # after SIGKILL the watchdog is on its own; without it, the test's own limit ends this
        pass
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
