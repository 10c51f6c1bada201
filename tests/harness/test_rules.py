"""Rules: each finds its fault and not the clean twin, and what it says mends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pgassay.checks import rules
from pgassay.checks.finding import Finding
from pgassay.identity import Databases, Session
from tests.harness import schemas

SCHEMA = """
create schema private;
create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (
    org_id uuid not null references public.orgs (id), user_id uuid not null references auth.users (id),
    primary key (org_id, user_id)
);
create index on public.members (user_id);
create table public.notes (
    id uuid primary key default gen_random_uuid(), org_id uuid not null references public.orgs (id), body text,
    unique (org_id, id)
);
create table public.lines (
    id bigint generated always as identity primary key, org_id uuid not null, note_id uuid,
    foreign key (org_id, note_id) references public.notes (org_id, id)
);
create index on public.lines (note_id, org_id) where note_id is not null;
alter table public.orgs enable row level security;
alter table public.members enable row level security;
alter table public.notes enable row level security;
alter table public.lines enable row level security;
create policy mine on public.members using (user_id = (select auth.uid()));
create policy mine on public.orgs using (id in (select m.org_id from public.members as m));
create policy mine on public.notes using (org_id in (select m.org_id from public.members as m));
create policy mine on public.lines using (org_id in (select m.org_id from public.members as m));
create view public.titles with (security_invoker = on) as select id, org_id from public.notes;
create function private.is_member(wanted uuid) returns boolean language sql stable security definer set search_path = ''
as $$ select exists (select from public.members as m where m.org_id = wanted and m.user_id = auth.uid()) $$;
"""

DEFINER = "create function public.f() returns bigint language sql security definer {} as 'select count(*) from orgs'"
TRIGGER = """
create function private.t() returns trigger language plpgsql security definer {} as 'begin return new; end';
create trigger t before insert on {} for each row execute function private.t();
"""

FAULTS = {
    "a table": (rules.RLS_DISABLED, "public.notes", "alter table public.notes disable row level security"),
    "a table of which one column is granted": (
        rules.RLS_DISABLED,
        "public.rates",
        "create table public.rates (a int, b int); revoke all on public.rates from public, anon, authenticated;"
        "grant select (b) on public.rates to anon",
    ),
    "a partition": (
        rules.RLS_DISABLED,
        "public.events_1",
        "create table public.events (at int) partition by range (at); alter table public.events enable row level "
        "security; create table public.events_1 partition of public.events for values from (0) to (9)",
    ),
    "a name with quotes, a percent sign and a line's end": (
        rules.RLS_DISABLED,
        'public.50% "off"\n; it\'s',
        'create table public."50% ""off""\n; it\'s" (id int)',
    ),
    "no search_path": (rules.DEFINER_SEARCH_PATH, "public.f()", DEFINER.format("")),
    "no search_path, but another setting": (
        rules.DEFINER_SEARCH_PATH,
        "public.f()",
        DEFINER.format("set statement_timeout = 0"),
    ),
    "no search_path in a procedure": (
        rules.DEFINER_SEARCH_PATH,
        "public.p(integer, text[])",
        "create procedure public.p(a int, b text[]) language plpgsql security definer as 'begin end'",
    ),
    "no search_path in a helper that only policies call": (
        rules.DEFINER_SEARCH_PATH,
        "private.is_member(uuid)",
        "create policy more on public.notes using (private.is_member(org_id));"
        "alter function private.is_member reset search_path",
    ),
    "no search_path in a trigger's function": (
        rules.DEFINER_SEARCH_PATH,
        "private.t()",
        TRIGGER.format("", "public.notes"),
    ),
    "a search_path with a schema that callers write to": (
        rules.DEFINER_SEARCH_PATH,
        "public.f()",
        'create schema "Scratch pad"; grant create, usage on schema "Scratch pad" to authenticated;'
        + DEFINER.format("set search_path = 'Scratch pad', public, pg_temp"),
    ),
    "a view": (rules.DEFINER_VIEW, "public.titles", "alter view public.titles reset (security_invoker)"),
    "a view of a view": (
        rules.DEFINER_VIEW,
        "public.all_titles",
        "create view private.titles as select * from public.notes;"
        "create view public.all_titles as select * from private.titles",
    ),
    "a materialized view": (
        rules.DEFINER_VIEW,
        "public.numbers",
        "create materialized view public.numbers as select org_id, count(*) from public.notes group by org_id",
    ),
    "auth.uid()": (
        rules.POLICY_PER_ROW_AUTH,
        "public.members",
        "alter policy mine on public.members using (user_id = auth.uid())",
    ),
    "auth.uid() in a sub-select that hangs on the row": (
        rules.POLICY_PER_ROW_AUTH,
        "public.notes",
        "alter policy mine on public.notes using (exists (select from public.members as m "
        "where m.org_id = notes.org_id and m.user_id = auth.uid()))",
    ),
    "auth.jwt() in a check, current_setting() beside what is wrapped": (
        rules.POLICY_PER_ROW_AUTH,
        "public.notes",
        'create policy "to ""write""" on public.notes for update using ((select auth.uid()) is not null '
        "and org_id = current_setting('my.org')::uuid) with check (org_id::text = auth.jwt() ->> 'org')",
    ),
    "auth.uid() for files": (
        rules.POLICY_PER_ROW_AUTH,
        "storage.objects",
        "create policy mine on storage.objects using (owner = auth.uid())",
    ),
    "no index": (
        rules.FK_WITHOUT_INDEX,
        "public.tags",
        "create table private.tags (note_id uuid references public.notes (id)); alter table private.tags set schema "
        "public; alter table public.tags enable row level security",
    ),
    "an index with a column before it": (
        rules.FK_WITHOUT_INDEX,
        "private.tags",
        "create table private.tags (at int, note_id uuid references public.notes (id), primary key (at, note_id))",
    ),
    "an index of one column of two": (
        rules.FK_WITHOUT_INDEX,
        "private.tags",
        'create table private.tags ("Org id" uuid, note_id uuid, foreign key ("Org id", note_id) references '
        'public.notes (org_id, id)); create index on private.tags ("Org id")',
    ),
    "an index of some rows": (
        rules.FK_WITHOUT_INDEX,
        "private.tags",
        "create table private.tags (at int, note_id uuid references public.notes (id));"
        "create index on private.tags (note_id) where note_id is not null and at > 0",
    ),
    "an index of an expression": (
        rules.FK_WITHOUT_INDEX,
        "private.tags",
        "create table private.tags (note_id uuid references public.notes (id));"
        "create index on private.tags ((note_id::text))",
    ),
    "an index that is not finished": (
        rules.FK_WITHOUT_INDEX,
        "private.tags",
        "create table private.tags (note_id uuid references public.notes (id)) partition by range (note_id);"
        "create table private.tags_1 partition of private.tags default; create index on only private.tags (note_id)",
    ),
}

TWINS = {
    "a table without rights": "alter table public.notes disable row level security;"
    "revoke all on public.notes from anon, authenticated",
    "a table in a closed schema": "create table private.notes (id int); grant all on private.notes to anon",
    "a table that can be emptied and referred to": "create table public.rates (a int);"
    "revoke all on public.rates from anon, authenticated; grant truncate, references, trigger on public.rates to anon",
    "a partition with row level security": FAULTS["a partition"][2]
    + "; alter table public.events_1 enable row level security",
    "an empty search_path": DEFINER.format("set search_path = ''").replace("orgs", "public.orgs"),
    "a search_path that ends with pg_temp": DEFINER.format("set search_path = public, pg_temp"),
    "a function with the caller's rights": DEFINER.format("").replace("security definer", ""),
    "a function that callers may not execute": DEFINER.format("")
    + "; revoke execute on function public.f from public, anon, authenticated",
    "a function in a closed schema, which nothing calls": DEFINER.format("").replace("public.f", "private.f"),
    "a trigger on a table that callers do not write to": TRIGGER.format("", "auth.users"),
    "a function of a caller's own": "grant create on schema private to authenticated;"
    + DEFINER.format("").replace("public.f", "private.f")
    + "; alter function private.f owner to authenticated; revoke create on schema private from authenticated",
    "a view without rights": "alter view public.titles reset (security_invoker);"
    "revoke all on public.titles from anon, authenticated",
    "a view of no table": "create view public.days as select generate_series(1, 7) as day",
    "a materialized view in a closed schema": "create materialized view private.numbers as select 1 as one",
    "auth.uid() once": "alter policy mine on public.members using ((select auth.uid()) = user_id)",
    "auth.uid() in a sub-select that knows nothing of the row": "alter policy mine on public.notes "
    "using (org_id in (select m.org_id from public.members as m where m.user_id = auth.uid()))",
    "another function of the name": "create function private.uid() returns uuid language sql as 'select null::uuid';"
    "alter policy mine on public.members using (user_id = private.uid())",
    "a setting that the row names": "alter policy mine on public.notes using (current_setting(body, true) = 'on')",
    "columns in another order, and more": "create table private.tags (at int, org_id uuid, note_id uuid, "
    "foreign key (org_id, note_id) references public.notes (org_id, id));"
    "create index on private.tags (note_id, org_id, at)",
    "a unique column of two": "create table private.tags (org_id uuid, note_id uuid primary key, "
    "foreign key (org_id, note_id) references public.notes (org_id, id))",
    "a partitioned table with an index": "create table private.tags (note_id uuid references public.notes (id)) "
    "partition by range (note_id); create table private.tags_1 partition of private.tags default;"
    "create index on private.tags (note_id)",
    "a hash index, of what is not NULL": "create table private.tags (note_id uuid references public.notes (id));"
    "create index on private.tags using hash (note_id) where note_id is not null",
}


@pytest.fixture(scope="module")
def owner(pg_databases: Databases) -> Iterator[Session]:
    with schemas.database(pg_databases, SCHEMA) as clone:
        yield clone.connect()


@pytest.fixture
def session(owner: Session) -> Iterator[Session]:
    with owner.example():
        yield owner


def found(session: Session, sql: str, established: frozenset[str] = frozenset()) -> list[Finding]:
    session.execute(sql.encode())
    return rules.check(session, established)


def test_a_clean_schema_has_no_finding(session: Session) -> None:
    assert rules.check(session, frozenset()) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_where_it_is_and_what_is_said_mends_it(session: Session, name: str) -> None:
    rule, where, fault = FAULTS[name]
    (finding,) = found(session, fault)
    assert (finding.rule, finding.object) == (rule, where)
    expected = "error" if rule in (rules.RLS_DISABLED, rules.DEFINER_VIEW) else "warning"
    assert finding.severity == ("note" if "trigger" in name else expected)
    assert found(session, finding.mend) == []


@pytest.mark.parametrize("name", TWINS)
def test_a_clean_twin_is_not_taken(session: Session, name: str) -> None:
    assert found(session, TWINS[name]) == []


def test_a_foreign_table_is_to_have_no_rights(pg_databases: Databases) -> None:
    """It cannot have row level security. Made by the admin: another one may not make servers."""
    with pg_databases.copy(pg_databases.template((), ())) as clone:
        admin = clone.connect_as_admin()
        admin.execute("create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing")
        admin.execute("create foreign table public.far (id int) server nowhere; grant select on public.far to anon")
        (finding,) = rules.check(admin, frozenset())
        assert (finding.rule, finding.object, finding.severity) == (rules.RLS_DISABLED, "public.far", "error")
        assert found(admin, finding.mend) == []


def test_temporary_tables_before_those_of_the_path_are_a_warning(session: Session) -> None:
    for path in ("public, extensions", "pg_temp, public"):
        (finding,) = found(session, DEFINER.format(f"set search_path = {path}").replace("create", "create or replace"))
        assert (finding.rule, finding.severity) == (rules.DEFINER_SEARCH_PATH, "warning")
        assert found(session, finding.mend) == []


def test_what_an_experiment_has_established_is_no_error(session: Session) -> None:
    fault = FAULTS["a view"][2] + ";" + FAULTS["a table"][2]
    assert {finding.object for finding in found(session, fault)} == {"public.titles", "public.notes"}
    (finding,) = rules.check(session, frozenset({"public.titles", "public.notes"}))
    assert (finding.rule, finding.object, finding.severity) == (rules.RLS_DISABLED, "public.notes", "warning")


def test_a_policy_means_the_same_when_it_is_mended(session: Session) -> None:
    (finding,) = found(session, FAULTS["auth.jwt() in a check, current_setting() beside what is wrapped"][2])
    assert finding.observed == 'the policy "to ""write""" calls current_setting() and auth.jwt() once a row'
    session.execute(finding.mend.encode())
    row = session.execute("select qual, with_check from pg_policies where policyname = 'to \"write\"'").fetchone()
    assert row is not None
    assert [text.count("SELECT") for text in row] == [2, 1]


def test_a_schema_that_shadows_built_ins_fools_no_rule(session: Session) -> None:
    hostile = """
    create function public.has_schema_privilege(oid, oid, text) returns boolean language sql as 'select false';
    create function public.never(name, name) returns boolean language sql as 'select false';
    create operator public.= (leftarg = name, rightarg = name, function = public.never);
    create table public.pg_class (id int); alter table public.pg_class enable row level security;
    set search_path = public, pg_catalog;
    """
    (finding,) = found(session, hostile + FAULTS["a table"][2])
    assert finding.object == "public.notes"
    assert session.execute("show search_path").fetchone() == ("public, pg_catalog",)
