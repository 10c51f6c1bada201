"""The commands ``snapshot`` and ``diff``: what they write, say and exit with."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgassay import environment, migrations, sqltree
from pgassay.checks import snapshot
from pgassay.checks.snapshot import layout, reading, sources, state
from pgassay.config import Config
from pgassay.errors import PgassayError, Unavailable
from pgassay.identity import Databases, Session
from pgassay.migrations import Script
from pgassay.schema.implying import implies
from pgassay.servers import running
from tests.harness.test_cli import ROOT, SCHEMA, TENANCY, run
from tests.harness.test_snapshot import BASES, HOST, JOBS, PLAIN, ZOO, scripts

HELPER = """
create function public.mine(org uuid) returns boolean language sql stable security definer set search_path = ''
as $$ select exists (select from public.members as m where m.org_id = org and m.user_id = (select auth.uid())) $$;
drop policy mine on public.notes;
create policy mine on public.notes to authenticated using (public.mine(org_id));
"""
OPENED = HELPER.split("drop policy")[0].replace("create function", "create or replace function")
OPENED = re.sub(r"\$\$.*\$\$", "$$ select true $$", OPENED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a snapshot."""
    tmp_path = tmp_path_factory.mktemp("project")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_notes.sql").write_text(SCHEMA)
    (tmp_path / "migrations" / "2_helper.sql").write_text(HELPER)
    (tmp_path / "pyproject.toml").write_text(f'[tool.pgassay]\nmigrations = "migrations"\n{TENANCY}')
    done = run("snapshot", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "project")


def add(project: Path, sql: str) -> None:
    (project / "migrations" / "3_more.sql").write_text(sql)


def accepted(project: Path) -> str:
    return (project / "pgassay.snapshot").read_text()


def test_a_snapshot_says_the_schema_and_who_reaches_whose_rows(project: Path) -> None:
    lines = accepted(project).splitlines()
    assert lines[0] == "pgassay snapshot, format 1"
    assert "table public.notes" in lines
    assert "    column org_id: uuid not null" in lines
    access = lines[lines.index("access public.notes") :]
    assert "    member of A: select own, insert own, update own, delete own" in access
    assert not [line for line in lines if "auth.users (" in line or line.startswith("table auth")]


def test_the_same_schema_is_0(project: Path) -> None:
    done = run("snapshot", "--check", "--pg", "embedded", cwd=project)
    assert (done.returncode, "No difference" in done.stdout) == (0, True)


def test_a_difference_is_1_and_shown_as_lines(project: Path) -> None:
    add(project, "alter table public.notes alter column text type varchar(10);")
    before = accepted(project)
    done = run("snapshot", "--check", "--pg", "embedded", cwd=project)
    assert done.returncode == 1
    assert "breaks  column text is character varying(10) now, and not text" in done.stdout
    assert "    -column text: text not null\n    +column text: character varying(10) not null\n" in done.stdout
    assert "1 difference: 1 break\n" in done.stdout
    assert done.stdout.endswith("\nTo accept them: pgassay snapshot --update\n")
    assert accepted(project) == before


def test_a_helper_that_opens_rows_shows_in_the_access_though_no_policy_changed(project: Path) -> None:
    add(project, OPENED)
    done = run("snapshot", "--check", "--pg", "embedded", cwd=project)
    assert done.returncode == 1
    assert "loosens  its body was changed, and policies or checks of access rely on it" in done.stdout
    assert "loosens  stranger reaches more rows now with select, insert, update, delete" in done.stdout
    assert "policy mine" not in done.stdout
    assert done.stdout.endswith("\nTo accept them: pgassay snapshot --update --reason '…'\n")


def test_nothing_is_said_of_what_a_function_gives_since_it_is_not_called(project: Path) -> None:
    function = "create function public.size_of(t text) returns bigint language sql as $$ select length(t) $$;"
    add(project, function)
    assert run("snapshot", "--update", "--pg", "embedded", cwd=project).returncode == 0
    add(project, f"{function} alter function public.size_of(text) security definer;")
    done = run("snapshot", "--check", "--pg", "embedded", cwd=project)
    told = " ".join(done.stdout.split())
    assert "nobody was observed to reach more in tables and views; it was not called, as pgassay check does" in told


def test_a_wider_access_is_accepted_only_with_a_reason_which_is_kept(project: Path) -> None:
    before = accepted(project)
    add(project, "create policy more on public.orgs for select to authenticated using (id is null);")
    refused = run("snapshot", "--update", "--pg", "embedded", cwd=project)
    assert refused.returncode == 2
    assert "only with a reason" in refused.stderr
    assert accepted(project) == before
    done = run("snapshot", "--update", "--reason", "they are few", "--pg", "embedded", cwd=project)
    assert done.returncode == 0, done.stderr
    history = accepted(project).split("\nhistory\n")[1]
    what = "policy more is new, and allows what was not allowed; nobody was observed to reach more of its rows"
    line = rf"    \d{{4}}-\d\d-\d\d loosens table public.orgs: {what} \(they are few\)\n"
    assert re.fullmatch(line, history)
    assert run("snapshot", "--check", "--pg", "embedded", cwd=project).returncode == 0
    add(project, "comment on table public.orgs is 'Who pays.';")
    done = run("snapshot", "--update", "--pg", "embedded", cwd=project)
    assert (done.returncode, "reason" in done.stdout) == (0, False), "nothing is loosened"
    assert accepted(project).split("\nhistory\n")[1] == history
    assert [path.name for path in project.iterdir() if "snapshot" in path.name] == ["pgassay.snapshot"]


def test_check_compares_where_there_is_a_snapshot(project: Path) -> None:
    assert run("check", "--verbose", "--pg", "embedded", cwd=project).returncode == 0
    add(project, "create table public.extra (id integer); alter table public.extra enable row level security;")
    add(project, "comment on table public.notes is 'Words.';")
    done = run("check", "--verbose", "--pg", "embedded", cwd=project)
    assert done.returncode == 1
    assert "error  public.notes: table: comment is new  [schema-adds]" in done.stdout
    (project / "pyproject.toml").write_text(f'[tool.pgassay]\nmigrations = "migrations"\nfail_on = "breaks"\n{TENANCY}')
    done = run("check", "--verbose", "--pg", "embedded", cwd=project)
    assert done.returncode == 0
    assert "warning  public.notes: table: comment is new  [schema-adds]" in done.stdout
    assert run("snapshot", "--check", "--pg", "embedded", cwd=project).returncode == 0
    (project / "pgassay.snapshot").unlink()
    assert "schema-" not in run("check", "--verbose", "--pg", "embedded", cwd=project).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["snapshot", "--check"], ["no snapshot", "pgassay snapshot"]),
        (["snapshot", "--update"], ["no snapshot"]),
        (["snapshot", "--check", "--update"], ["only one"]),
        (["snapshot", "--reason", "because"], ["--reason", "--update"]),
        (["snapshot", "--update", "--reason", " "], ["--reason"]),
        (["diff"], ["none is named", "main..HEAD"]),
        (["diff", "one"], ["one is no folder", "git knows no revision"]),
        (["diff", "a", "b", "c"], ["3 are named"]),
        (["diff", "nothing", "migrations"], ["nothing is no folder", "git knows no revision"]),
        (["diff", "a..b"], ["a is no folder"]),
        (["diff", "a...b"], ["three dots"]),
        (["diff", "--upload-pack=x..HEAD"], ["No such option"]),
        (["diff", "migrations", "pyproject.toml"], ["pyproject.toml is no snapshot of pgassay"]),
        (["diff", "empty", "migrations"], ["no migrations in empty"]),
        (["diff", "migrations", "postgresql://someone:hidden@127.0.0.1:1/postgres"], ["cannot be reached"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_cannot_be_compared_is_2(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "migrations" / "1_a.sql").write_text("create table a (); alter table a enable row level security;")
    (tmp_path / "pyproject.toml").write_text('[tool.pgassay]\nmigrations = "migrations"\n')
    done = run(*arguments, "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert "hidden" not in done.stderr
    assert not (tmp_path / "pgassay.snapshot").exists()


def test_a_waiver_without_a_rule_does_not_hide_what_its_object_becomes(project: Path) -> None:
    waiver = '[[tool.pgassay.waive]]\nobject = "public.notes"\nreason = "not now"\n'
    (project / "pyproject.toml").write_text(f'[tool.pgassay]\nmigrations = "migrations"\n{TENANCY}{waiver}')
    add(project, "comment on table public.notes is 'Words.';")
    assert "comment is new  [schema-adds]" in run("check", "--verbose", "--pg", "embedded", cwd=project).stdout
    named = f'{waiver}rule = "schema-adds"\n'
    (project / "pyproject.toml").write_text(f'[tool.pgassay]\nmigrations = "migrations"\n{TENANCY}{named}')
    done = run("check", "--verbose", "--pg", "embedded", cwd=project)
    assert (done.returncode, "comment is new  [schema-adds]" in done.stdout) == (0, False), done.stdout


def test_a_grade_that_is_none_is_2(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.pgassay]\nfail_on = "loosen"\n')
    done = run("snapshot", "--pg", "embedded", cwd=tmp_path)
    assert (done.returncode, "fail_on must be one of adds, changes, breaks, loosens" in done.stderr) == (2, True)


def git(where: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", where, *settings, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_two_revisions_are_compared_without_touching_the_work_tree(project: Path) -> None:
    git(project, "init", "-q", "-b", "main")
    (project / ".gitattributes").write_text("migrations export-ignore\n")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "one")
    git(project, "switch", "-q", "-c", "branch")
    add(project, "grant select on public.notes to anon; drop policy mine on public.orgs;")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "two")
    add(project, "this is no SQL, and not committed")
    status = git(project, "status", "--porcelain")
    done = run("diff", "main..HEAD", "--pg", "embedded", cwd=project)
    assert done.returncode == 1, done.stderr
    assert "- revision main\n+ revision HEAD\n" in done.stdout
    assert "breaks  policy mine was dropped" in done.stdout
    assert "breaks  member of A reaches fewer rows now" in done.stdout
    assert git(project, "status", "--porcelain") == status
    assert run("diff", "HEAD..HEAD", "--pg", "embedded", cwd=project).returncode == 0
    assert run("diff", "main", "migrations", "--pg", "embedded", cwd=project).returncode == 2, "that is no SQL"


def test_two_folders_are_compared(project: Path) -> None:
    shutil.copytree(project / "migrations", project / "other")
    (project / "other" / "1_notes.sql").rename(project / "other" / "01_renamed.sql")
    assert run("diff", "migrations", "other", "--pg", "embedded", cwd=project).returncode == 0
    (project / "other" / "3_more.sql").write_text("create index notes_by_org on public.notes (org_id);")
    done = run("diff", "migrations", "other", "--pg", "embedded", cwd=project)
    assert (done.returncode, "adds  index notes_by_org is new" in done.stdout) == (1, True)
    (project / "pyproject.toml").write_text('[tool.pgassay]\nfail_on = "changes"\n')
    done = run("diff", "migrations", "other", "--pg", "embedded", cwd=project)
    assert (done.returncode, "adds  index notes_by_org is new" in done.stdout) == (0, True)


def test_two_snapshots_are_compared_without_a_server(project: Path) -> None:
    other = project / "other.snapshot"
    other.write_text(accepted(project).replace("    row level security: enabled\n", "    row level security: off\n", 1))
    done = run("diff", "pgassay.snapshot", "other.snapshot", cwd=project)
    assert done.returncode == 1
    assert "PostgreSQL" not in done.stdout
    assert "loosens  row level security was switched off" in done.stdout


def test_drift_of_a_live_database_is_found_and_nothing_is_written_there(project: Path, pg_databases: Databases) -> None:
    scripts_ = migrations.discover(project / "migrations").migrations
    template = pg_databases.template((), scripts_)
    with pg_databases.copy(template) as live:
        owner = live.connect()
        done = run("diff", "migrations", live.url, "--pg", "embedded", cwd=project)
        assert done.returncode == 0, done.stdout + done.stderr
        owner.execute("create table public.by_hand (id integer)")
        owner.execute("alter table public.notes disable row level security")
        writes = (  # in this database, and not in the catalogs that all of the server share
            "select sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del) from pg_stat_all_tables as s "
            "join pg_class as c on s.relid = c.oid where not c.relisshared"
        )
        owner.execute("select pg_stat_force_next_flush()")  # what this session has written itself
        before = owner.execute(writes).fetchone()
        done = run("diff", "migrations", live.url, "--pg", "embedded", cwd=project)
        assert done.returncode == 1
        assert "loosens  row level security was switched off" in done.stdout
        assert "adds  table is new" in done.stdout
        assert "access" not in done.stdout
        assert owner.execute(writes).fetchone() == before


def test_a_live_database_is_read_in_a_transaction_that_may_not_write(
    pg_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, settings = reading.read, Config(root=ROOT)
    with pg_databases.copy(pg_databases.template((), ())) as live:

        def writing(connection: psycopg.Connection[Any]) -> state.State:
            if connection.info.dbname == live.name:
                connection.execute("create table public.by_pgassay ()")
            return read(connection)

        monkeypatch.setattr(reading, "read", writing)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            sources.take(sources.Source("database", live.url), settings, pg_databases, lambda *_: None)


def take(databases: Databases, before: tuple[Script, ...], after: tuple[Script, ...]) -> str:
    return str(snapshot.take(databases, databases.template(before, after), before, None))


def take_all(databases: Databases) -> list[str]:
    return [take(databases, *schema) for schema in BASES.values()]


def test_every_server_writes_the_same(pg_databases: Databases) -> None:
    written = {str(pg_databases.server): take_all(pg_databases)}
    for backend in ("embedded", "system"):
        with (
            contextlib.suppress(Unavailable),
            running(Config(root=ROOT, pg=backend)) as bare,
            Databases(environment.prepare(bare), Session) as databases,
        ):
            written[str(databases.server)] = take_all(databases)
    first, *others = written.values()
    assert [other == first for other in others] == [True] * len(others), list(written)


def test_what_was_there_before_is_told_only_where_migrations_touch_it(pg_databases: Databases) -> None:
    before = scripts("create table public.a (x integer); create table public.b (y integer); create table public.c ();")
    after = scripts("alter table public.a add column z text, alter column x set not null; drop table public.c;")
    text = take(pg_databases, before, after)
    assert text.split("\n\n")[1:] == [
        "part of table public.a\n    column x: integer not null\n    column z: text\n    without column x: integer",
        "part of table public.c\n    dropped\n",
    ]


NAMES = ['a "quoted": one', "two\nlines", "x" * 63, "Größe", "with, comma", "'", "\\", "history", "owner: b"]


def test_any_name_and_any_text_is_read_as_it_was_written(tmp_path: Path, pg_databases: Databases) -> None:
    parts = []
    for number, name in enumerate(NAMES):
        table, literal = '"' + name.replace('"', '""') + '"', name.replace("'", "''")
        parts.append(
            f"create table public.{table} ({table} text default '{literal}', n{number} integer check (n{number} > 0));"
        )
        parts.append(f"comment on table public.{table} is '{literal}\n\n    {literal}\n        ';")
        parts.append(f"create policy {table} on public.{table} using ({table} = '\nusing {literal}\nwith check');")
        parts.append(f"grant select ({table}) on public.{table} to anon;")
        parts.append(
            f"create function public.{table}() returns text language sql as $f$ select '\n\n {literal}  \n' $f$;"
        )
    template = pg_databases.template((), scripts("\n".join(parts)))
    found = snapshot.take(pg_databases, template, (), None)
    state.write(tmp_path / "file", found)
    back = state.read(tmp_path / "file")
    assert {key: dict(thing.entries) for key, thing in back.objects.items()} == {
        key: dict(thing.entries) for key, thing in found.objects.items()
    }
    assert len({name for kind, name in back.objects if kind == "table"}) == len(NAMES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pgassay snapshot, format 99\n", "format 99"),
        ("create table a ();\n", "no snapshot"),
        ("pgassay snapshot, format 1\n\n<<<<<<< HEAD\ntable a\n", "no object"),
        ("pgassay snapshot, format 1\n\ntable a\n  owner\n", "file:4: this is no entry of table"),
        ("pgassay snapshot, format 1\n    owner: a\n", "belongs to no object"),
    ],
    ids=["later format", "something else", "conflict", "bad indentation", "entry of nothing"],
)
def test_a_file_that_is_no_snapshot_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(PgassayError, match=words):
        state.read(tmp_path / "file")


@pytest.mark.parametrize(
    "text", [script.sql for script in (*HOST, *JOBS, *ZOO)] + [PLAIN], ids=range(len(HOST) + len(JOBS) + 2)
)
def test_the_layout_leaves_out_no_word_and_adds_none(text: str) -> None:
    bodies = [(found[2], "plpgsql") for found in re.finditer(r"(\$\w*\$)(.*?)\1", text, re.DOTALL)]
    for written, language in [(text, "sql"), *bodies, *((body, "sql") for body, _ in bodies)]:
        words = [token.text for token in layout.tokens(written) or ()]
        while words[-1] == ";":
            words.pop()
        laid = layout.body(written, language)
        assert [token.text for token in layout.tokens(laid) or ()] == words
        assert layout.body(laid, language) == laid


@pytest.mark.parametrize(
    ("narrower", "wider", "expected"),
    [
        ("a = 1 and b = 2", "a = 1", True),
        ("a = 1", "a = 1 and b = 2", False),
        ("(a = 1) AND (b = 2)", "b=2", True),
        ("a = 1", "a = 1 or b = 2", True),
        ("a = 1 or b = 2", "a = 1", False),
        ("a = 1 and b = 2 or c = 3", "a = 1", False),
        ("x = any (array['a'::text])", "x = any (array['a'::text, 'b'::text])", True),
        ("x = any (array['a'::text, 'c'::text])", "x = any (array['a'::text, 'b'::text])", False),
        ("a between 1 and 2", "a between 1 and 2 and b", False),
        ("a between 1 and 2 and b", "a between 1 and 2", True),
        ("not (a and b)", "not a", False),
        ("a", "true", True),
        ("false", "a", True),
        ("true", "a", False),
        ("b = a", "(select a) = b", True),
        ("a > 1", "1 < a", True),
        ("x = 'a'", "x in ('a', 'b')", True),
        ("x in ('a', 'b')", "x = 'a'", False),
        ("x = any (array['b', 'a'])", "x in ('a', 'b')", True),
        ("a::date = b", "a = b", False),
        ("coalesce(a and b, false)", "a", True),
        ("not (a or b)", "not b", True),
        ("(a or b) and c", "a and c or b", True),
        ("case when a then b else false end", "b", True),
        ("a and", "a", False),
    ],
)
def test_a_condition_is_narrower_only_where_its_form_shows_it(narrower: str, wider: str, expected: bool) -> None:
    assert implies(*map(sqltree.expression, (narrower, wider))) is expected
