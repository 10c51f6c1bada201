"""Migrations on rows of the state before: what fails, what is lost, what is written anew, and look-alikes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgassay import Session, catalog, rows
from pgassay.checks import locks, trials
from pgassay.checks.finding import Finding
from pgassay.config import Tenancy
from pgassay.errors import MigrationError
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.rows.multiplied import Multiplier
from tests import sampling
from tests.harness.test_lint import git, project, run
from tests.jobs.cast import one

__all__ = ["project"]

BEFORE = """
create type public.stage as enum ('new', 'won', 'lost');
create table public.teams (id uuid primary key default gen_random_uuid(), name text not null);
create table public.staff (team_id uuid references public.teams, user_id uuid references auth.users, role text not null
    check (role in ('lead', 'clerk')), primary key (team_id, user_id));
create table public.deals (
    id bigint generated always as identity primary key, team_id uuid not null references public.teams,
    title text not null, code text not null unique, stage public.stage not null default 'new', price numeric(10, 2),
    at timestamptz not null default now(), note text, owner_code text
);
alter table public.teams enable row level security;
alter table public.staff enable row level security;
alter table public.deals enable row level security;
create policy own on public.deals using (team_id in (select team_id from public.staff where user_id = auth.uid()));
"""


def script(text: str, name: str) -> Script:
    return Script(Path("/project") / name, name, text, name.partition("_")[0])


def tried(databases: Databases, text: str, *, before: str = BEFORE, most: int = trials.MANY) -> trials.Tried:
    """What is said of a migration without a declared tenancy."""
    scripts = [script(before, "1_a.sql"), script(text, "2_b.sql")]
    return trials.check(databases, (), scripts, None, only=scripts[1:], most=most)


def found(databases: Databases, text: str, rule: str, *, before: str = BEFORE) -> list[Finding]:
    return [finding for finding in tried(databases, text, before=before).findings if finding.rule == rule]


FAILING = {
    "not null": "alter table public.deals add column kind text not null;",
    "not null later": "alter table public.deals alter column note set not null;",
    "not null by a constraint": "alter table public.deals add constraint n check (note is not null);",
    "check": "alter table public.deals add constraint c check (stage <> 'lost');",
    "check of a list": "alter table public.staff add constraint c check (role <> 'clerk');",
    "unique": "alter table public.deals add constraint u unique (team_id, title);",
    "unique index": "create unique index u on public.deals (lower(title));",
    "foreign key": "alter table public.deals add foreign key (owner_code) references public.deals (code);",
    "type": "alter table public.deals alter column title type integer using title::integer;",
    "enum rebuild": (
        "alter type public.stage rename to stage_old; create type public.stage as enum ('new', 'won');\n"
        "alter table public.deals alter column stage drop default,\n"
        "alter column stage type public.stage using stage::text::public.stage;"
    ),
    "primary key": "alter table public.deals drop constraint deals_pkey, add primary key (title);",
    "exclusion": "alter table public.deals add exclude using btree (title with =);",
}
FITTING = {
    "a default": "alter table public.deals add column kind text not null default 'x';",
    "filled before": (
        "update public.deals set note = '' where note is null; alter table public.deals alter note set not null;"
    ),
    "a check that holds": "alter table public.staff add constraint c check (role in ('clerk', 'lead', 'boss'));",
    "not valid": "alter table public.deals add constraint c check (stage <> 'lost') not valid;",
    "unique as it was": "alter table public.deals add constraint u unique (team_id, code);",
    "unique where there is none": "create unique index u on public.deals (title) where stage is null;",
    "foreign key to what is there": "alter table public.staff add foreign key (team_id) references public.teams (id);",
    "foreign key after mending": (
        "update public.deals set owner_code = null;"
        "alter table public.deals add foreign key (owner_code) references public.deals (code);"
    ),
    "wider type": "alter table public.deals alter column price type numeric(12, 2);",
    "enum rebuild with all labels": (
        "alter type public.stage rename to stage_old;"
        "create type public.stage as enum ('lost', 'won', 'new', 'late');"
        "alter table public.deals alter column stage drop default,"
        "alter column stage type public.stage using stage::text::public.stage,"
        "alter column stage set default 'new'; drop type public.stage_old;"
    ),
    "a new table": "create table public.more (id int primary key, deal bigint not null references public.deals);",
}


@pytest.mark.parametrize("what", sampling.some(FAILING, dev=3))
def test_what_fails_on_rows_that_were_let_in_before_is_found(pg_databases: Databases, what: str) -> None:
    text = "select 1;\n" + FAILING[what]
    (finding,) = found(pg_databases, text, locks.FAILS)
    assert finding.observed.startswith("it fails on tables with rows: ")
    assert finding.location == f"/project/2_b.sql:{3 if what == 'enum rebuild' else 2}"
    assert found(pg_databases, text, locks.LOCKS), "and what it locks as well"


@pytest.mark.parametrize("what", sampling.some(FITTING, dev=3))
def test_what_takes_these_rows_is_not(pg_databases: Databases, what: str) -> None:
    assert found(pg_databases, FITTING[what], locks.FAILS) == []


LOSING = {
    "delete": ("delete from public.deals where stage = 'lost';", r"public\.deals: \d+ rows of 1,000 are deleted"),
    "truncate": ("truncate public.deals;", "public.deals: 1,000 rows of 1,000 are deleted"),
    "drop": ("drop table public.deals;", "public.deals: it is dropped with its 1,000 rows"),
    "drop column": (
        "alter table public.deals drop column code;",
        "public.deals: column code is dropped with its values in 1,000 rows",
    ),
    "time of day": (
        "alter table public.deals alter column at type date using at::date;",
        r"public\.deals: column at has other values in 1,000 rows, as 20.* → 20[\d-]+",
    ),
    "shorter": (
        "alter table public.deals alter column title type varchar(2) using left(title, 2);",
        r"public\.deals: column title has other values in [\d,]+ rows, as .* → ..",
    ),
    "another label": (
        FITTING["enum rebuild with all labels"].replace("stage::text::", "(case when true then 'won' end)::"),
        r"public\.deals: column stage has other values in \d+ rows, as (new|lost) → won",
    ),
}
KEEPING = {
    "a cast that keeps": "alter table public.deals alter column price type numeric(20, 6);",
    "text for a label": "alter table public.deals alter column stage drop default, alter column stage type text;",
    "renamed": "alter table public.deals rename to sales; alter table public.sales rename column title to name;",
    "another schema": "create schema archive; alter table public.deals set schema archive;",
    "time zone": "alter table public.deals alter column at type timestamp using at at time zone 'utc';",
    "all labels": FITTING["enum rebuild with all labels"],
    "an empty column": "alter table public.deals add column x int; alter table public.deals drop column x;",
    "added": "insert into public.teams (name) values ('x'); alter table public.deals add column y int default 1;",
    "filled": "update public.deals set note = 'none' where note is null;",
}


@pytest.mark.parametrize("what", sampling.some(LOSING, dev=3))
def test_rows_and_values_that_are_lost_are_told(pg_databases: Databases, what: str) -> None:
    text, said = LOSING[what]
    (finding,) = found(pg_databases, text, trials.LOSES)
    assert re.fullmatch(said, finding.observed), finding.observed
    assert (finding.object, finding.severity) == ("2_b.sql", "warning")


@pytest.mark.parametrize("what", sampling.some(KEEPING, dev=3))
def test_what_keeps_them_is_not(pg_databases: Databases, what: str) -> None:
    assert found(pg_databases, KEEPING[what], trials.LOSES) == []


def test_values_that_a_migration_sets_are_a_note(pg_databases: Databases) -> None:
    notes = tried(pg_databases, KEEPING["filled"]).notes
    assert any(re.match(r"2_b\.sql changes public\.deals: column note has other values in \d+ rows, as NULL → none", n)
               for n in notes), notes  # fmt: skip


@pytest.mark.parametrize(
    ("text", "rewrites"),
    [
        ("alter table public.deals alter column price type numeric(10, 4);", True),
        ("alter table public.deals add column token uuid not null default gen_random_uuid();", True),
        ("alter table public.deals alter column title type varchar(500);", True),
        ("alter table public.deals add column kind text not null default 'x';", False),
        ("alter table public.deals alter column price type numeric(12, 2);", False),
        ("create index on public.deals (title); update public.deals set note = 'x';", False),
        ("truncate public.deals;", False),
    ],
)
def test_a_table_that_is_written_anew_is_told(pg_databases: Databases, text: str, rewrites: bool) -> None:
    said = [finding.observed for finding in found(pg_databases, text, trials.REWRITES)]
    assert said == ["public.deals is written anew, row by row, while nobody may read it"] * rewrites


def test_locks_and_times_are_noted_for_each_number_of_rows(pg_databases: Databases) -> None:
    def noted(text: str, most: int) -> str:
        return "\n".join(tried(pg_databases, text, most=most).notes)

    time = r"[\d.]+ m?s"
    some = rf"2_b\.sql took, with \d rows: {time}, public\.deals locked {time}"
    more = rf"; {{}} rows: {time}, public\.deals locked {time}"
    index = "create index on public.deals (title);"
    assert re.fullmatch(some + more.format("1,000"), noted(index, 1000))
    assert re.fullmatch(some + more.format("1,000") + more.format("2,500"), noted(index, 2500))
    assert re.fullmatch(some + more.format("50"), noted(index, 50))
    assert noted("comment on table public.deals is 'x';", 1000) == ""


PLAIN = """
create table public.plain (id serial primary key, name text, kind int not null default 1);
"""


def test_rows_are_made_where_no_tenancy_can_be_told(pg_databases: Databases) -> None:
    text = "alter table public.plain add column more text not null;"
    assert len(found(pg_databases, text, locks.FAILS, before=PLAIN)) == 1
    assert found(pg_databases, text.replace(" not null", ""), locks.FAILS, before=PLAIN) == []


def test_a_migration_that_fails_without_rows_too_ends_it(pg_databases: Databases) -> None:
    with pytest.raises(MigrationError, match=r"2_b\.sql:1"):
        tried(pg_databases, "alter table public.nowhere add column more text;")


def test_what_comes_after_a_failure_is_tried_as_well(pg_databases: Databases) -> None:
    texts = [BEFORE, FAILING["unique"], "alter table public.teams add column size int not null;"]
    scripts = [script(text, f"{number}_x.sql") for number, text in enumerate(texts, 1)]
    said = trials.check(pg_databases, (), scripts, None).findings
    assert [f.object for f in said if f.rule == locks.FAILS] == ["2_x.sql", "3_x.sql"]


def test_settings_of_the_database_and_roles_hold_for_the_next_one(pg_databases: Databases) -> None:
    texts = [
        BEFORE,
        "do $$ begin execute format('alter database %I set work_mem = ''7MB''', current_database()); end $$;",
        "set role anon; select 1;",
        "do $$ begin if current_setting('work_mem') <> '7MB' then raise 'other'; end if; end $$;"
        "alter table public.deals add column kind text;",
    ]
    scripts = [script(text, f"{number}_x.sql") for number, text in enumerate(texts, 1)]
    assert [f for f in trials.check(pg_databases, (), scripts, None).findings if f.rule == locks.FAILS] == []


def test_lint_since_tries_new_files_alone(project: Callable[..., Path]) -> None:
    where = project(_1_notes=BEFORE, _2_old=FAILING["unique"])
    (where / "pyproject.toml").write_text("[tool.pgassay]\n")
    git(where, "init", "-q", "-b", "main")
    git(where, "add", ".")
    git(where, "commit", "-qm", "one")
    (where / "migrations" / "3_new.sql").write_text("alter table public.teams add column size int not null;\n")
    (where / "migrations" / "4_new.sql").write_text("create index on public.deals (title);\n")
    done = run("--since", "main", "--rows", "1500", cwd=where)
    assert "3_new.sql:1: warning: it fails on tables with rows" in done.stdout, done.stdout + done.stderr
    assert "2_old.sql" not in done.stdout
    assert re.search(r"^note  4_new\.sql took, .*; 1,000 rows: .*; 1,500 rows: ", done.stdout, re.M)
    assert "2_old.sql:1: warning: it fails on tables with rows" in run(cwd=where).stdout


TABLES = {
    "a key that is random": "id uuid primary key default gen_random_uuid(), t text",
    "a key that is not given": "id integer primary key, t text",
    "a code in a form": "code text primary key check (code ~ '^[a-z]')",
    "a code of digits": "code text primary key check (code ~ '[0-9]$' or code = '')",
    "a date each": "day date primary key, at timestamp unique",
    "two keys": "a integer unique not null, b uuid unique not null, primary key (a, b)",
    "a flag that one has": "id serial primary key, main boolean not null",
    "a number alone": "id bigint generated always as identity primary key",
    "a random key alone": "id uuid primary key default gen_random_uuid()",
    "no key": "a text, b integer",
    "a name with percent": '"a %s" text not null unique, "b%" integer',
}


@pytest.mark.parametrize("what", sampling.some(TABLES, dev=2))
def test_rows_are_multiplied_whatever_makes_them_differ(session: Session, what: str) -> None:
    session.execute("drop schema if exists many cascade; create schema many")
    session.execute(f"create table many.t ({TABLES[what]})".encode())
    if what == "a flag that one has":
        session.execute("create unique index on many.t (main) where main")
    relations = tuple(relation for relation in catalog.read(session) if relation.schema == "many")
    rows.Maker(session, relations, Tenancy(rows.USERS, None, "user_id")).fill(("A", "B"))
    multiplier = Multiplier(session, {relation.full_name: relation for relation in relations}, {})
    assert multiplier.fill("many.t", 300)
    assert one(session, "select count(*) from many.t") == 300


LINKED = """
create table many.orgs (id serial primary key);
create table many.settings (org_id integer primary key references many.orgs, theme text);
create table many.people (id uuid primary key references auth.users, name text);
create table many.staff (org_id integer references many.orgs, user_id uuid references auth.users,
    primary key (org_id, user_id));
create table many.deals (org_id integer references many.orgs, id integer, primary key (org_id, id));
create table many.tags (org_id integer references many.orgs, id integer, primary key (org_id, id));
create table many.tagged (org_id integer, deal integer, tag integer, primary key (org_id, deal, tag),
    foreign key (org_id, deal) references many.deals, foreign key (org_id, tag) references many.tags);
"""


def test_rows_that_differ_by_what_they_refer_to_are_multiplied_in_order(session: Session) -> None:
    session.execute("drop schema if exists many cascade; create schema many")
    session.execute(LINKED.encode())
    relations = {relation.full_name: relation for relation in catalog.read(session) if relation.schema == "many"}
    rows.Maker(session, tuple(relations.values()), Tenancy(rows.USERS, None, "user_id")).fill(("A", "B"))
    multiplier = Multiplier(session, relations, {})
    for name in ("orgs", "settings", "people", "staff", "deals", "tags", "tagged"):
        assert multiplier.fill(f"many.{name}", 100), name
        most = int(str(one(session, f"select count(*) from many.{name}")))
        assert (25 if name == "tagged" else 100) <= most <= 110, name


STATES = """
create table many.jobs (id bigint generated always as identity primary key, state text not null default 'new');
insert into many.jobs (state) values ('done'), ('new'), ('done'), ('new');
create function many.begin_new() returns trigger language plpgsql as $$
begin if new.state <> 'new' then raise 'a job begins as new'; end if; return new; end $$;
create trigger begin_new before insert on many.jobs for each row execute function many.begin_new();
"""


def test_rows_of_which_a_trigger_lets_in_no_copies_are_passed_over(session: Session) -> None:
    session.execute("drop schema if exists many cascade; create schema many")
    session.execute(STATES.encode())
    relations = {relation.full_name: relation for relation in catalog.read(session) if relation.schema == "many"}
    assert Multiplier(session, relations, {}).fill("many.jobs", 100)
    counts = session.execute("select state, count(*) from many.jobs group by state order by state").fetchall()
    assert counts == [("done", 2), ("new", 98)]


def test_what_is_tried_with_few_rows_alone_is_named(pg_databases: Databases) -> None:
    before = (
        "create table public.codes (code boolean primary key check (code)); insert into public.codes values (true);"
    )
    text = "alter table public.codes add column name text;"
    named = "2_b.sql was tried with few rows alone, or none, in public.codes"
    assert named in tried(pg_databases, text, before=before).notes
    notes = tried(pg_databases, "alter table public.teams add column more text;").notes
    assert not [note for note in notes if "few rows alone" in note]


def test_what_takes_no_more_rows_is_left_as_it_is(session: Session) -> None:
    session.execute("drop schema if exists many cascade; create schema many")
    session.execute("create table many.t (one boolean primary key check (one))")
    session.execute("create table many.empty (a int); insert into many.t values (true)")
    relations = {relation.full_name: relation for relation in catalog.read(session) if relation.schema == "many"}
    multiplier = Multiplier(session, relations, {})
    assert not multiplier.fill("many.t", 10)
    assert not multiplier.fill("many.empty", 10)
    assert (one(session, "select count(*) from many.t"), one(session, "select count(*) from many.empty")) == (1, 0)
    with pytest.raises(psycopg.errors.CheckViolation):
        session.execute("insert into many.t values (false)")
