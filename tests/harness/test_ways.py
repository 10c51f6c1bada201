"""Ways: nothing is isolated by a condition for which no row and caller were found."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, Group

from pgassay import catalog, config, migrations
from pgassay.checks import isolation, waivers, ways
from pgassay.checks.isolation import Matrix
from pgassay.checks.ways import Way
from pgassay.config import Waiver
from pgassay.identity import Databases
from pgassay.platforms import DEFAULT
from pgassay.report import explanation
from pgassay.rows.search import Search
from pgassay.schema.policies import key_of
from pgassay.templates import Template
from tests.harness import runs, schemas
from tests.harness.schemas import ORGANISATIONS, TENANCY

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = (
    ORGANISATIONS
    + """create table public.docs (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.orgs (id) on delete cascade,
    title text not null
);
alter table public.orgs enable row level security;
alter table public.members enable row level security;
alter table public.docs enable row level security;
create schema private;
create function private.is_member(org uuid) returns boolean language sql stable security definer set search_path = ''
as $$ select exists (select from public.members as m where m.org_id = org and m.user_id = auth.uid()) $$;
create policy own on public.members for select to authenticated using (user_id = (select auth.uid()));
create policy member on public.orgs for select to authenticated using (private.is_member(id));
create policy member on public.docs for all to authenticated using (private.is_member(org_id));
"""
)
NOBODY = "pg_catalog.length(title) = 4321"
"""A condition for which nobody makes a row."""

Observe = Callable[..., Matrix]


@pytest.fixture
def observe(pg_databases: Databases) -> Observe:
    def observes(*texts: str) -> Matrix:
        return schemas.observe(pg_databases, SCHEMA, *texts, tenancy=TENANCY)

    return observes


def of(matrix: Matrix, name: str) -> list[Way]:
    return [way for way in matrix.ways if way.object == name]


def errors(matrix: Matrix) -> set[tuple[str, str]]:
    return {(finding.object, finding.door) for finding in matrix.findings if finding.severity == "error"}


def test_every_way_of_a_clean_schema_is_taken_by_members_alone(observe: Observe) -> None:
    matrix = observe()
    assert (errors(matrix), matrix.unjudged) == (set(), {})
    (way,) = of(matrix, "public.docs")
    assert way.what == 'policy "member" on public.docs, using'
    assert "member of A" in way.takers  # without any right to the schema of the function that is asked
    assert not {"anon", "stranger", "forged claims", "service_role"} & set(way.takers)
    assert '{"id": "' in way.how


def test_a_branch_for_which_nothing_is_found_is_named_and_the_other_one_is_taken(observe: Observe) -> None:
    text = (
        f"create policy read on public.docs for select to authenticated using (private.is_member(org_id) or {NOBODY})"
    )
    matrix = observe(text)
    name = 'policy "read" on public.docs, using: … or length(title) = 4321'
    assert matrix.unjudged == {name: "no row and caller were found for which it holds"}
    assert errors(matrix) == set()
    assert [bool(way.takers) for way in of(matrix, "public.docs")] == [True, True, False]
    assert {line.relation for line in matrix.lines} >= {"public.docs"}


@pytest.mark.parametrize(
    ("waived", "is_left"),
    [
        (Waiver("public.docs", "imported ones", way="4321 = length(title)"), False),
        (Waiver('policy "read" on public.docs', "imported ones", way=NOBODY), False),
        (Waiver("public.docs", "imported ones", way="length(title) = 4322"), True),
        (Waiver("public.docs", "imported ones"), True),
        (Waiver("public.orgs", "imported ones", way=NOBODY), True),
        (Waiver("public.docs", "a way that is taken", way="private.is_member(org_id)"), True),
    ],
)
def test_a_waiver_is_for_one_branch_however_it_is_written(waived: Waiver, is_left: bool) -> None:
    several = [("private.is_member(org_id)", ("member of A",), ""), ("length(title) = 4321", (), "nobody")]
    opened = [
        Way("policy", "public.docs", 'policy "read" on public.docs, using', text, key_of(text), True, takers, why=why)
        for text, takers, why in several
    ]
    verdict = waivers.apply([waived], [], ways.untaken(opened), opened)
    assert bool(verdict.unjudged) is is_left
    assert [entry.reason for entry in verdict.waived] == ([] if is_left else ["imported ones"])
    assert [finding.rule for finding in verdict.findings] == (["unused-waiver"] if is_left else [])
    assert str(ways.share(verdict.ways)) == ("1 of 2 ways taken (50 %)" if is_left else "1 of 1 ways taken (100 %)")


def test_the_ways_of_what_is_waived_as_a_whole_go_with_it() -> None:
    opened = [Way("policy", "public.docs", 'policy "read" on public.docs, using', "a", "a")]
    verdict = waivers.apply([Waiver("public.docs", "no rows")], [], {"public.docs": "no row could be made"}, opened)
    assert str(ways.share(verdict.ways)) == "0 of 0 ways taken (100 %)"


def test_what_only_forged_claims_take_is_a_finding(observe: Observe) -> None:
    matrix = observe(
        "create policy staff on public.docs for select to authenticated "
        "using ((auth.jwt() -> 'user_metadata' ->> 'is_staff') = 'true')"
    )
    assert ("public.docs", "select") in errors(matrix)
    assert matrix.unjudged == {}  # the finding says it


def test_forged_claims_take_no_way_that_opens_nothing_to_them(observe: Observe) -> None:
    matrix = observe(
        "create policy staff on public.docs for insert to authenticated "
        "with check ((auth.jwt() -> 'user_metadata' ->> 'is_staff') = 'true');"
        "create policy but on public.docs as restrictive for insert to authenticated "
        "with check (private.is_member(org_id))"
    )
    assert errors(matrix) == set()
    assert [name for name in matrix.unjudged if 'policy "staff"' in name]


@pytest.mark.parametrize(
    "text",
    [
        f"create policy back on public.docs for select to service_role using ({NOBODY})",
        f"create policy dead on public.docs for select to authenticated using ({NOBODY} and false)",
        "create policy far on public.orgs for delete to authenticated using (name = 'x');"
        "revoke delete on public.orgs from anon, authenticated",
    ],
)
def test_what_nobody_can_use_who_is_held_by_policies_is_no_way(observe: Observe, text: str) -> None:
    matrix = observe(text)
    assert (len(matrix.ways), matrix.unjudged) == (3 + len(of(matrix, "nothing")), {})


def test_an_error_of_one_branch_costs_that_branch_alone(observe: Observe) -> None:
    matrix = observe(
        "create policy odd on public.docs for select to authenticated "
        f"using ({NOBODY} and 1 / length(org_id::text) > 0 "
        "or private.is_member(org_id) or title::int > 5 and title = 'no number')"
    )
    found = {way.branch: way for way in of(matrix, "public.docs") if '"odd"' in way.what}
    assert [bool(way.takers) for way in found.values()].count(True) == 1
    assert len(matrix.unjudged) == 2


@pytest.mark.parametrize(
    ("column", "condition"),
    [
        ("state text not null default 'new'", "state = 'sent'"),
        ("states text[] not null default '{}'", "'sent' = any (states)"),
        ("readers uuid[] not null default '{}'", "auth.uid() = any (readers)"),
        ("rank int not null default 0", "rank > 40"),
        ("ends_at timestamptz", "ends_at > now() + interval '1 hour'"),
        ("is_sent boolean not null default false", "is_sent and title <> 'draft'"),
        ("by_id uuid references auth.users", "(by_id = (select auth.uid()) and title is not null)"),
    ],
)
def test_rows_are_made_for_what_a_condition_compares(observe: Observe, column: str, condition: str) -> None:
    """Without a row with that value, nobody would have tried what the policy opens."""
    with_column = f"alter table public.docs add column {column}; drop policy member on public.docs;"
    held = "private.is_member(org_id) and"
    matrix = observe(f"{with_column} create policy sent on public.docs to authenticated using ({held} {condition})")
    assert (errors(matrix), matrix.unjudged) == (set(), {})
    (way,) = of(matrix, "public.docs")
    assert "member of A" in way.takers


def test_a_row_that_was_made_shows_what_its_policy_opens(observe: Observe) -> None:
    """That of the first policy is needed for the second one to be true, which does not ask whose the row is."""
    matrix = observe(
        "alter table public.docs add column rank int not null default 0; drop policy member on public.docs; "
        "create policy top on public.docs for select to authenticated using (private.is_member(org_id) and rank > 40);"
        "create function private.top() returns setof uuid language sql stable security definer set search_path = '' "
        "as $$ select d.id from public.docs as d where d.rank > 40 $$;"
        "create policy top on public.orgs for select to authenticated "
        "using (exists (select from private.top() as t where t is not null))"
    )
    assert ("public.orgs", "stranger") in {(finding.object, finding.identity) for finding in matrix.findings}
    assert matrix.unjudged == {}


def test_a_null_that_opens_a_row_to_all_is_found_by_a_row_that_has_it(observe: Observe) -> None:
    matrix = observe(
        "alter table public.docs add column assignee_id uuid references auth.users; drop policy member on public.docs; "
        "create policy member on public.docs to authenticated "
        "using (private.is_member(org_id) and assignee_id is not null or assignee_id is null)"
    )
    assert ("public.docs", "select") in errors(matrix)


@pytest.mark.parametrize("is_held", [True, False])
def test_a_role_that_only_a_policy_names_is_somebodys(observe: Observe, is_held: bool) -> None:
    of_own = "and m.org_id = docs.org_id" if is_held else ""
    matrix = observe(
        "alter table public.members add column role text not null default 'plain'; create policy pay on public.docs "
        "for select to authenticated using (exists (select from public.members as m where m.user_id = auth.uid() "
        f"and m.role = 'billing' {of_own}))"
    )
    assert (errors(matrix), matrix.unjudged) == (set() if is_held else {("public.docs", "select")}, {})
    (way,) = [way for way in of(matrix, "public.docs") if '"pay"' in way.what]
    assert "member of A, role billing" in way.takers


@pytest.mark.parametrize(
    "condition",
    [
        "(auth.jwt() -> 'app_metadata' ->> 'is_support')::boolean",
        "coalesce((auth.jwt() -> 'app_metadata' ->> 'plan') = 'gold', false)",
        "(current_setting('request.jwt.claims', true)::jsonb #>> '{app_metadata,org}')::uuid = org_id",
        "(auth.jwt() -> 'app_metadata' -> 'orgs') ? org_id::text",
        "(auth.jwt() ->> 'org_role') = 'auditor'",
    ],
)
def test_callers_have_the_claims_that_only_the_platform_writes(observe: Observe, condition: str) -> None:
    matrix = observe(f"create policy claimed on public.docs for select to authenticated using ({condition})")
    assert (errors(matrix), matrix.unjudged) == (set(), {})
    (way,) = [way for way in of(matrix, "public.docs") if '"claimed"' in way.what]
    assert "whose token has" in way.takers[0]


_PLAN = """create function private.plan() returns text language sql stable
as $$ select coalesce(auth.jwt() -> 'app_metadata' ->> 'plan', 'none') $$;
create function private.is_gold() returns boolean language plpgsql stable security definer set search_path = ''
as $$
declare
    plan text := private.plan();
begin
    return plan = 'gold';
end
$$;
create policy gold on public.docs for select to authenticated using (private.is_member(org_id) and private.is_gold());
create policy silver on public.docs for select to authenticated
using (private.is_member(org_id) and private.plan() in ('silver'));
"""
"""A claim that two helpers read, of which one calls the other."""


def test_claims_that_helpers_read_are_those_of_callers_of_their_own(observe: Observe) -> None:
    matrix = observe(_PLAN)
    assert (errors(matrix), matrix.unjudged) == (set(), {})
    takers = [set(way.takers) for way in of(matrix, "public.docs") if '"gold"' in way.what or '"silver"' in way.what]
    assert len(takers) == 2
    assert not takers[0] & takers[1]


def test_the_ways_of_an_object_are_explained(observe: Observe) -> None:
    matrix = observe(f"create policy read on public.docs for select to authenticated using ({NOBODY})")
    done = replace(runs.clean(), ways=matrix.ways, unjudged=matrix.unjudged)
    told = printed(explanation.explanation(done, "public.docs"))
    assert told.splitlines()[0] == "public.docs: 1 of 2 ways taken (50 %)"
    assert '  policy "member" on public.docs, using: private.is_member(org_id)' in told
    assert "    taken by member of A" in told
    assert "    not taken: no row and caller were found for which it holds" in told
    assert printed(explanation.explanation(done, "public.none")).startswith("No ways lead to public.none.")


def printed(what: Group) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("condition", "is_idle"),
    [
        ("title is not null", True),
        ("org_id in (select m.org_id from public.members as m)", True),
        ("auth.jwt() ->> 'aal' = 'aal2'", False),
        ("org_id in (select m.org_id from public.members as m where m.user_id = auth.uid() offset 1)", False),
    ],
)
def test_a_restrictive_policy_that_refuses_nothing_is_a_note(observe: Observe, condition: str, is_idle: bool) -> None:
    found = observe(
        f"create policy held on public.docs as restrictive for select to authenticated using ({condition});"
    )
    assert any('"held" on public.docs refused no row' in note for note in found.notes) is is_idle


def test_rights_without_row_level_security_are_ways_each(observe: Observe) -> None:
    matrix = observe(
        "create table public.plans (id int primary key, name text not null); revoke all on public.plans from public, "
        "anon, authenticated; grant select on public.plans to anon, authenticated; insert into public.plans values "
        "(1, 'free')"
    )
    rights = {way.what: way.takers for way in of(matrix, "public.plans")}
    assert set(rights) == {
        f"select on public.plans as {role}, without row level security" for role in ("anon", "authenticated")
    }


LOGGED = """
create table public.logs (id bigint generated always as identity primary key, org_id uuid not null, what text not null);
alter table public.logs enable row level security;
create policy member on public.logs for select to authenticated using (private.is_member(org_id));
create function private.log() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    insert into public.logs (org_id, what) values (new.org_id, 'changed');
    return null;
end
$$;
create function private.trim() returns trigger language plpgsql set search_path = '' as $$
begin new.title := btrim(new.title); return new; end
$$;
create trigger trim before insert or update on public.docs for each row execute function private.trim();
"""


@pytest.mark.parametrize(
    ("made", "is_taken"),
    [
        ("after insert on public.docs for each row", True),
        ("after update on public.docs for each row when (old.title is distinct from new.title)", True),
        ("after update of title on public.docs for each row when (new.title = 'done' and old.title <> 'done')", True),
        (f"after update on public.docs for each row when ({NOBODY.replace('title', 'new.title')})", False),
    ],
)
def test_a_trigger_that_writes_to_another_table_is_a_way(observe: Observe, made: str, is_taken: bool) -> None:
    matrix = observe(LOGGED, f"create trigger log {made} execute function private.log()")
    (way,) = (way for way in of(matrix, "public.docs") if way.kind == ways.TRIGGER)  # and that which trims is none
    assert way.what == "trigger log on public.docs"
    assert bool(way.takers) is is_taken
    assert way.how.startswith(("insert", "update")) is is_taken
    assert matrix.unjudged == ({} if is_taken else {way.what: "no statement was found that makes it fire"})
    assert errors(matrix) == set()


def test_a_trigger_for_which_nobody_has_the_right_is_no_way(observe: Observe) -> None:
    matrix = observe(
        LOGGED,
        "create trigger log after update of org_id on public.docs for each row execute function private.log()",
        "revoke update on public.docs from anon, authenticated; grant update (title) on public.docs to authenticated",
    )
    assert [way.what for way in of(matrix, "public.docs") if way.kind == ways.TRIGGER] == []
    assert matrix.unjudged == {}


def test_a_check_that_lets_everything_in_is_found_past_constraints_and_triggers(pg_databases: Databases) -> None:
    """2,629 probes did not see it: each row of B's that was tried stumbled over a key or trigger of the table."""
    settings = config.load(cwd=ROOT, environ={})
    assert settings.migrations is not None
    assert settings.tenancy is not None
    scripts = migrations.discover(settings.migrations).migrations
    template = pg_databases.template(migrations.scripts(settings.before), scripts)
    with pg_databases.copy(template) as clone:
        with clone.connect_as_owner() as owner:
            owner.execute(
                "alter policy members_work_with_their_organisations_cards on public.kanban_cards with check (true)"
            )
            relations, functions = catalog.read(owner), catalog.read_functions(owner, DEFAULT.roles.api)
        matrix = isolation.observe(
            pg_databases,
            Template(clone.name),
            relations,
            functions,
            settings.tenancy,
            arrangement=migrations.scripts(settings.rows),
        )
    assert errors(matrix) == {("public.kanban_cards", "insert"), ("public.kanban_cards", "move")}


def test_no_row_is_looked_for_with_what_the_type_of_a_column_cannot_be(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a text with which a uuid is compared: each of thousands of combinations would end in an error."""
    asked = counted(monkeypatch)
    matrix = observe(WIDE, "create policy wide on public.wide for select to authenticated using (who::text = 'a')")
    assert 'policy "wide" on public.wide' in " ".join(matrix.unjudged)
    assert len(asked) < 200


def test_a_search_in_which_everything_ends_in_an_error_comes_to_an_end(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(monkeypatch)
    failing = "alter table public.wide add check (1 / (length(a || b || c || d) * 0) = 1)"
    own = "create policy own on public.wide for select to authenticated using (private.is_member(org_id))"
    assert "public.wide" in observe(WIDE, failing, own).unjudged
    assert len(asked) < 5_000


WIDE = """
create table public.wide (
    id uuid primary key default gen_random_uuid(), org_id uuid not null references public.orgs (id) on delete cascade,
    who uuid not null, a text not null, b text not null, c text not null, d text not null, n int not null,
    check (length(a || b || c || d) > n and who is not null)
);
alter table public.wide enable row level security;
"""


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The questions that searches for rows ask from now on."""
    asked: list[object] = []
    ask = Search._asked

    def counting(self: Search, *what: Any, **how: Any) -> list[list[int]]:
        asked.append(what)
        return ask(self, *what, **how)

    monkeypatch.setattr(Search, "_asked", counting)
    return asked
