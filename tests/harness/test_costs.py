"""One failure ends one thing: an identity, a bucket, a view that cannot be had is named, and the rest is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgassay.catalog import Relation
from pgassay.checks import culprit
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Matrix
from pgassay.checks.isolation.mends import Mends
from pgassay.config import Share, Tenancy
from pgassay.identity import Databases, Session
from pgassay.rows import Maker
from tests.harness import schemas
from tests.harness.command import run
from tests.harness.schemas import TENANCY
from tests.harness.test_judging import SCHEMA, found

LEAK = "alter policy member on public.jobs using (true);"
LEAKS = ("public.jobs", "tenant-leak", "error")

Observe = Callable[..., Matrix]


@pytest.fixture
def observe(pg_databases: Databases) -> Observe:
    def observes(*texts: str, tenancy: Tenancy = TENANCY) -> Matrix:
        return schemas.observe(pg_databases, SCHEMA, LEAK, *texts, tenancy=tenancy)

    return observes


ROLES = """
alter table public.members add column role text not null default 'member' check (role in ('member', 'guest', 'bot'));
"""


def trigger(table: str, moment: str, body: str) -> str:
    return f"""
    create function public.hook() returns trigger language plpgsql security definer set search_path = '' as $$
    begin {body} return new; end $$;
    create trigger hook {moment} on {table} for each row execute function public.hook();
    """


@pytest.mark.parametrize(
    "refuses", ["raise exception 'no guests';", "perform public.no_such_function();", "return null;"]
)
def test_a_role_that_no_member_can_have_costs_that_identity(observe: Observe, refuses: str) -> None:
    matrix = observe(ROLES, trigger("public.members", "before insert", f"if new.role = 'guest' then {refuses} end if;"))
    assert set(matrix.unjudged) == {"member of A, role guest", "member of B, role guest"}
    assert LEAKS in found(matrix)


def test_a_role_that_one_member_of_a_tenant_alone_can_have_is_played_by_the_one_who_has_it(observe: Observe) -> None:
    one = "create unique index on public.members (org_id) where role = '{}';"
    assert observe(ROLES, one.format("member")).unjudged == {}
    # and where nobody has it as yet, it can be made
    assert observe(ROLES, one.format("bot")).unjudged == {}


def test_a_second_membership_that_fails_costs_the_member_of_both(observe: Observe) -> None:
    second = "if exists (select from public.members as m where m.user_id = new.user_id) then {} end if;"
    broken = trigger("public.members", "before insert", second.format("perform public.no_such_function();"))
    matrix = observe(broken)
    assert set(matrix.unjudged) == {"member of both"}
    assert LEAKS in found(matrix)
    # but where a user is to be in one tenant alone, nobody is missed
    refused = trigger("public.members", "before insert", second.format("raise exception 'one team a user';"))
    assert "member of both" not in observe(refused).unjudged


SHARES = """
create table public.shares (
    job_id uuid not null references public.jobs (id), user_id uuid not null references auth.users (id),
    org_id uuid not null references public.orgs (id), primary key (job_id, user_id)
);
alter table public.shares enable row level security;
create policy own on public.shares for all to authenticated
using (org_id in (select m.org_id from public.members as m));
"""


def test_a_guest_who_cannot_be_let_in_costs_that_identity(observe: Observe) -> None:
    tenancy = replace(TENANCY, shared=(Share("public.shares", "job_id", "user_id"),))
    body = """if not exists (select from public.members as m where m.user_id = new.user_id and m.org_id = new.org_id)
    then raise exception 'colleagues alone'; end if;"""
    matrix = observe(SHARES, trigger("public.shares", "before insert", body), tenancy=tenancy)
    assert set(matrix.unjudged) == {"guest of A by public.shares"}
    assert LEAKS in found(matrix)


FILES = """
insert into storage.buckets (id, name) values ('open', 'open') on conflict do nothing;
create policy f on storage.objects for select to authenticated using (
    bucket_id = 'open' or bucket_id = 'closed' and (storage.foldername(name))[1] = (select auth.uid())::text
);
"""


@pytest.mark.parametrize(
    ("table", "column"), [("storage.buckets", "id"), ("storage.objects", "bucket_id")], ids=["the bucket", "its files"]
)
def test_a_bucket_that_cannot_be_filled_costs_that_bucket(observe: Observe, table: str, column: str) -> None:
    body = f"if new.{column} = 'closed' then raise exception 'no'; end if;"
    matrix = observe(FILES, trigger(table, "before insert", body))
    way = """policy "f" on storage.objects, using: … or bucket_id = 'closed'::text AND """
    way += "(storage.foldername(name))[1] = (SELECT auth.uid() AS uid)::text"  # which files there would have shown
    assert set(matrix.unjudged) == {"storage.objects, bucket closed", way}
    assert ("storage.objects", "tenant-leak", "error") in found(matrix)


def test_a_public_view_that_fails_costs_that_view(observe: Observe) -> None:
    views = """
    create view public.rates as select 1 / (select count(*) from public.orgs where name = '') as rate;
    create view public.titles with (security_invoker = on) as select j.title from public.jobs as j;
    """
    matrix = observe(views, tenancy=replace(TENANCY, public=frozenset({"public.rates"})))
    assert set(matrix.unjudged) <= {"public.rates"}
    assert LEAKS in found(matrix)


def test_a_defect_of_ours_costs_the_table_of_which_rows_are_made(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Maker.__dict__["_fill_group"]

    def failing(maker: Maker, group: Iterable[Relation], *rest: object) -> None:
        if any(relation.name == "plans" for relation in group):
            raise KeyError("an oversight")
        usual(maker, group, *rest)

    monkeypatch.setattr(Maker, "_fill_group", failing)
    matrix = observe("create table public.plans (id int primary key, org_id uuid references public.orgs (id));")
    assert set(matrix.unjudged) == {"public.plans"}
    assert "KeyError: 'an oversight'" in matrix.unjudged["public.plans"]
    assert LEAKS in found(matrix)


def test_a_world_without_others_that_cannot_be_made_costs_the_comparison(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise psycopg.errors.LockNotAvailable("somebody else is there")

    monkeypatch.setattr("pgassay.checks.isolation.check.leave_alone", failing)
    matrix = observe()
    assert matrix.unjudged == {"whether there are other tenants": "somebody else is there"}
    assert LEAKS in found(matrix)


def test_a_defect_of_ours_costs_the_culprit_that_is_looked_for(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = culprit._culprit

    def failing(session: Session, finding: Finding, *rest: Any) -> culprit.Culprit | None:
        if finding.object == "public.plans":
            raise KeyError("an oversight")
        return usual(session, finding, *rest)

    monkeypatch.setattr(culprit, "_culprit", failing)
    matrix = observe("create table public.plans (id int primary key, org_id uuid references public.orgs (id));")
    culprits = {finding.object: finding.culprit for finding in matrix.findings}
    assert culprits == {"public.plans": "", "public.jobs": "policy member on public.jobs"}
    assert any("KeyError: 'an oversight'" in note for note in matrix.notes)


def test_a_defect_of_ours_costs_the_mend_that_is_looked_for(observe: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> str:
        raise KeyError("an oversight")

    monkeypatch.setattr(Mends, "_found", failing)
    matrix = observe()
    assert {finding.culprit for finding in matrix.findings} == {"policy member on public.jobs"}
    assert all(finding.mend for finding in matrix.findings)
    assert any("KeyError: 'an oversight'" in note for note in matrix.notes)


def test_what_the_schema_forbids_us_costs_the_probes_and_not_the_rules(tmp_path: Path) -> None:
    """As an event trigger that lets nobody make a schema any more."""
    forbids = """
    create function public.forbid() returns event_trigger language plpgsql as $$
    begin raise exception 'no more schemas'; end $$;
    create event trigger forbid on ddl_command_start when tag in ('CREATE SCHEMA') execute function public.forbid();
    create function public.plain() returns int language sql security definer as 'select 1';
    """
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_a.sql").write_text(SCHEMA + forbids)
    done = run("check", "--verbose", "--pg", "embedded", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "no more schemas" in done.stdout
    assert "definer-search-path" in done.stdout
