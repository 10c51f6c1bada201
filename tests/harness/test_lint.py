"""`pgassay lint`: each thing that it says is planted here, beside something alike that it must not say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pgassay import Session, environment, migrations
from pgassay.checks import lint, linters, locks, lowering, trials
from pgassay.checks.finding import Finding
from pgassay.config import Membership, Tenancy, Waiver
from pgassay.errors import PgassayError
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.servers import local
from tests import needs
from tests.harness import command
from tests.harness.test_cli import SCHEMA, TENANCY

ROOT = needs.ROOT
DEFINER = "create function public.f() returns int language sql security definer {} as 'select 1';"


def script(text: str, name: str = "2_b.sql") -> Script:
    return Script(Path("/project") / name, name, text, name.partition("_")[0])


LOWERING = {
    "a policy dropped": ("drop policy p on public.t;", "public.t", "error"),
    "a policy dropped, another table gets one": (
        "drop policy p on t; create policy p on public.u using (false);",
        "public.t",
        "error",
    ),
    "RLS off": ("alter table public.t add a int, disable row level security;", "public.t", "error"),
    "RLS on, then off": (
        "alter table t enable row level security; alter table t disable row level security;",
        "public.t",
        "error",
    ),
    "RLS no longer forced": ("alter table public.t no force row level security;", "public.t", "error"),
    "a trigger dropped": ("drop trigger x on public.t;", "public.t", "warning"),
    "a trigger off": ("alter table public.t disable trigger x;", "public.t", "error"),
    "all triggers off": ("alter table public.t disable trigger all;", "public.t", "error"),
    "a grant to anon": ("grant select (a), update on public.t to authenticated, anon;", "public.t", "warning"),
    "a grant to everybody": ("grant execute on function s.f(int) to public;", "s.f", "warning"),
    "everything in a schema": ("grant all on all tables in schema s to anon;", "everything in schema s", "warning"),
    "another schema": ("grant usage on schema private to anon;", "schema private", "warning"),
    "default privileges": ("alter default privileges grant all on tables to anon;", "default privileges", "warning"),
    "a role": ("grant service_role to anon;", "service_role", "warning"),
    "a definer without path": (DEFINER.format(""), "public.f", "error"),
    "a definer with another setting": (DEFINER.format("set work_mem = '1GB'"), "public.f", "error"),
    "a definer whose path is the caller's": (
        DEFINER.format("set search_path = ''") + "alter function public.f() reset search_path;",
        "public.f",
        "error",
    ),
    "a policy whose name has a dot": ('drop policy "Only yours." on public.t;', "public.t", "error"),
    "made a definer later": ("alter function f() security definer;", "public.f", "error"),
}
KEEPING = {
    "a policy replaced": "drop policy p on public.t; create policy q on t using (false);",
    "a policy replaced before": "create policy q on public.t using (false); drop policy p on public.t;",
    "its table goes too": "drop policy p on public.t; drop trigger x on t; drop table public.t;",
    "RLS on": "alter table public.t enable row level security, force row level security;",
    "RLS off and on": "alter table t disable row level security; alter table t enable row level security;",
    "a trigger off and on": "alter table t disable trigger x; update t set a = 1; alter table t enable trigger x;",
    "a trigger replaced": "drop trigger x on t; create trigger y before update on t for each row execute function f();",
    "a grant to others": "grant select on public.t to authenticated, service_role;",
    "a revoke from anon": "revoke all on public.t from anon, public;",
    "default privileges taken": "alter default privileges revoke all on tables from anon;",
    "as on Supabase": "grant usage on schema public to anon;",
    "a definer with a path": DEFINER.format("set search_path = ''"),
    "a definer that gets one": DEFINER.format("") + "alter function f() set search_path = '';",
    "no definer": DEFINER.format("").replace("definer", "invoker"),
    "in a comment": "-- drop policy p on public.t;\nselect 'disable row level security';",
    "a policy altered": "alter policy p on public.t to authenticated;",
}


@pytest.mark.parametrize("what", LOWERING)
def test_a_migration_that_lowers_security_is_found(what: str) -> None:
    text, name, severity = LOWERING[what]
    (finding,) = lowering.check([script("-- why\nselect 1;\n\n" + text)])
    assert (finding.rule, finding.object, finding.severity) == (lowering.RULE, name, severity)
    assert finding.location == "/project/2_b.sql:4"


@pytest.mark.parametrize("what", KEEPING)
def test_one_that_does_not_is_let_be(what: str) -> None:
    assert lowering.check([script(KEEPING[what])]) == []


BLOCK = "do $$\ndeclare r record; t text; names public.t.name%type;\nbegin\n    {}\nend;\n$$;"
ALL_TABLES = "for r in select * from pg_tables loop {} end loop;"
LOWERING_BLOCKS = {
    "a statement": ("alter table public.t disable row level security;", "public.t", "error"),
    "in a branch": ("if true then null; else drop policy p on t; end if;", "public.t", "error"),
    "in a handler": ("begin null; exception when others then drop trigger x on t; end;", "public.t", "warning"),
    "a text": ("execute 'drop policy p on public.t';", "public.t", "error"),
    "a text in dollars": ("execute $q$drop policy p on public.t$q$;", "public.t", "error"),
    "a text in parts": ("execute 'drop ' || 'policy p' || concat(' on ', quote_ident('T'));", "public.T", "error"),
    "a block in a block": ("execute 'select 1; do $x$ begin drop policy p on t; end $x$';", "public.t", "error"),
    "a format": ("execute format('drop policy %2$I on %1$s', 's.t'::text, 'p q');", "s.t", "error"),
    "the name of a row": (
        ALL_TABLES.format(
            "execute format('alter table %I.%I no force row level security', r.schemaname, r.tablename);"
        ),
        "<r.schemaname>.<r.tablename>",
        "error",
    ),
    "the name in parts": ("execute 'grant select on ' || t || ' to anon';", "public.<t>", "warning"),
    "policies of any name": (
        "for r in select * from pg_policies loop execute format('drop policy %I on %I', r.policyname, r.tablename);"
        " end loop;",
        "public.<r.tablename>",
        "error",
    ),
    "that, and a policy that may be in its place": (
        "execute format('drop policy p on %I', t); create policy p on public.t using (false);",
        "public.<t>",
        "warning",
    ),
    "a definer": ("execute '" + DEFINER.format("").replace("'", "''") + "';", "public.f", "error"),
    "a text from elsewhere in the block": ("t := 'drop policy p on t'; execute t;", "2_b.sql", "warning"),
    "texts from a query": (
        "for t in select format('drop trigger %I on x', tgname) from pg_trigger loop execute t; end loop;",
        "2_b.sql",
        "warning",
    ),
    "more than names": ("execute 'drop policy ' || t;", "2_b.sql", "warning"),
    "a text from outside": ("select body into t from public.t; execute t;", "2_b.sql", "warning"),
    "a format that PostgreSQL knows, and we do not": (
        "execute format('drop policy %-9s on t', t);",
        "2_b.sql",
        "warning",
    ),
}
KEEPING_BLOCKS = {
    "a statement": "alter table public.t enable row level security;",
    "a policy where there is none": "if t is null then create policy p on t using (t); end if;",
    "replaced": "drop policy p on public.t; execute 'create policy p on t using (false)';",
    "replaced on each": ALL_TABLES.format(
        "execute format('drop policy p on %I', r.tablename); "
        "execute format('create policy p on %I using (%L)', r.tablename, false);"
    ),
    "turned on everywhere": ALL_TABLES.format(
        "execute format('alter table public.%I enable row level security', r.tablename);"
    ),
    "a grant to others": "execute 'grant select on ' || quote_ident(t) || ' to authenticated';",
    "a comment on it": "execute format('comment on table t is %L', 'drop policy'); -- drop policy p on t",
    "a word said": "raise notice 'drop policy %', t; execute 'select 1';",
    "texts that do something else": (
        "for t in select format('alter sequence %I owner to x', relname) from pg_class loop execute t; end loop;"
    ),
    "a text with more than names put in": "execute replace($sql$\n create type T as enum ()$sql$, 'T', t);",
    "a type": "create type public.kind as enum ('a'); exception when duplicate_object then null;",
}


@pytest.mark.parametrize("what", LOWERING_BLOCKS)
def test_a_block_that_lowers_security_or_may_is_found(what: str) -> None:
    text, name, severity = LOWERING_BLOCKS[what]
    (finding,) = lowering.check([script("-- why\nselect 1;\n\n" + BLOCK.format(text))])
    assert (finding.rule, finding.object, finding.severity) == (lowering.RULE, name, severity)
    assert finding.location == "/project/2_b.sql:7"


@pytest.mark.parametrize("what", KEEPING_BLOCKS)
def test_a_block_that_does_not_is_let_be(what: str) -> None:
    assert lowering.check([script(BLOCK.format(KEEPING_BLOCKS[what]))]) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("do language plperl 'spi_exec_query(\"drop policy p on t\")';", "'drop policy'"),
        ("alter table t frobnicate, disable row level security;", "'disable row level'"),
        ("do $$ begin frobnicate t; grant all on t to anon; end $$;", "'grant'"),
    ],
    ids=["another language", "syntax that is not known", "syntax that is not known in a block"],
)
def test_what_cannot_be_read_and_may_lower_security_is_named(text: str, words: str) -> None:
    (finding,) = lowering.check([script(text)])
    assert (finding.object, finding.severity) == ("2_b.sql", "warning")
    assert finding.observed == f"what is executed here cannot be read, and it may be {words}"
    for harmless in ("alter table t frobnicate; -- drop policy p on t", "do $$ begin frobnicate t; end $$;"):
        assert lowering.check([script(harmless)]) == []


def test_what_stands_in_another_file_is_no_replacement() -> None:
    findings = lowering.check(
        [script("drop policy p on t;"), script("create policy q on t using (false);", name="3_c.sql")]
    )
    assert [finding.location for finding in findings] == ["/project/2_b.sql:1"]


def locks_of(databases: Databases, *texts: str) -> list[Finding]:
    """What is said of the locks of a migration, and others after it, that come to tables with rows."""
    tenancy = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
    scripts = [script(text, name=f"{number}_b.sql") for number, text in enumerate(texts, start=2)]
    found = trials.check(databases, (), [script(SCHEMA, name="1_a.sql"), *scripts], tenancy).findings
    found = [finding for finding in found if finding.object != "1_a.sql"]
    assert {finding.rule for finding in found} <= {locks.LOCKS, trials.LOSES, trials.REWRITES}
    return [finding for finding in found if finding.rule == locks.LOCKS]


@pytest.mark.parametrize(
    ("text", "observed"),
    [
        ("select 1;\nalter table public.notes add column n int;", {("public.notes", "reading and writing", 2)}),
        ("create index by_text on public.notes (text);", {("public.notes", "writing", 1)}),
        (
            "create table public.tags (id int, note uuid references public.notes (id));",
            {("public.notes", "writing", 1)},
        ),
        (
            "create index by_text on public.notes (text);\n-- and\nalter table public.notes alter text drop not null;",
            {("public.notes", "reading and writing", 3)},
        ),
        ("update public.notes set text = text || '!'; select * from public.orgs;", set()),
        (
            "create table public.tags (id int); create index on public.tags (id); alter table public.tags add n int;",
            set(),
        ),
        ("create index concurrently by_text on public.notes (text);", set()),
        ("comment on table public.notes is 'Notes'; analyze public.notes;", set()),
    ],
    ids=["add column", "index", "foreign key", "two", "rows", "a new table", "concurrently", "no conflict"],
)
def test_locks_on_what_was_there_before_are_observed(
    pg_databases: Databases, text: str, observed: set[tuple[str, str, int]]
) -> None:
    found = locks_of(pg_databases, text)
    pattern = r"(\S+) is locked against (.*) until its transaction has committed"
    parts = [(*re.findall(pattern, f.observed)[0], int(f.location.rpartition(":")[2])) for f in found]
    assert set(parts) == observed
    assert len(parts) == len(observed)


READING = "public.notes is locked against reading and writing {} (AccessExclusiveLock)"
WRITING = "public.notes is locked against writing {} (ShareLock)"
ALONE, TOGETHER = "while its statement runs", "until its transaction has committed"
UNSEEN = "what its statement locks was not observed: it cannot run in a transaction"
CONCURRENTLY = "create index concurrently by_org on public.notes (org_id);\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "create index by_text on public.notes (text);\nalter table public.notes add n int;\n" + CONCURRENTLY,
            [(WRITING.format(ALONE), 1), (READING.format(ALONE), 2)],
        ),
        (CONCURRENTLY + "alter table public.notes add n int;", [(READING.format(ALONE), 2)]),
        (
            "begin;\ncreate index by_text on public.notes (text);\nalter table public.notes add n int;\ncommit;",
            [(READING.format(TOGETHER), 3)],
        ),
        ("begin;\nupdate public.notes set text = 'x';\ncommit;\nanalyze public.notes;", []),
        ("vacuum full public.notes;\nvacuum public.notes;\ndiscard all;", [(UNSEEN, 1)]),
        ("reindex schema public;\nreindex table concurrently public.notes;", [(UNSEEN, 1)]),
        (
            "create procedure public.p() language plpgsql as $$ begin lock public.notes; commit; end $$;\n"
            + CONCURRENTLY
            + "call public.p();",
            [(UNSEEN, 3)],
        ),
        (CONCURRENTLY + "drop index concurrently public.by_org;", []),
    ],
    ids=["before", "after", "own transaction", "no conflict", "vacuum", "reindex", "a procedure", "concurrently"],
)
def test_locks_of_a_file_that_runs_statement_by_statement_are_those_of_each_statement(
    pg_databases: Databases, text: str, said: list[tuple[str, int]]
) -> None:
    found = locks_of(pg_databases, text, "comment on table public.notes is 'it goes on';")
    lines = [(finding.observed, int(finding.location.rpartition(":")[2])) for finding in found]
    assert (sorted(lines), {finding.object for finding in found}) == (sorted(said), {"2_b.sql"} if said else set())


def test_what_a_file_has_done_statement_by_statement_is_there_for_the_next_one(pg_databases: Databases) -> None:
    made = CONCURRENTLY + "alter table public.notes add column n int;"
    locked = locks_of(pg_databases, made, "alter table public.notes drop n;\ndrop index public.by_org;")
    assert [(finding.object, finding.observed) for finding in locked] == [
        ("2_b.sql", READING.format(ALONE)),
        ("3_b.sql", READING.format(TOGETHER)),
    ]


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("select 1;\nalter table public.notes add column kind text not null;", True),
        ("alter table public.notes add column kind text not null default 'note';", False),
        ("alter table public.notes add constraint short check (text = 'x');", True),
        ("alter table public.notes add constraint short check (text <> '');", False),
    ],
    ids=["no default", "a default", "a CHECK", "a CHECK that they meet"],
)
def test_a_migration_that_fails_on_rows_is_found_and_its_locks_are_too(
    pg_databases: Databases, text: str, fails: bool
) -> None:
    tenancy = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
    found = trials.check(pg_databases, (), [script(SCHEMA, name="1_a.sql"), script(text)], tenancy).findings
    assert [finding.rule for finding in found if finding.object == "2_b.sql"] == [locks.FAILS] * fails + [locks.LOCKS]
    line = text.count("\n") + 1
    assert {finding.location for finding in found if finding.object == "2_b.sql"} == {f"/project/2_b.sql:{line}"}


def write(folder: Path, text: str) -> list[Script]:
    (folder / "1_a.sql").write_text(text)
    return list(migrations.scripts([folder / "1_a.sql"]))


def test_squawk_says_what_is_not_safe(tmp_path: Path) -> None:
    unsafe = write(tmp_path, "-- why\n\nalter table public.t add column n int not null;\n")
    found = linters.squawk(unsafe, tmp_path, 15)
    assert ("squawk-adding-required-field", "1_a.sql", 3) in [places(finding) for finding in found]
    safe = "create table public.t (id bigint);\n"
    assert not {"squawk-adding-required-field"} & {f.rule for f in linters.squawk(write(tmp_path, safe), tmp_path, 15)}


def test_squawk_heeds_the_projects_own_configuration(tmp_path: Path) -> None:
    unsafe = write(tmp_path, "alter table public.t add column n int not null;\n")
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["adding-required-field"]')
    assert "squawk-adding-required-field" not in {finding.rule for finding in linters.squawk(unsafe, tmp_path, 15)}


def test_sqlfluff_heeds_the_projects_own_configuration_or_takes_its_core_rules(tmp_path: Path) -> None:
    scripts = write(tmp_path, "select 1;\nSELECT a as b from t;\n")
    found = linters.sqlfluff(scripts, tmp_path)
    assert ("sqlfluff-CP01", "1_a.sql", 2) in [places(finding) for finding in found]
    (tmp_path / ".sqlfluff").write_text("[sqlfluff]\ndialect = postgres\nrules = LT12\n")
    assert linters.sqlfluff(scripts, tmp_path) == []


@pytest.mark.parametrize("broken", ["squawk", "sqlfluff"])
def test_a_linter_that_cannot_read_its_configuration_has_not_found_nothing(tmp_path: Path, broken: str) -> None:
    (tmp_path / ".squawk.toml").write_text("excluded_rules = 1")
    (tmp_path / ".sqlfluff").write_text("[sqlfluff]\ndialect = nope")
    scripts = write(tmp_path, "select 1;")
    with pytest.raises(PgassayError, match=f"{broken} could not be run: .*(excluded_rules|Unknown dialect)"):
        linters.squawk(scripts, tmp_path, 15) if broken == "squawk" else linters.sqlfluff(scripts, tmp_path)


def places(finding: Finding) -> tuple[str, str, int]:
    return finding.rule, finding.object, int(finding.location.rpartition(":")[2])


FUNCTIONS = """
create table public.t (id int);

create function public.broken() returns int language plpgsql as $$
begin
    return (select gone from public.t);
end;
$$;

create function public.sound(p int) returns int language plpgsql as $$
begin
    return (select id + p from public.t);
end;
$$;

create function public.count_rows() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform count(*) from new_rows;
    else
        perform count(*) from old_rows;
    end if;
    return null;
end;
$$;
create trigger a after insert on public.t referencing new table as new_rows
for each statement execute function public.count_rows();
create trigger b after delete on public.t referencing old table as old_rows
for each statement execute function public.count_rows();
"""


def test_plpgsql_check_says_what_create_function_takes() -> None:
    """And takes a trigger's function with the transition tables of all its triggers."""
    with local.start(needs.plpgsql_check(), backend="system", why="it has plpgsql_check") as bare:
        server = environment.prepare(bare)
        with Databases(server, Session) as databases:
            scripts = (script(FUNCTIONS),)
            found = linters.plpgsql_check(databases, databases.template((), scripts), scripts)
    assert [(finding.object, finding.severity, finding.location) for finding in found] == [
        ("public.broken()", "error", "/project/2_b.sql:6")
    ]
    assert 'column "gone" does not exist' in found[0].observed


def test_a_server_without_plpgsql_check_says_where_it_is_to_be_had(pg_databases: Databases) -> None:
    if linters.PLPGSQL_CHECK in pg_databases.server.extensions():
        assert linters.plpgsql_check(pg_databases, pg_databases.template((), ()), ()) == []
    else:
        with pytest.raises(linters.NotInstalled, match="plpgsql-check"):
            linters.plpgsql_check(pg_databases, pg_databases.template((), ()), ())


def test_waivers_for_the_linter_and_for_checks_are_told_apart() -> None:
    ours = Waiver("1_a.sql", "why", "migration-locks")
    absent = Waiver("public.f()", "why", "plpgsql-check-42P01")
    checks = [Waiver("public.t", "why"), Waiver("public.t", "why", "relation-missing")]
    linted = lint.Linted(lacking={linters.PLPGSQL_CHECK: "not here"})
    assert lint.waivers_of_lint([ours, absent, *checks], linted) == (ours,)
    assert lint.waivers_of_lint([ours, absent, *checks], lint.Linted()) == (ours, absent)
    assert lint.waivers_of_checks([ours, absent, *checks]) == tuple(checks)


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = command.run("lint", "--pg", "embedded", *arguments, cwd=cwd)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    def make(configuration: str = "", **files: str) -> Path:
        (tmp_path / "migrations").mkdir()
        for name, text in files.items():
            (tmp_path / "migrations" / f"{name.lstrip('_')}.sql").write_text(text)
        (tmp_path / "pyproject.toml").write_text(configuration + TENANCY)
        (tmp_path / ".sqlfluff").write_text("[sqlfluff]\ndialect = postgres\nrules = CP01\n")
        (tmp_path / ".squawk.toml").write_text('excluded_rules = ["require-lock-timeout", "require-statement-timeout"]')
        return tmp_path

    return make


LOWERED = "alter table public.notes disable row level security;\n"


def test_what_lowers_security_is_1_with_its_place_and_its_mend(project: Callable[..., Path]) -> None:
    done = run("--report", "github", cwd=project(_1_notes=SCHEMA, _2_leak=LOWERED))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "migrations/2_leak.sql:1: error: public.notes: row level security is turned off" in done.stdout
    assert "::error file=migrations/2_leak.sql,line=1" in done.stdout


def test_warnings_are_0_unless_they_are_to_fail(project: Callable[..., Path]) -> None:
    where = project(_1_notes=SCHEMA, _2_column="alter table public.notes add column n int;\n")
    done = run(cwd=where)
    assert (done.returncode, "2_column.sql:1: warning: public.notes is locked" in done.stdout) == (0, True)
    assert run("--fail-on", "warning", cwd=where).returncode == 1


def test_a_waiver_takes_it_out_and_is_reported_when_it_takes_nothing(project: Callable[..., Path]) -> None:
    waiver = '[[tool.pgassay.waive]]\nrule = "migration-lowers-security"\nobject = "public.notes"\nreason = "Meant."\n'
    locked = '[[tool.pgassay.waive]]\nrule = "migration-locks"\nobject = "2_leak.sql"\nreason = "Small."\n'
    where = project(waiver + locked, _1_notes=SCHEMA, _2_leak=LOWERED)
    done = run(cwd=where)
    assert done.returncode == 0, done.stdout
    assert "waived  public.notes  [migration-lowers-security]: Meant." in done.stdout
    (where / "migrations" / "2_leak.sql").unlink()
    unused = run(cwd=where)
    assert unused.returncode == 1
    assert "unused-waiver" in unused.stdout


STYLE = "create table a (id bigint);\nSELECT 1;\nSELECT 2;\n"


def test_errors_come_first_and_style_is_a_line_a_rule_and_file(project: Callable[..., Path]) -> None:
    where = project(_1_notes=SCHEMA, _2_style=STYLE, _3_more=STYLE.replace(" a ", " b "), _4_leak=LOWERED)
    (where / ".sqlfluff").write_text("[sqlfluff]\ndialect = postgres\nrules = CP01,LT01\n")
    done = run(cwd=where)
    lines = done.stdout.split("\n\n", 1)[1].splitlines()
    assert "4_leak.sql:1: error: public.notes: row level security is turned off" in lines[0]
    style = [line for line in lines if "sqlfluff-CP01" in line]
    assert [line.partition(":")[0] for line in style] == ["migrations/2_style.sql", "migrations/3_more.sql"]
    assert all(re.search(r"\[sqlfluff-CP01, \d times\]$", line) for line in style)
    assert re.fullmatch(r"1 error, \d+ warnings in .* s", lines[-2])
    assert lines[-1] == "Each warning with its line and mend: pgassay lint --verbose"
    each = run("--verbose", cwd=where).stdout.splitlines()
    assert sum("[sqlfluff-CP01]" in line for line in each) >= 4
    assert re.fullmatch(r"1 error, \d+ warnings in .* s", each[-1])


@pytest.mark.parametrize(
    "text",
    [
        "create function public.g(int, int default 2) returns int language sql begin atomic select $2; end;\n",
        "create function public.f(integer default 1) returns integer language sql as 'select 1';\n",
        "create table public.l (n int);\ngrant select (n) on public.l to service_role;\n"
        "create procedure public.p(int default 1) language sql begin atomic insert into public.l values ($1); end;\n",
    ],
    ids=["begin atomic", "a default without a name", "a procedure"],
)
def test_what_a_linter_cannot_read_and_postgresql_takes_is_a_note(project: Callable[..., Path], text: str) -> None:
    where = project(_1_notes=SCHEMA, _2_newer=text, _3_style="select 1;\nSELECT 2;\n")
    done = run("--report", "json=out.json", cwd=where)
    assert (done.returncode, "PRS" in done.stdout) == (0, False)
    note = r"sqlfluff cannot read migrations/2_newer\.sql:\d+, which PostgreSQL has taken"
    assert re.search(f"^note  {note}", done.stdout, re.MULTILINE)
    assert any(re.match(note, text) for text in json.loads((where / "out.json").read_text())["notes"])
    assert "3_style.sql:2: warning" in done.stdout, "it goes on with the other files"


def test_what_postgresql_does_not_take_either_is_an_error(project: Callable[..., Path]) -> None:
    done = run(cwd=project(_1_notes=SCHEMA, _2_wrong="create tabel b ();\n"))
    assert (done.returncode, "2_wrong.sql:1" in done.stderr) == (2, True)


def test_advice_on_performance_is_told_and_waived(project: Callable[..., Path]) -> None:
    where = project(_1_notes=SCHEMA)
    said = "no index begins with org_id of the foreign key notes_org_id_fkey"
    assert re.search(r"1_notes\.sql:\d+: warning: public\.members, public\.notes: .*, 2 times\]", run(cwd=where).stdout)
    assert said in run("--verbose", cwd=where).stdout
    waiver = '[[tool.pgassay.waive]]\n{}object = "public.notes"\nreason = "Few rows."\n'
    for rule in ('rule = "fk-without-index"\n', ""):
        (where / "pyproject.toml").write_text(waiver.format(rule) + TENANCY)
        done = run("--verbose", cwd=where)
        assert (done.returncode, said in done.stdout) == (0, False)
        assert "waived  public.notes  [fk-without-index]: Few rows." in done.stdout


def git(where: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", "-C", where, *who, *arguments], check=True, capture_output=True)


def test_since_a_revision_only_what_was_changed_is_told(project: Callable[..., Path]) -> None:
    where = project(_1_notes=SCHEMA, _2_leak=LOWERED)
    git(where, "init", "-q", "-b", "main")
    git(where, "add", ".")
    git(where, "commit", "-qm", "one")
    git(where, "checkout", "-qb", "branch")
    (where / "migrations" / "3_branch.sql").write_text("alter table public.notes add column n int;\n")
    git(where, "add", ".")
    git(where, "commit", "-qm", "two")
    (where / "migrations" / "4_new.sql").write_text("drop policy mine on public.orgs;\n")
    git(where, "checkout", "-q", "main")  # which goes on meanwhile
    (where / "migrations" / "2_leak.sql").write_text(LOWERED + "select 1;\n")
    git(where, "commit", "-qam", "three")
    git(where, "checkout", "-q", "branch")

    def told(*arguments: str) -> tuple[int, set[str]]:
        done = run(*arguments, cwd=where)
        return done.returncode, set(re.findall(r"^migrations/(\w+)\.sql:", done.stdout, re.M))

    assert told() == (1, {"1_notes", "2_leak", "3_branch", "4_new"})
    assert told("--since", "main") == (1, {"3_branch", "4_new"})
    assert told("--since", "HEAD") == (1, {"4_new"})
    assert told("--since", "main..HEAD") == (0, {"3_branch"})
    assert told("--since", "main...branch") == (0, {"3_branch"})
    waiver = '[[tool.pgassay.waive]]\nrule = "migration-lowers-security"\nobject = "{}"\nreason = "Meant."\n'
    waivers = waiver.format("public.notes") + waiver.format("public.orgs")
    (where / "pyproject.toml").write_text(waivers + TENANCY)
    assert told("--since", "HEAD")[0] == 0
    assert "unused-waiver" not in run("--since", "HEAD", cwd=where).stdout


@pytest.mark.parametrize("repository", [False, True])
def test_a_revision_that_git_does_not_know_is_2(project: Callable[..., Path], repository: bool) -> None:
    where = project(_1_notes=SCHEMA)
    if repository:
        git(where, "init", "-q")
    done = run("--since", "nowhere", cwd=where)
    assert done.returncode == 2
    assert ("git knows no revision" if repository else "is in no repository of git") in done.stderr


@pytest.mark.parametrize("rule", [lowering.RULE, locks.LOCKS, locks.FAILS, trials.LOSES, trials.REWRITES])
def test_every_rule_has_a_page(rule: str) -> None:
    page = (ROOT / "docs" / "rules" / f"{rule}.md").read_text()
    assert re.findall(r"^#+ (.*)$", page, re.MULTILINE) == [rule, "Problem", "Why", "Instead", "How"]
