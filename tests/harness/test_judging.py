"""What counts as judged: probes that prove something, rows in the states that functions ask for, flags of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import psycopg
import pytest

from pgassay import catalog
from pgassay.catalog import Function
from pgassay.checks import isolation
from pgassay.checks.isolation import Matrix, Verdict
from pgassay.checks.isolation.arguments import Call
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import World
from pgassay.config import Published
from pgassay.errors import ConfigError, MigrationError
from pgassay.identity import Databases, Session
from pgassay.templates import Template
from tests.harness import schemas
from tests.harness.schemas import ORGANISATIONS, TENANCY

SCHEMA = (
    ORGANISATIONS
    + """create table public.jobs (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.orgs (id) on delete cascade,
    title text not null,
    is_template boolean not null default false,
    status text not null default 'pending' check (status in ('pending', 'running', 'done'))
);
alter table public.orgs enable row level security;
alter table public.members enable row level security;
alter table public.jobs enable row level security;
create policy own on public.members for select to authenticated using (user_id = (select auth.uid()));
create policy member on public.orgs for select to authenticated
using (id in (select m.org_id from public.members as m));
create policy member on public.jobs for all to authenticated
using (org_id in (select m.org_id from public.members as m));
create function public.guard() returns trigger language plpgsql set search_path = '' as $$
begin
    if tg_op = 'INSERT' and new.status <> 'pending' then
        raise exception 'a job begins pending' using errcode = 'PT409';
    end if;
    return new;
end;
$$;
create trigger guard before insert on public.jobs for each row execute function public.guard();
"""
)
FINISH = """
create function public.finish(job uuid) returns void language plpgsql security {} set search_path = '' as $$
begin
    update public.jobs as j set status = 'done' where j.id = job and j.status = 'running';
    if not found then
        raise exception 'no running job %', job using errcode = 'PT404';
    end if;
end;
$$;
"""
RUNNING = "update public.jobs set status = 'running'"
FINISH_NAMED = FINISH.replace("j.status = 'running'", "j.status = 'running' and j.title like 'job no. %'")
NAMED = "update public.jobs set status = 'running', title = 'job no. ' || id"

Observe = Callable[..., Matrix]


@pytest.fixture
def observe(pg_databases: Databases) -> Observe:
    def observes(*texts: str, rows: Iterable[str] = ()) -> Matrix:
        return schemas.observe(pg_databases, SCHEMA, *texts, tenancy=TENANCY, rows=rows)

    return observes


def found(matrix: Matrix) -> list[tuple[str, str, str]]:
    return [(finding.object, finding.rule, finding.severity) for finding in matrix.findings]


def test_the_schema_itself_has_no_finding_and_is_judged_whole(observe: Observe) -> None:
    matrix = observe()
    assert (found(matrix), matrix.unjudged) == ([], {})


# rows in the states that functions ask for


def test_a_function_that_asks_for_a_state_is_judged_by_rows_that_are_brought_into_it(observe: Observe) -> None:
    matrix = observe(FINISH.format("invoker"))
    assert (found(matrix), matrix.unjudged) == ([], {})
    matrix = observe(FINISH.format("definer"))
    assert set(found(matrix)) == {("public.finish(uuid)", "tenant-write", "error")}
    (finding,) = {finding for finding in matrix.findings if finding.rule == "tenant-write"}
    assert "set \"status\" = 'running'" in matrix.demonstrations[finding].arranged


def test_a_function_that_asks_for_more_is_judged_by_rows_that_the_project_brings_there(observe: Observe) -> None:
    clean = FINISH_NAMED.format("invoker")
    assert "no running job" in observe(clean).unjudged["public.finish(uuid)"]
    matrix = observe(clean, rows=[NAMED])
    assert (found(matrix), matrix.unjudged) == ([], {})
    matrix = observe(FINISH_NAMED.format("definer"), rows=[NAMED])
    assert set(found(matrix)) == {("public.finish(uuid)", "tenant-write", "error")}
    assert matrix.unjudged == {}


def test_rows_that_the_project_adds_are_known_as_those_of_their_tenant(observe: Observe) -> None:
    parts = """
    create table public.parts (
        id uuid primary key default gen_random_uuid(),
        job_id uuid not null references public.jobs
    );
    alter table public.parts enable row level security;
    create policy member on public.parts for select to authenticated
    using (job_id in (select j.id from public.jobs as j));
    create function public.job_of(part uuid) returns text language sql stable security {} set search_path = '' as $$
        select j.title from public.jobs as j join public.parts as p on p.job_id = j.id
        where p.id = part and j.status = 'running'
    $$;
    """
    added = """
    with made as (
        insert into public.jobs (org_id, title) select o.id, 'title of ' || o.id from public.orgs as o returning id
    )
    insert into public.parts (job_id) select m.id from made as m
    """
    assert found(observe(parts.format("invoker"), rows=[added, RUNNING])) == []
    assert found(observe(parts.format("definer"), rows=[added, RUNNING])) == [
        ("public.job_of(uuid)", "tenant-leak", "error")
    ]


def test_rows_that_are_to_be_tried_may_not_be_taken_away(observe: Observe) -> None:
    with pytest.raises(ConfigError, match=r"took \d+ of the rows in public\.jobs that are to be tried"):
        observe(rows=["delete from public.jobs"])


def test_sql_that_the_rows_refuse_is_shown_with_its_line(observe: Observe) -> None:
    with pytest.raises(MigrationError, match=r"100\.sql:2: PostgreSQL refused this statement"):
        observe(rows=["select 1;\nupdate public.jobs set status = 'lost'"])


# calls that prove nothing

LISTING = """
create function public.overdue(organization uuid) returns setof public.jobs
language sql stable security definer set search_path = '' as $$
    select j.* from public.jobs as j where j.org_id = organization and j.title like 'overdue %'
$$;
"""


def test_a_function_that_gives_nobody_anything_is_not_judged(observe: Observe) -> None:
    matrix = observe(LISTING)
    assert matrix.unjudged == {"public.overdue(uuid)": "no call gave a member anything, or changed anything"}
    assert matrix.verdict("public.overdue(uuid)", "anon") is Verdict.VACUOUS


def test_the_same_function_with_rows_to_give_is_found_to_leak(observe: Observe) -> None:
    matrix = observe(LISTING, rows=["update public.jobs set title = 'overdue ' || id"])
    assert found(matrix) == [("public.overdue(uuid)", "tenant-leak", "error")]


def test_each_tenant_has_a_row_in_each_state_that_a_function_names(observe: Observe) -> None:
    done = """
    drop trigger guard on public.jobs;
    create function public.finished() returns setof text language sql stable security {} set search_path = '' as $$
        select j.title from public.jobs as j where j.status = 'done'
    $$;
    """
    matrix = observe(done.format("invoker"))
    assert (found(matrix), matrix.unjudged) == ([], {})
    assert found(observe(done.format("definer"))) == [("public.finished()", "tenant-leak", "error")]


# what calls do


def test_values_of_another_tenant_may_not_be_copied_into_rows_of_ones_own(observe: Observe) -> None:
    copy = """
    create function public.copy_job(job uuid, organization uuid) returns void
    language plpgsql security definer set search_path = '' as $$
    begin
        if not exists (
            select from public.members as m where m.org_id = organization and m.user_id = (select auth.uid())
        ) then
            raise exception 'not a member' using errcode = '42501';
        end if;
        insert into public.jobs (org_id, title) select organization, j.title from public.jobs as j where j.id = job{};
    end;
    $$;
    """
    assert found(observe(copy.format(" and j.org_id = organization"))) == []
    (finding,) = observe(copy.format("")).findings
    assert (finding.object, finding.rule) == ("public.copy_job(uuid, uuid)", "tenant-write")
    assert finding.observed.endswith("gets values of another tenant into rows of its own in public.jobs")


def test_a_key_that_the_caller_chose_and_that_is_taken_is_no_finding_but_taking_its_row_is(observe: Observe) -> None:
    save = """
    create function public.save(organization uuid, job uuid default gen_random_uuid()) returns uuid
    language plpgsql security definer set search_path = '' as $$
    begin
        if not exists (
            select from public.members as m where m.org_id = organization and m.user_id = (select auth.uid())
        ) then
            raise exception 'not a member' using errcode = '42501';
        end if;
        insert into public.jobs as j (id, org_id, title) values (job, organization, 'saved')
        on conflict (id) do update set org_id = excluded.org_id, title = excluded.title{}
        returning j.id into job;
        return job;
    end;
    $$;
    """
    assert found(observe(save.format(" where j.org_id = excluded.org_id"))) == []
    assert found(observe(save.format(""))) == [("public.save(uuid, uuid)", "tenant-write", "error")]


def test_the_time_of_a_call_is_no_difference_between_two_worlds(observe: Observe) -> None:
    touch = """
    alter table public.jobs add column touched_at timestamptz;
    create function public.touch(job uuid) returns setof public.jobs language sql set search_path = '' as $$
        update public.jobs as j set touched_at = now() where j.id = job returning j.*
    $$;
    """
    assert found(observe(touch)) == []


def test_a_helper_in_a_schema_of_which_the_api_offers_nothing_is_a_warning(observe: Observe) -> None:
    helper = """
    create schema {0};
    grant usage on schema {0} to authenticated;
    create function {0}.org_of(job uuid) returns uuid language sql stable security definer set search_path = '' as $$
        select j.org_id from public.jobs as j where j.id = job
    $$;
    """
    assert found(observe(helper.format("private"))) == [("private.org_of(uuid)", "tenant-leak", "warning")]
    offered = "create view private.nothing as select 1 as one; grant select on private.nothing to authenticated;"
    assert ("private.org_of(uuid)", "tenant-leak", "error") in found(observe(helper.format("private"), offered))


# rows for everybody


def test_rows_that_a_policy_opens_to_others_by_a_flag_are_a_question(observe: Observe) -> None:
    flagged = "create policy templates on public.jobs for select to authenticated using (is_template{})"
    within = " and org_id in (select m.org_id from public.members as m)"
    assert found(observe(flagged.format(within))) == []
    (finding,) = observe(flagged.format("")).findings
    assert (finding.object, finding.rule, finding.severity) == ("public.jobs", "tenant-leak", "question")
    assert 'published = ["public.jobs.is_template"]' in finding.mend
    assert finding.observed == "stranger can select rows of other tenants of which is_template is true"
    assert "policy templates on public.jobs" in finding.culprit


def test_rows_that_a_policy_opens_to_others_in_one_state_are_a_question(observe: Observe) -> None:
    (finding,) = observe("create policy finished on public.jobs for select to anon using (status = 'done')").findings
    assert (finding.severity, finding.identity) == ("question", "anon")
    assert 'published = ["public.jobs.status = done"]' in finding.mend
    assert finding.statement == """select * from "public"."jobs" where "status" = 'done'"""


@pytest.mark.parametrize(
    ("column", "condition", "severity"),
    [
        ("phase text not null default 'draft' check (phase in ('draft', 'called', 'held'))", "<> 'draft'", "question"),
        ("phase text not null default 'called' check (phase in ('draft', 'called', 'held'))", "<> 'draft'", "error"),
        ("phase timestamptz", "> now()", "question"),
        ("phase timestamptz", "< now()", "question"),
        ("phase timestamptz not null default '-infinity'", "> now()", "question"),
        ("phase timestamptz not null default 'infinity'", "> now()", "error"),
        ("phase timestamptz not null default now()", "<= now()", "error"),
        ("phase timestamptz not null", "> now()", "error"),
        ("phase timestamptz", "is not null", "error"),  # whatever the time is
        ("phase boolean not null default false", "= false", "error"),
        ("phase boolean not null default true", "= false", "question"),
        ("phase boolean not null default true", "= true", "question"),
    ],
)
def test_a_column_opens_rows_on_purpose_where_its_default_does_not(
    observe: Observe, column: str, condition: str, severity: str
) -> None:
    opened = f"create policy opened on public.jobs for select to anon using (phase {condition})"
    findings = observe(f"alter table public.jobs add column {column}", opened).findings
    assert {(finding.object, finding.severity) for finding in findings} == {("public.jobs", severity)}


OPENED = "create policy opened on public.jobs for select to anon using (phase {})"


@pytest.mark.parametrize(
    ("column", "condition", "values", "severity"),
    [
        ("timestamptz", "> now()", ("null", "'tomorrow'"), "question"),
        ("timestamptz", "is not null", ("null", "'tomorrow'"), "error"),
        ("timestamptz not null default 'infinity'", "> now()", ("'yesterday'", "'tomorrow'"), "error"),
        ("timestamptz not null default '-infinity'", "> now()", ("'yesterday'", "'tomorrow'"), "question"),
        ("timestamptz not null default now()", "<= now()", ("'tomorrow'", "'yesterday'"), "error"),
        ("boolean not null default false", "= false", ("true", "false"), "error"),
        ("boolean not null default true", "= false", ("true", "false"), "question"),
        ("boolean not null default true", "", ("false", "true"), "question"),
        ("text not null default 'draft'", "= 'live'", ("'draft'", "'live'"), "question"),
    ],
)
def test_the_verdict_of_a_column_that_opens_rows_does_not_hang_on_the_rows(
    observe: Observe, column: str, condition: str, values: tuple[str, str], severity: str
) -> None:
    """Closed rows are opened by `Flags`; of open ones, `Questions` asks by what they are."""
    schema = f"alter table public.jobs add column phase {column}; {OPENED.format(condition)}"
    for value in values:
        findings = observe(schema, rows=[f"update public.jobs set phase = {value}"]).findings
        assert {(finding.object, finding.severity) for finding in findings} == {("public.jobs", severity)}, value


@pytest.mark.parametrize(
    ("column", "condition"),
    [
        ("timestamptz", "> now()"),
        ("timestamptz", "is not null"),
        ("timestamptz not null default 'infinity'", "> now()"),
        ("timestamptz not null default '-infinity'", "> now()"),
        ("timestamptz not null default now()", "<= now()"),
        ("boolean not null default false", "= false"),
        ("boolean not null default true", ""),
    ],
)
def test_what_is_declared_as_published_holds_whatever_value_it_is_that_closes(
    pg_databases: Databases, column: str, condition: str
) -> None:
    schema = f"alter table public.jobs add column phase {column}; {OPENED.format(condition)}"
    said = replace(TENANCY, published=(Published("public.jobs", "phase"),))
    matrix = schemas.observe(pg_databases, SCHEMA, schema, tenancy=said)
    assert (found(matrix), matrix.unjudged) == ([], {})


@pytest.mark.parametrize(
    ("condition", "source", "is_clean"),
    [
        ("j.is_public", "public.jobs as j", True),
        ("j.is_public or j.org_id is not null", "public.jobs as j", False),
        ("j.is_public", "public.jobs as j cross join public.orgs as o", False),  # which nobody has published
    ],
)
def test_an_owners_view_of_published_rows_alone_is_clean(
    pg_databases: Databases, condition: str, source: str, is_clean: bool
) -> None:
    schema = f"""
    alter table public.jobs add column is_public boolean not null default false;
    create view public.shown with (security_invoker = false) as select j.* from {source} where {condition};
    revoke all on public.shown from anon, authenticated;
    grant select on public.shown to anon, authenticated;
    """
    said = replace(TENANCY, published=(Published("public.jobs", "is_public"),))
    matrix = schemas.observe(pg_databases, SCHEMA, schema, tenancy=said)
    assert (not found(matrix) and not matrix.unjudged) is is_clean


# what cannot be looked at


def test_a_view_that_cannot_be_refreshed_is_not_judged_and_ends_nothing(observe: Observe) -> None:
    view = """
    create materialized view public.shares as select j.org_id, 1 / ({} - count(*)) as share
    from public.jobs as j group by j.org_id;
    """
    matrix = observe(view.format("2"), rows=["delete from public.jobs where false"])
    assert matrix.unjudged == {"public.shares": "it cannot be refreshed: division by zero"}
    assert {line.relation for line in matrix.lines} >= {"public.orgs", "public.jobs"}
    assert ("public.shares", "tenant-leak", "error") in found(observe(view.format("1000")))


@pytest.mark.parametrize("keys", ["hash (org_id)", "list (org_id)"])
def test_a_partition_with_policies_in_which_no_row_of_each_tenant_can_be_is_not_judged(
    observe: Observe, keys: str
) -> None:
    """Chance decides which tenants' rows are in a part by hash, and a part for one of a list has no other's."""
    bounds = (
        "with (modulus 1, remainder 0)" if keys.startswith("hash") else "in ('00000000-0000-4000-8000-000000000001')"
    )
    parts = f"""
    create table public.events (
        org_id uuid not null references public.orgs (id) on delete cascade, word text not null,
        primary key (org_id, word)
    ) partition by {keys};
    create table public.events_1 partition of public.events for values {bounds};
    {"create table public.events_0 partition of public.events default;" if keys.startswith("list") else ""}
    alter table public.events enable row level security;
    alter table public.events_1 enable row level security;
    {"alter table public.events_0 enable row level security;" if keys.startswith("list") else ""}
    create policy member on public.events using (org_id in (select m.org_id from public.members as m));
    """
    assert observe(parts).unjudged == {}
    opened = observe(parts, "create policy report on public.events_1 for select to authenticated using (true)")
    assert list(opened.unjudged) == ["public.events_1"]
    assert "policies of its own" in opened.unjudged["public.events_1"]


# one failure ends one thing


def test_a_defect_of_ours_costs_the_table_at_hand_and_its_text_is_fit_for_a_report(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Target.try_all

    def failing(target: Target, *arguments: Any) -> dict[str, set[str]]:
        if target.relation.name == "jobs":
            raise KeyError("an oversight")
        return usual(target, *arguments)

    monkeypatch.setattr(Target, "try_all", failing)
    matrix = observe("create table public.plans (id int primary key, name text);")
    assert set(matrix.unjudged) == {"public.jobs"}
    said = matrix.unjudged["public.jobs"]
    assert said.startswith(f"internal error of pgassay {version('pgassay')}, Python ")
    assert "KeyError: 'an oversight'" in said
    assert "checks/isolation/check.py" in said
    assert ("public.plans", "tenant-leak", "error") in found(matrix)


def test_a_defect_of_ours_in_a_call_costs_that_function(observe: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_function: Function, _world: World, _label: str) -> Iterable[Call]:
        raise ZeroDivisionError

    monkeypatch.setattr("pgassay.checks.isolation.functions.calls_of", failing)
    matrix = observe(FINISH.format("definer"), "create table public.plans (id int primary key, name text);")
    assert set(matrix.unjudged) == {"public.finish(uuid)"}
    assert "ZeroDivisionError" in matrix.unjudged["public.finish(uuid)"]
    assert ("public.plans", "tenant-leak", "error") in found(matrix)


@pytest.mark.parametrize(
    ("moment", "body"),
    [
        ("after", "declare token text := current_setting('app.none')::json ->> 'x'; begin return new; end"),
        ("before", "begin perform public.no_such_function(); return new; end"),
        ("before", "begin raise exception 'closed'; end"),
        ("before", "begin return null; end"),
    ],
)
def test_a_trigger_on_files_that_fails_costs_them_alone(observe: Observe, moment: str, body: str) -> None:
    trigger = f"""
    create policy f on storage.objects for all to authenticated
    using (bucket_id = 'files' and (storage.foldername(name))[1] = (select auth.uid())::text);
    create function public.notify() returns trigger language plpgsql set search_path = '' as $$ {body} $$;
    create trigger n {moment} insert on storage.objects for each row execute function public.notify();
    alter policy member on public.jobs using (true);
    """
    matrix = observe(trigger)
    assert set(matrix.unjudged) == {"storage.objects"}
    assert ("public.jobs", "tenant-leak", "error") in found(matrix)


@pytest.mark.parametrize(
    "body",
    [
        "begin perform public.no_such_function(new.id); return new; end",
        "begin raise exception 'nobody may come in'; end",
        "begin return public.welcome(new.id); end",
    ],
)
def test_a_trigger_that_refuses_every_user_costs_the_table_of_users(observe: Observe, body: str) -> None:
    trigger = f"""
    create function public.hook() returns trigger language plpgsql security definer set search_path = '' as $$
    {body} $$;
    create trigger hook before insert on auth.users for each row execute function public.hook();
    alter policy member on public.jobs using (true);
    """
    matrix = observe(trigger)
    assert set(matrix.unjudged) == {"auth.users"}
    assert "whoever signs up is refused by its triggers: " in matrix.unjudged["auth.users"]
    assert ("public.jobs", "tenant-leak", "error") in found(matrix)


def test_a_table_whose_trigger_refuses_every_row_is_not_judged_and_the_rest_is(observe: Observe) -> None:
    trigger = """
    create function public.refuse() returns trigger language plpgsql set search_path = '' as $$
    begin raise exception 'closed'; end $$;
    create trigger refuse before insert on public.jobs for each row execute function public.refuse();
    create table public.plans (id int primary key, name text);
    """
    matrix = observe(trigger)
    assert matrix.unjudged == {"public.jobs": "no row could be made: closed"}
    assert ("public.plans", "tenant-leak", "error") in found(matrix)


# what fails for everybody


@pytest.mark.parametrize("kind", ["sql", "plpgsql"])
def test_recursion_by_a_helper_is_found_at_all_that_depends_on_it_and_soon(observe: Observe, kind: str) -> None:
    body = "select m.org_id from public.members as m where m.user_id = auth.uid()"
    body = body if kind == "sql" else f"begin return query {body}; end"
    matrix = observe(
        f"""
        create function public.mine() returns setof uuid language {kind} stable set search_path = '' as $$ {body} $$;
        alter policy own on public.members using (org_id in (select public.mine()));
        """
    )
    there = {finding.object: finding for finding in matrix.findings}
    assert {finding.rule for finding in matrix.findings} == {"policy-error"}
    assert set(there) == {"public.jobs", "public.members", "public.orgs", "public.mine()"}
    assert all("54001" in finding.observed for finding in matrix.findings)
    assert there["public.orgs"].culprit == "policy own on public.members"
    assert matrix.probes < 250
    assert not matrix.lines
    assert not matrix.unjudged


def test_a_circle_is_gone_round_once_for_each_table_and_kind_of_statement(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many members with roles there are: it takes long, and is the same for all of them."""
    usual, rounds = Session.attempt, Counter[str]()

    def counting(session: Session, *arguments: Any, **more: Any) -> Any:
        try:
            return usual(session, *arguments, **more)
        except psycopg.errors.StatementTooComplex:
            rounds[str(session.statement).partition(" ")[0]] += 1
            raise

    monkeypatch.setattr(Session, "attempt", counting)
    roles, tables = ("a", "b", "c", "d"), ("t1", "t2", "t3", "t4")
    table = """
    create table public.{0} (id uuid primary key default gen_random_uuid(), org_id uuid references public.orgs (id));
    alter table public.{0} enable row level security;
    create policy member on public.{0} for select to authenticated
    using (org_id in (select m.org_id from public.members as m));
    """
    observe(
        f"""
        alter table public.members add column role text not null default 'a' check (role in {roles});
        create function public.mine() returns setof uuid language sql stable set search_path = ''
        as $$ select m.org_id from public.members as m where m.user_id = auth.uid() $$;
        alter policy own on public.members using (org_id in (select public.mine()));
        """,
        *map(table.format, tables),
    )
    entitled = len(roles) + 2  # and the member of A, and that of both
    others = len(tables) + len(("orgs", "jobs"))
    assert 0 < rounds["select"] <= entitled + others
    assert 0 < rounds["insert"] + rounds["update"] + rounds["delete"] <= 3


# statements that were refused by chance


def test_what_is_shown_for_a_row_that_is_taken_runs_as_shown(pg_databases: Databases) -> None:
    """As whoever logs in: the statement reaches one row of others, though the same on all rows is refused."""
    hole = """
    alter table public.jobs add unique (org_id, title);
    drop policy member on public.jobs;
    create policy r on public.jobs for select to authenticated
    using (org_id in (select m.org_id from public.members as m));
    create policy u on public.jobs for update to authenticated
    using (true) with check (org_id in (select m.org_id from public.members as m));
    """
    with schemas.database(pg_databases, SCHEMA, hole) as clone:
        relations = catalog.read(clone.connect_as_owner())
        clone.close()
        matrix = isolation.observe(pg_databases, Template(clone.name), relations, (), TENANCY, keep=True)
        (finding,) = [finding for finding in matrix.findings if finding.rule == "tenant-write"]
        conninfo = pg_databases.server.conninfo(matrix.kept, user="authenticator")
        with psycopg.connect(conninfo, autocommit=True) as session:
            before, after = matrix.script(finding).removesuffix("rollback;\n").rsplit(";", 2)[:2]
            session.execute(before.encode())
            assert session.execute(after.encode()).rowcount == 1
