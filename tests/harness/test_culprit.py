"""The culprit of a finding, and the mend that was tried: each planted where it is known."""

from __future__ import annotations

import pytest

from pgassay.checks.isolation import Matrix, Verdict
from pgassay.identity import Databases
from tests.harness import schemas
from tests.harness.schemas import ORGANISATIONS, TENANCY

CLEAN = (
    ORGANISATIONS
    + """create table public.notes (
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
)
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
        f"alter policy adding on public.notes with check ((text <> ''::text) and {OWN});",
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
    mends = dict.fromkeys(finding.mend for finding in found if finding.mend.endswith(";"))
    left = observe(pg_databases, CLEAN, fault, *mends)
    decided = [finding.identity for finding in found if finding.mend.startswith("Decide")]
    assert ([finding.identity for finding in left.findings], left.unjudged) == (decided, {})
    assert bool(decided) is (where == "public.kept")  # which members read, and no condition can be put on


TASKS = """
create table public.tasks (
    id uuid primary key default gen_random_uuid(), note_id uuid not null references public.notes (id), title text
);
alter table public.tasks enable row level security;
"""
BY_NOTE = '"note_id" in (select "t"."id" from "public"."notes" as t where {})'
KEEPING = {
    "new rows are held to what old ones are": (
        TASKS + "create policy t on public.tasks to authenticated using (note_id in (select id from public.notes)) "
        "with check (true);",
        "alter policy t on public.tasks with check (note_id IN (SELECT notes.id FROM public.notes));",
    ),
    "by a foreign key, where no policy says whose a row is": (
        TASKS + "create policy t on public.tasks to authenticated using (true);",
        f"alter policy t on public.tasks using ({BY_NOTE.format(OWN)});",
    ),
    "a condition of the policy's own stays": (
        "create policy w on public.notes for update to authenticated using (length(text) < 1000) with check (true);"
        "create policy r on public.notes for select to authenticated using (true);",
        f"alter policy w on public.notes using ((length(text) < 1000) and {OWN}) with check ({OWN});",
    ),
    "row level security with a policy, where there is none": (
        TASKS + "alter table public.tasks disable row level security;",
        'alter table public.tasks enable row level security;\ncreate policy "own rows" on public.tasks '
        f"to authenticated using ({BY_NOTE.format(OWN)}) with check ({BY_NOTE.format(OWN)});",
    ),
    "row level security with a policy for what triggers write": (
        """
        create table public.changes (org_id uuid not null references public.orgs (id), at timestamptz default now());
        create function public.noted() returns trigger language plpgsql as $$
        begin insert into public.changes values (new.org_id); return new; end $$;
        create trigger noted after insert on public.notes for each row execute function public.noted();
        """,
        'alter table public.changes enable row level security;\ncreate policy "own rows" on public.changes '
        f"to authenticated using ({OWN}) with check ({OWN});",
    ),
    "a policy of the tenants' own table": (
        "create policy jobs on public.orgs for update using (true);",
        'alter policy jobs on public.orgs using ("id" in (select m."org_id" from "public"."members" as m '
        'where m."user_id" = (select auth.uid())));',
    ),
    "the right to change one column": (
        """
        create table public.profiles (
            id uuid primary key references auth.users (id), nick text, is_admin boolean not null default false
        );
        alter table public.profiles enable row level security;
        create policy own on public.profiles to authenticated using (id = (select auth.uid()));
        create policy staff on public.notes for select to authenticated
        using (exists (select from public.profiles as p where p.id = (select auth.uid()) and p.is_admin));
        """,
        'revoke update on "public"."profiles" from public, anon, authenticated;\n'
        'grant update ("id", "nick") on "public"."profiles" to "anon";\n'
        'grant update ("id", "nick") on "public"."profiles" to "authenticated";',
    ),
    "a view without its owner's rights does for members": (
        "create view public.texts as select n.org_id, n.text from public.notes as n where n.text <> '';",
        "alter view public.texts set (security_invoker = on);",
    ),
    "a view of what members may not read themselves gets a condition": (
        """
        create table public.costs (org_id uuid primary key references public.orgs (id), cents int not null);
        alter table public.costs enable row level security;
        create view public.sums as select c.org_id, c.cents from public.costs as c;
        """,
        "create or replace view public.sums with (security_barrier = on, check_option = cascaded) as\n"
        "SELECT org_id, cents FROM public.costs c WHERE org_id IN "
        "(SELECT m.org_id FROM public.members m WHERE m.user_id = (SELECT auth.uid())) "
        "OR (SELECT auth.role()) = 'service_role';",
    ),
}

UNTAKEN = {
    "the right to change one column": {
        'policy "staff" on public.notes, using: '
        "EXISTS (SELECT FROM public.profiles p WHERE p.id = (SELECT auth.uid() AS uid) AND p.is_admin)"
    }
}
"""Ways that nobody takes any more, once nobody can make themselves staff: no row is made yet that makes somebody it."""


@pytest.mark.parametrize("name", KEEPING)
def test_a_mend_keeps_the_feature(pg_databases: Databases, name: str) -> None:
    fault, mend = KEEPING[name]
    first = observe(pg_databases, CLEAN, fault)
    mends = {finding.mend.replace(" c.", " ") for finding in first.findings}  # PostgreSQL 18 leaves it out
    assert mend in mends, mends
    second = observe(pg_databases, CLEAN, fault, *dict.fromkeys(finding.mend for finding in first.findings))
    assert (second.findings, set(second.unjudged)) == ((), UNTAKEN.get(name, set()))
    member = {line.relation: line.reach for line in second.lines if line.identity == "member of A"}
    for line in first.lines:
        if line.identity == "member of A":
            kept = {operation for operation, reach in line.reach.items() if reach.value != "none"}
            assert kept <= {name for name, reach in member[line.relation].items() if reach.value != "none"}


DECIDED = {
    "a function that gives members all rows": (
        "create function public.everything() returns setof public.orgs language sql security definer "
        "set search_path = '' as $$ select * from public.orgs $$; drop policy member on public.orgs;",
        "public.everything()",
    ),
    "a trigger that writes across": (
        """
        create function public.blanked() returns trigger language plpgsql security definer set search_path = '' as $$
        begin update public.orgs set name = name || 'x' where id <> new.org_id; return new; end $$;
        create trigger blanked after insert on public.notes for each row execute function public.blanked();
        """,
        "public.notes",
    ),
}


@pytest.mark.parametrize("name", DECIDED)
def test_what_no_statement_mends_is_to_be_decided(pg_databases: Databases, name: str) -> None:
    fault, where = DECIDED[name]
    mends = {finding.mend for finding in observe(pg_databases, CLEAN, fault).findings if finding.object == where}
    assert len(mends) == 1
    assert all(mend.startswith("Decide ") and mend.endswith(".") for mend in mends), mends


def test_a_policy_is_dropped_only_where_nobody_entitled_loses_anything(pg_databases: Databases) -> None:
    shelf = "create table public.shelf (word text primary key); alter table public.shelf enable row level security;"
    shelf += "create policy own on public.notes as restrictive using (true);"
    shelf += "create policy anything on public.shelf for insert to authenticated with check (true);"
    mends = {finding.mend for finding in observe(pg_databases, CLEAN, shelf).findings}
    assert all("drop policy" not in mend for mend in mends), mends


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
