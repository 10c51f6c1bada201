"""The pytest plugin, as a project sees it that does nothing but install pgassay: each test runs one of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import psycopg
import pytest

from tests.harness.test_cli import heed_ctrl_c

pytest_plugins = ["pytester"]

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 30
CACHE = platformdirs.user_cache_path()  # pytester moves the home of those whom it starts, and an empty cache costs time
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error")
TRACEBACK = re.compile(r"^E  |\.py\b|Traceback", re.M)
NOTES = "create table public.notes (note text);"
ENDED = (
    "The test ended the transaction that was to be rolled back after it.\n"
    "A test that commits, or rolls back as a whole, takes the fixture clone."
)
PRELUDE = """
import json, os, signal
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings, strategies as st

from pgassay import Session

def notes(session):
    return [note for (note,) in session.execute("select note from public.notes order by note")]

def insert(session, note):
    session.execute("insert into public.notes values (%s)", [note])

def record(server, name="server", **more):
    home = Path(server.params["host"])
    pid = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
    facts = {"home": str(home), "pid": pid, **more}
    Path(__file__).with_name(f"{name}.json").write_text(json.dumps(facts))
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one migration."""
    for name in [name for name in os.environ if name.startswith("PGASSAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # what is printed has to be seen without it
    configure(pytester, 'migrations = "migrations"')
    migrate(pytester, NOTES)
    return pytester


def configure(project: pytest.Pytester, *lines: str) -> None:
    project.makepyprojecttoml("\n".join(["[tool.pgassay]", *lines]))


def migrate(project: pytest.Pytester, text: str) -> None:
    folder = project.path / "migrations"
    folder.mkdir(exist_ok=True)
    (folder / "1_notes.sql").write_text(text)


def run(project: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run ``tests`` to their end."""
    project.makepyfile(test_it=PRELUDE + tests)
    return project.run(*PYTEST, *options, timeout=PATIENCE_SECONDS)


def run_embedded(project: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    return run(project, tests, "--pg", "embedded", *options)


def facts(project: pytest.Pytester) -> list[dict[str, Any]]:
    """What the tests of a project recorded."""
    return [json.loads(path.read_text()) for path in sorted(project.path.glob("*.json"))]


def errors(result: pytest.RunResult) -> list[str]:
    """What is said of each error of a run, without the line in which xdist names the worker."""
    said = re.findall(r"^_+ ERROR at .*? _+\n(.*?)(?=^__|^==|^pgassay: )", result.stdout.str() + "\n", re.M | re.S)
    return [re.sub(r"^\[gw\d+\].*\n", "", text, flags=re.M).strip() for text in said]


def is_gone(server: dict[str, Any]) -> bool:
    """Whether neither the process nor the directory of a server is there."""
    try:
        os.kill(server["pid"], 0)
    except ProcessLookupError:
        return not Path(server["home"]).exists()
    except PermissionError:
        pass
    return False


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds, which other processes bring about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def test_the_fixtures_work_in_a_project_that_only_installs_pgassay(project: pytest.Pytester) -> None:
    result = run_embedded(
        project,
        """
@pytest.mark.parametrize("time", [1, 2])
def test_db(db, time):
    assert notes(db) == []
    insert(db, "db")
    assert notes(db) == ["db"]

@pytest.mark.parametrize("time", [1, 2])
def test_clone(clone, db, time):
    one, other = clone.connect(), clone.connect()
    assert notes(one) == []
    with one.transaction():
        insert(one, "one")
    assert notes(other) == ["one"]
    insert(other, "other")
    assert notes(one) == ["one", "other"]
    assert notes(db) == []

def test_example_in_a_test_that_has_db(db, example):
    insert(db, "db")
    with example() as inner:
        insert(inner, "example")
        assert notes(inner) == ["db", "example"]
    assert notes(db) == ["db"]

def test_template(pg_server, pg_databases, pg_template):
    with pg_databases.clone(pg_template).connect() as session:
        assert notes(session) == []
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        pg_server.connect(pg_template.name, kind=Session)
    record(pg_server)
""",
        "--pg-keep",  # nothing fails, so that nothing is kept, and nobody waited for
    )
    result.assert_outcomes(passed=6)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.re_match_lines([r"pgassay: PostgreSQL \d+\.\d+ \(embedded\)"])
    (server,) = facts(project)
    assert is_gone(server)


def test_a_test_that_ends_its_transaction_is_told_so_and_the_next_one_is_clean(project: pytest.Pytester) -> None:
    result = run_embedded(
        project,
        """
@pytest.mark.parametrize("how", ["commit", "rollback", "commit; begin", "rollback and chain"])
def test_that_ends_it(db, how):
    assert notes(db) == []
    insert(db, how)
    db.execute(how)

def test_next(db):
    assert notes(db) == []
""",
    )
    result.assert_outcomes(passed=5, errors=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert errors(result) == [ENDED] * 4


def test_what_a_test_committed_before_it_failed_is_not_seen_by_the_next_one(project: pytest.Pytester) -> None:
    result = run_embedded(
        project,
        """
def test_that_commits_and_fails(example):
    with example() as db:
        insert(db, "of an example")
        db.execute("commit")
        raise RuntimeError

def test_after_one_that_failed(db):
    assert notes(db) == []

def test_that_commits_and_leaves_another_transaction_aborted(db):
    insert(db, "of a test")
    db.execute("commit; begin")
    with pytest.raises(psycopg.errors.DivisionByZero):
        db.execute("select 1 / 0")

def test_after_one_that_was_aborted(db):
    assert notes(db) == []
""",
    )
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (3, 1)


def test_examples_of_hypothesis_leave_no_trace_and_need_no_patience(project: pytest.Pytester) -> None:
    """A template of some hundred megabytes takes longer to copy than Hypothesis lets an example take."""
    project.makeconftest(
        """
import time
from pgassay.templates import Databases

def slow(self, *arguments, original=Databases.clone):
    time.sleep(0.3)
    return original(self, *arguments)

Databases.clone = slow
"""
    )
    result = run_embedded(
        project,
        """
seen = set()

@settings(deadline=200)
@given(note=st.sampled_from(["a", "b", "c"]))
def test_examples(example, note):
    with example() as db:
        assert notes(db) == []
        insert(db, note)
        seen.add(note)

@given(note=st.sampled_from(["a", "b", "c"]))
def test_example_within_example(example, note):
    with example() as db:
        with example() as inner:
            insert(inner, note)
        assert notes(db) == []

def test_next(db):
    assert notes(db) == []
    assert seen == {"a", "b", "c"}
""",
    )
    result.assert_outcomes(passed=3)


def test_workers_share_one_server_and_one_template(project: pytest.Pytester) -> None:
    migrate(project, f"{NOTES} create role made_once;")  # a second time, this is an error
    result = run_embedded(
        project,
        """
@pytest.mark.parametrize("number", [0, 1])
def test_on_each_worker(pg_server, pg_template, clone, db, worker_id, number):
    insert(clone.connect(), worker_id)
    insert(db, worker_id)
    assert notes(db) == [worker_id]
    started, template = db.execute(
        "select pg_postmaster_start_time()::text, (select oid::text from pg_database where datname = %s)",
        [pg_template.name],
    ).fetchone()
    built = len(pg_template.applied)
    record(pg_server, worker_id, run=pg_server.run, started=started, template=template, built=built)
""",
        "-n2",
    )
    result.assert_outcomes(passed=2)
    one, other = facts(project)  # a file for each worker
    assert sorted([one.pop("built"), other.pop("built")]) == [0, 1]
    assert one == other
    assert one["template"] is not None
    assert result.stdout.str().count("pgassay: PostgreSQL") == 1
    assert is_gone(one)


def test_a_run_that_needs_no_database_starts_no_server(project: pytest.Pytester) -> None:
    result = run_embedded(project, "def test_without_a_database(): pass", "--pg-version", "99")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("pgassay: *")


@contextmanager
def broken_server() -> Iterator[tuple[int, list[Any]]]:
    """The port of a server that hangs up on everybody, and a list of those who called."""
    calls: list[Any] = []

    class Call(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            calls.append(self.client_address)

    with socketserver.TCPServer(("127.0.0.1", 0), Call) as server:
        thread = threading.Thread(target=server.serve_forever, args=[POLL_SECONDS])
        thread.start()
        try:
            yield server.server_address[1], calls
        finally:
            server.shutdown()
            thread.join()


def test_a_server_that_cannot_be_had_is_one_sentence_a_test_and_tried_once(project: pytest.Pytester) -> None:
    with broken_server() as (port, calls):
        result = run(
            project,
            """
def test_db(db): pass
def test_clone(clone): pass
def test_server(pg_server): pass
def test_example(example): pass
def test_without_a_database(): pass
""",
            *("--pg", f"postgresql://me:secret@127.0.0.1:{port}/postgres?sslmode=disable&gssencmode=disable"),
            "-n2",
        )
    result.assert_outcomes(passed=1, errors=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (said,) = set(errors(result))
    assert len(errors(result)) == 4
    assert re.match(rf".*127\.0\.0\.1:{port} cannot be reached", said)
    assert not TRACEBACK.search(said)
    assert "secret" not in result.stdout.str()
    assert len(calls) == 1


def test_a_migration_that_fails_is_shown_with_its_line_and_nothing_else(project: pytest.Pytester) -> None:
    migrate(project, f"{NOTES}\n\ncreate tabel public.more ();\nselect 1;")
    result = run_embedded(
        project,
        """
def test_db(db): pass
def test_clone(clone): pass
def test_server(pg_server): pass
""",
    )
    result.assert_outcomes(passed=1, errors=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (said,) = set(errors(result))
    assert said.startswith(f"{project.path}/migrations/1_notes.sql:3: PostgreSQL refused this statement:\n")
    assert ">    3 | create tabel public.more ();" in said.splitlines()
    assert said.endswith('ERROR: syntax error at or near "tabel" (SQLSTATE 42601)')
    assert not TRACEBACK.search(said)


@pytest.mark.parametrize("how", ["file", "environment", "command line"])
def test_a_migration_that_loops_is_ended_after_the_timeout(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    migrate(project, f"{NOTES}\ndo $$ begin loop end loop; end $$;")
    configure(project, 'migrations = "migrations"', f"timeout = {1 if how == 'file' else 97}")
    if how == "environment":
        monkeypatch.setenv("PGASSAY_TIMEOUT", "1")
    options = ["--pg-timeout", "1"] if how == "command line" else []
    result = run_embedded(project, "def test_db(db): pass\ndef test_clone(clone): pass", *options)
    result.assert_outcomes(errors=2)
    (said,) = set(errors(result))
    assert said.startswith(f"{project.path}/migrations/1_notes.sql:2: A statement was not over after 1 s.")
    assert "--pg-timeout" in said.splitlines()[-1]


def test_the_timeout_is_not_for_what_tests_do(project: pytest.Pytester) -> None:
    result = run_embedded(project, "def test_db(db): db.execute('select pg_sleep(1.5)')", "--pg-timeout", "1")
    result.assert_outcomes(passed=1)


def test_a_wrong_configuration_is_one_sentence(project: pytest.Pytester) -> None:
    configure(project, 'migration = "migrations"')
    result = run(project, "def test_db(db): pass\ndef test_without_a_database(): pass")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert errors(result) == [
        "[tool.pgassay] in pyproject.toml has the unknown key 'migration'.\nDid you mean 'migrations'?"
    ]


@pytest.mark.parametrize(
    ("environment", "options", "said"),
    [
        ({}, [], "no system PostgreSQL 97"),
        ({"PGASSAY_PG": "embedded", "PGASSAY_PG_VERSION": "98"}, [], "PostgreSQL 98 is wanted, the wheel"),
        (
            {"PGASSAY_PG": "embedded", "PGASSAY_PG_VERSION": "98"},
            ["--pg", "system", "--pg-version", "99"],
            "no system PostgreSQL 99",
        ),
        ({"PGASSAY_PG_IMAGE": "environment:1"}, ["--pg-image", "line:1"], "An image (line:1)"),
    ],
    ids=["file", "environment", "command line", "image"],
)
def test_the_command_line_comes_before_the_environment_and_that_before_the_file(
    project: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    options: list[str],
    said: str,
) -> None:
    configure(project, 'pg = "system"', "pg_version = 97")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (error,) = errors(run(project, "def test_server(pg_server): pass", *options))
    assert error.startswith(said)


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_clones_of_failed_tests_can_be_looked_into_until_the_run_is_interrupted(
    project: pytest.Pytester, workers: str
) -> None:
    project.makeconftest(
        """
import json, os, time
from pathlib import Path
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(config):
    started = time.monotonic()
    yield
    if hasattr(config, "workerinput"):
        Path(os.environ["PYTEST_XDIST_WORKER"] + ".json").write_text(json.dumps({"held": time.monotonic() - started}))
"""
    )
    project.makepyfile(
        test_it=PRELUDE
        + """
def test_that_fails(clone):
    insert(clone.connect(), "kept")
    raise RuntimeError

@pytest.mark.parametrize("number", range(6))
def test_that_passes(clone, number):
    insert(clone.connect(), "dropped")
"""
    )
    output = project.path / "output"

    def urls() -> list[str]:
        found = re.findall(r"^psql '(.+)'$", output.read_text(), re.M)
        return found if "The server runs until Ctrl-C." in output.read_text() else []

    with output.open("w") as file:
        command = [*PYTEST, "--pg=embedded", "--pg-keep", workers]
        process = project.popen(command, stdout=file, stderr=subprocess.STDOUT, preexec_fn=heed_ctrl_c)
    try:
        eventually(lambda: bool(urls()) or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        (url,) = urls()
        with psycopg.connect(url) as session:
            assert session.execute("select note, current_user from public.notes").fetchall() == [("kept", "postgres")]
            home = Path(session.info.host)
        assert home.is_dir()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == pytest.ExitCode.TESTS_FAILED
    finally:
        process.kill()
        process.wait()
    assert "1 failed, 6 passed" in output.read_text()
    assert all(worker["held"] < 1 for worker in facts(project)), "the controlling process holds the run, no worker"
    assert not home.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


@pytest.mark.parametrize(
    ("last_words", "options", "code"),
    [
        ("raise KeyboardInterrupt", [], pytest.ExitCode.INTERRUPTED),
        ("os.kill(os.getpid(), signal.SIGKILL)", [], -signal.SIGKILL),
        ("os.kill(os.getppid(), signal.SIGKILL)", ["-n1"], -signal.SIGKILL),
    ],
    ids=["KeyboardInterrupt", "SIGKILL", "SIGKILL of the process that workers belong to"],
)
def test_the_server_is_gone_however_the_run_ends(
    project: pytest.Pytester, last_words: str, options: list[str], code: int
) -> None:
    tests = f"""
def test_that_ends_the_run(pg_server, db, clone):
    clone.connect()
    record(pg_server)
    {last_words}
"""
    assert run_embedded(project, tests, *options).ret == code
    (server,) = facts(project)
    if code < 0:  # nobody waited for the watchdog
        eventually(lambda: is_gone(server))
    assert is_gone(server)


def test_a_run_that_another_plugin_refuses_says_only_why(project: pytest.Pytester) -> None:
    project.makeconftest("import pytest\ndef pytest_configure(config): raise pytest.UsageError('the reason')")
    result = run(project, "def test_without_a_database(): pass")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == ["ERROR: the reason"]
