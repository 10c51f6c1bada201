"""The culprit of a finding, and the mend that was tried: each planted where it is known."""

from __future__ import annotations

import pytest

from pgassay.checks.isolation import Matrix, Verdict
from pgassay.config import Membership, Tenancy
from pgassay.identity import Databases
from tests.harness import schemas

TENANCY = Tenancy("public.orgs", Membership("public.members", "org_id", "user_id"), "org_id")
CLEAN = """
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (
    org_id uuid not null references public.orgs (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    primary key (org_id, user_id)
);
create table public.notes (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.orgs (id) on delete cascade,
    text text not null
);
alter table public.orgs enable row level security;
alter table public.members enable row level security;
alter table public.notes enable row level security;
create policy own on public.members for select to authenticated using (user_id = (select auth.uid()));
create policy member on public.orgs for select to authenticated
using (id in (select m.org_id from public.members as m));
create policy member on public.notes for all to authenticated
using (org_id in (select m.org_id from public.members as m));
"""
OWN = '"org_id" in (select m."org_id" from "public"."members" as m where m."user_id" = (select auth.uid()))'
PLANTED = [
    (
        "create policy everything on public.notes for select to authenticated using (true)",
        "public.notes",
        "policy everything on public.notes",
        f"alter policy everything on public.notes using ({OWN});",
    ),
    (
        "create policy adding on public.notes for insert to authenticated with check (text <> '')",
        "public.notes",
        "policy adding on public.notes",
        f"alter policy adding on public.notes with check ({OWN});",
    ),
    (
        "alter table public.notes disable row level security",
        "public.notes",
        "row level security is off on public.notes",
        "alter table public.notes enable row level security;",
    ),
    (
        "create view public.texts as select n.org_id, n.text from public.notes as n",
        "public.texts",
        "view public.texts, which has the rights of its owner",
        "alter view public.texts set (security_invoker = on);",
    ),
    (
        "create function public.all_notes() returns setof public.notes language sql stable security definer "
        "set search_path = '' as $$ select n.* from public.notes as n $$",
        "public.all_notes()",
        "function public.all_notes(), which has the rights of its owner",
        "alter routine public.all_notes() security invoker;",
    ),
    (
        "create materialized view public.kept as select n.org_id, n.text from public.notes as n",
        "public.kept",
        "the right of anon to select it",
        "revoke select on public.kept from public, anon;",
    ),
]


def observe(databases: Databases, *texts: str) -> Matrix:
    return schemas.observe(databases, *texts, tenancy=TENANCY)


@pytest.mark.parametrize(("fault", "where", "culprit", "mend"), PLANTED)
def test_the_culprit_is_named_and_its_mend_closes_the_hole(
    pg_databases: Databases, fault: str, where: str, culprit: str, mend: str
) -> None:
    found = [finding for finding in observe(pg_databases, CLEAN, fault).findings if finding.object == where]
    assert (found[0].culprit, found[0].mend) == (culprit, mend)
    left = observe(pg_databases, CLEAN, fault, *dict.fromkeys(finding.mend for finding in found if finding.culprit))
    assert (left.findings, left.unjudged) == ((), {})


def test_a_clean_schema_has_no_finding_and_its_verdicts_are_isolated(pg_databases: Databases) -> None:
    found = observe(pg_databases, CLEAN)
    assert (found.findings, found.unjudged) == ((), {})
    assert {found.verdict(line.relation, line.identity) for line in found.lines} == {Verdict.ISOLATED}


def test_a_finding_says_its_door_rule_and_verdict_and_can_be_shown_in_psql(pg_databases: Databases) -> None:
    found = observe(pg_databases, CLEAN, "create policy everything on public.notes for select to anon using (true)")
    (finding,) = found.findings
    assert (finding.rule, finding.door, finding.identity) == ("tenant-leak", "select", "anon")
    assert finding.statement == 'select * from "public"."notes"'
    assert "text: " in finding.observed
    assert found.verdict("public.notes", "anon") is Verdict.LEAKS
    script = found.script(finding)
    assert script.startswith('begin;\nset local role "anon";\nset local request.jwt.claims = ')
    with schemas.database(pg_databases, CLEAN) as clone:
        clone.connect_as_authenticator().execute(script.encode())
