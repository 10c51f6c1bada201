"""Rights of roles within a tenant: what is an error, what is a warning, and what cannot be declared."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from pgassay import ConfigError, catalog, declaration
from pgassay.checks.isolation import OPERATIONS, Access, Matrix, Reach, propose
from pgassay.checks.snapshot import Grade, Object, State, grading, with_access
from pgassay.identity import Databases
from pgassay.report import html as html_report
from pgassay.report import json as json_report
from pgassay.templates import Template
from pgassay.within import Proposal, read_within
from tests.harness import runs, schemas

SCHEMA = (
    schemas.ORGANISATIONS
    + """
alter table public.members add column role text not null default 'viewer' check (role in ('viewer', 'editor'));
create table public.notes (
    id uuid primary key default gen_random_uuid(), text text not null,
    org_id uuid not null references public.orgs (id),
    author_id uuid not null default auth.uid() references auth.users (id), editor_id uuid references auth.users (id)
);
alter table public.orgs enable row level security;
alter table public.members enable row level security;
alter table public.notes enable row level security;
create policy own on public.members for select to authenticated using (user_id = (select auth.uid()));
create policy members on public.orgs for select to authenticated
using (id in (select m.org_id from public.members as m));
create function public.is_editor(org uuid) returns boolean language sql stable set search_path = ''
as $$ select exists (select from public.members as m where m.org_id = org and m.role = 'editor') $$;
create policy members on public.notes for select to authenticated
using (org_id in (select m.org_id from public.members as m));
create policy editors on public.notes to authenticated using (public.is_editor(org_id));
"""
)
ROLES: dict[str, Any] = {"column": "public.members.role", "order": ["viewer", "editor"]}
NOTES = {"public.notes": {"viewer": "select", "editor": "all"}}


def observe(databases: Databases, roles: dict[str, Any], *texts: str) -> Matrix:
    within = read_within({"roles": {**ROLES, **roles}}, "[tool.pgassay] in pyproject.toml")
    return schemas.observe(databases, SCHEMA, *texts, tenancy=replace(schemas.TENANCY, within=within))


def told(matrix: Matrix, severity: str) -> list[tuple[str, str, str]]:
    return [
        (f.object, f.identity, f.observed) for f in matrix.findings if (f.rule, f.severity) == ("role-right", severity)
    ]


def test_what_agrees_with_the_declaration_is_no_finding_and_is_shown_by_role(pg_databases: Databases) -> None:
    matrix = observe(pg_databases, {"tables": NOTES})
    assert (told(matrix, "error"), told(matrix, "warning"), matrix.unjudged) == ([], [], {})
    assert {"member of A, role viewer", "member of A, role editor"} <= set(matrix.identities)
    rights = {line.identity: {word: reach.value for word, reach in line.reach.items()} for line in matrix.rights}
    assert rights == {
        "member of A, role viewer": {"select": "all", "insert": "none", "update": "none", "delete": "none"},
        "member of A, role editor": {"select": "all", "insert": "all", "update": "all", "delete": "all"},
    }


LOOKED_UP = """
create table public.ranks (id smallint primary key, word text not null unique);
insert into public.ranks values (1, 'reader'), (2, 'writer');
alter table public.members add column rank smallint not null default 1 references public.ranks (id);
alter table public.ranks enable row level security;
"""
FLAGGED = "alter table public.members add column writes boolean not null default false;"


@pytest.mark.parametrize(
    ("column", "names", "schema", "condition"),
    [
        ("rank", ["1", "2"], LOOKED_UP, "m.rank = 2"),
        ("rank", ["reader", "writer"], LOOKED_UP, "m.rank = 2"),
        ("writes", ["false", "true"], FLAGGED, "m.writes"),
    ],
)
def test_roles_are_named_by_keys_words_or_truth_values(
    pg_databases: Databases, column: str, names: list[str], schema: str, condition: str
) -> None:
    low, high = names
    writers = f"""create policy writers on public.notes for delete to authenticated
    using (exists (select from public.members as m where m.org_id = notes.org_id and {condition}))"""
    declared = {"column": f"public.members.{column}", "order": names}
    tables = {"public.notes": {low: "select", high: "select, delete"}}
    matrix = observe(pg_databases, {**declared, "tables": tables}, schema, writers)
    assert (told(matrix, "error"), told(matrix, "warning"), matrix.unjudged) == ([], [], {})
    wrong = {"public.notes": {low: "select", high: "select"}}
    seen = told(observe(pg_databases, {**declared, "tables": wrong}, schema, writers), "error")
    assert {identity for _, identity, _ in seen} == {f"member of A, {column} {high}"}


def test_what_a_role_may_and_cannot_is_a_warning(pg_databases: Databases) -> None:
    matrix = observe(pg_databases, {"tables": {"public.notes": {"viewer": "select, update", "editor": "all"}}})
    assert told(matrix, "error") == []
    (seen,) = told(matrix, "warning")
    assert seen[:2] == ("public.notes", "member of A, role viewer")
    assert "cannot update rows of its tenant" in seen[2]


def test_rows_in_ones_own_name_that_others_make_are_a_warning(pg_databases: Databases) -> None:
    left = "create policy authors on public.notes for delete to authenticated using (author_id = (select auth.uid()));"
    tables = {"public.notes": {"viewer": "select", "editor": "all, own:author_id"}}
    matrix = observe(pg_databases, {"tables": tables}, left)
    assert told(matrix, "error") == []
    assert [seen[1:] for seen in told(matrix, "warning")] == [
        ("member of A, role viewer", "member of A, role viewer can delete rows in its own name; declared is: select")
    ]


def definer(name: str, statement: str) -> str:
    """A function with its owner's rights, for signed-in users, of rows in an organisation."""
    return f"""
    create function {name}(org uuid) returns setof uuid language sql security definer set search_path = ''
    as $$ {statement} $$;
    revoke execute on function {name}(uuid) from public, anon;
    grant execute on function {name}(uuid) to authenticated;
    """


def test_a_function_that_changes_rows_in_ones_own_name_is_a_warning(pg_databases: Databases) -> None:
    own = "m.org_id = org and m.user_id = (select auth.uid())"
    leave = definer("public.leave", f"delete from public.members as m where {own} returning m.user_id")
    matrix = observe(pg_databases, {"tables": {"public.members": {"viewer": "select"}}}, leave)
    assert told(matrix, "error") == []
    seen = {(where, who) for where, who, _ in told(matrix, "warning")}
    assert seen == {
        ("public.leave(uuid)", "member of A, role viewer"),
        ("public.leave(uuid)", "member of A, role editor"),
    }


def test_a_function_that_the_api_does_not_offer_is_a_warning(pg_databases: Databases) -> None:
    member = "exists (select from public.members as m where m.org_id = org and m.user_id = (select auth.uid()))"
    clear = definer("hidden.clear", f"delete from public.notes as n where n.org_id = org and {member} returning n.id")
    schema = "create schema hidden; grant usage on schema hidden to authenticated;"
    matrix = observe(pg_databases, {"tables": NOTES}, schema + clear)
    assert told(matrix, "error") == []
    ((where, who, what),) = told(matrix, "warning")
    assert (where, who) == ("hidden.clear(uuid)", "member of A, role viewer")
    assert "delete rows of its tenant in public.notes" in what
    assert "by SQL alone" in what


def test_undeclared_tables_are_not_judged_by_roles(pg_databases: Databases) -> None:
    assert told(observe(pg_databases, {"tables": {}}), "error") == []
    wrong = {"public.notes": {"viewer": "none", "editor": "all"}}
    assert told(observe(pg_databases, {"tables": wrong}), "error") != []


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"column": "public.member.role"}, "column names public.member, which the migrations do not make"),
        ({"column": "public.members.rule"}, "public.members has no column rule"),
        ({"order": ["viewer", "editr"]}, "names the role 'editr', which public.members.role cannot have"),
        ({"tables": {"public.notes": {"owner": "all"}}}, "names the role 'owner'"),
        ({"tables": {"public.note": {"viewer": "all"}}}, "tables names public.note, which the migrations do not make"),
        ({"tables": {"public.notes": {"viewer": "own"}}}, "author_id and editor_id name users"),
        ({"tables": {"public.notes": {"viewer": "own:writer_id"}}}, "own:writer_id in public.notes"),
        ({"tables": {"public.orgs": {"viewer": "own"}}}, "no column is known to name a user"),
    ],
)
def test_a_name_that_the_schema_does_not_have_is_told_in_a_sentence(
    pg_databases: Databases, roles: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        observe(pg_databases, roles)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({"public.note": {"open": "true"}}, "public.note, which is no table that the migrations make"),
        (
            {"public.notes": {"hidden": "deleted"}},
            'hidden of public.notes is no condition on its rows: column "deleted"',
        ),
        ({"public.notes": {"hidden": "text"}}, "hidden of public.notes is no condition on its rows"),
        ({"public.notes": {"hidden": "author_id"}}, "public.notes is hidden by author_id, which refers to auth.users"),
    ],
)
def test_a_state_that_is_no_condition_is_told_in_a_sentence(
    pg_databases: Databases, states: dict[str, Any], said: str
) -> None:
    within = read_within({"states": states}, "[tool.pgassay] in pyproject.toml")
    with pytest.raises(ConfigError) as caught:
        schemas.observe(pg_databases, SCHEMA, tenancy=replace(schemas.TENANCY, within=within))
    assert said in str(caught.value)


def test_rows_that_were_seen_to_open_nothing_are_not_judged(pg_databases: Databases) -> None:
    within = read_within({"states": {"public.notes": {"open": "text like 'a%'"}}}, "[tool.pgassay] in pyproject.toml")
    matrix = schemas.observe(pg_databases, SCHEMA, tenancy=replace(schemas.TENANCY, within=within))
    assert "no row of public.notes was seen to open anything" in matrix.unjudged["state open of public.notes"]


def state_of(rights: Reach) -> State:
    """A snapshot in which members see rows of their tenant, and a viewer's right to read has this reach."""
    reach = {**dict.fromkeys(OPERATIONS, Reach.NONE), "select": Reach.OWN}
    line = Access("public.notes", "member of A, role viewer", reach)
    seen = Matrix((line,), (), {}, 1, rights=(replace(line, reach={**reach, "select": rights}),))
    return with_access(State({("table", "public.notes"): Object("table", "public.notes", {})}), seen)


@pytest.mark.parametrize(
    ("before", "after", "grade"),
    [
        (Reach.OWN, Reach.ALL, Grade.LOOSENS),
        (Reach.NONE, Reach.OWN, Grade.LOOSENS),
        (Reach.ALL, Reach.OWN, Grade.BREAKS),
    ],
)
def test_a_role_that_reads_rows_of_colleagues_now_loosens(before: Reach, after: Reach, grade: Grade) -> None:
    (difference,) = grading.compare(state_of(before), state_of(after))
    assert (difference.grade, difference.object.name) == (grade, "public.notes")
    assert "member of A, role viewer, within A" in difference.what


def test_what_members_by_undeclared_roles_reach_is_in_the_snapshot(pg_databases: Databases) -> None:
    """``more`` is a policy for editors alone: nobody else's line has changed."""
    more = "create policy more on public.notes for select to authenticated using ({});"
    condition = "exists (select from public.members as m where m.user_id = (select auth.uid()) and m.role = 'editor')"
    before, after = (
        with_access(
            State({("table", "public.notes"): Object("table", "public.notes", {})}),
            schemas.observe(pg_databases, SCHEMA, *texts, tenancy=schemas.TENANCY),
        )
        for texts in ((), (more.format(condition),))
    )
    told = [(one.grade, one.what) for one in grading.compare(before, after)]
    assert told == [(Grade.LOOSENS, "member of A, role editor reaches more rows now with select")]


def test_reports_have_the_rights_of_each_role() -> None:
    told = json_report.as_dict(runs.full())["rights"]
    assert [(each["identity"], each["reach"]["select"]) for each in told] == [("viewer", "own"), ("owner", "all")]
    page = html_report.render(runs.full())
    rights = page.partition("Roles within a tenant</h3>")[2].partition("</table>")[0]
    assert rights.index('<th scope="col">viewer</th>') < rights.index('<th scope="col">owner</th>')
    assert (rights.count('title="select: own"'), rights.count('title="select: all"')) == (1, 1)
    assert "Roles within a tenant</h3>" not in html_report.render(runs.clean())


def proposed(databases: Databases, *texts: str) -> Proposal | None:
    with schemas.database(databases, SCHEMA, *texts) as clone:
        with clone.connect() as session:
            relations = catalog.read(session)
        return propose(databases, Template(clone.name), relations, schemas.TENANCY)


def uncommented(text: str) -> str:
    lines = text.partition("# [tool.pgassay.roles]")
    return "".join(line.removeprefix("#").lstrip(" ") for line in "".join(lines[1:]).splitlines(keepends=True))


def test_init_proposes_what_each_role_was_seen_to_do_and_check_agrees_with_it(pg_databases: Databases) -> None:
    proposal = proposed(pg_databases)
    assert proposal is not None
    assert proposal.questions == ()
    text = declaration.roles(proposal)
    assert all(line.startswith("#") for line in text.splitlines() if line)
    declared = tomllib.loads(uncommented(text))["tool"]["pgassay"]
    assert declared["roles"] == {
        "column": "public.members.role",
        "order": ["viewer", "editor"],
        "tables": {"public.notes": {"viewer": "select", "editor": "all"}, "public.orgs": {"viewer": "select"}},
    }
    matrix = observe(pg_databases, declared["roles"])
    assert (told(matrix, "error"), told(matrix, "warning")) == ([], [])


def test_init_asks_where_a_role_lacks_what_one_with_less_has(pg_databases: Databases) -> None:
    odd = """
create table public.lists (
    id uuid primary key default gen_random_uuid(), name text not null, org_id uuid not null references public.orgs (id)
);
alter table public.lists enable row level security;
create policy viewers on public.lists for select to authenticated
using (exists (select from public.members as m where m.org_id = lists.org_id and m.role = 'viewer'));
"""
    proposal = proposed(pg_databases, odd)
    assert proposal is not None
    assert proposal.questions == (
        "In public.lists, viewer has the right select, and editor, who has more elsewhere, none. Do policies and "
        "helpers not agree, or does editor stand in no order?",
    )


def test_init_takes_no_column_for_that_of_roles_by_which_one_is_a_member_or_not(pg_databases: Databases) -> None:
    status = """
drop policy members on public.notes;
drop policy editors on public.notes;
drop policy members on public.orgs;
alter table public.members drop column role cascade,
add column status text not null default 'active' check (status in ('active', 'suspended'));
create policy members on public.notes to authenticated
using (org_id in (select m.org_id from public.members as m where m.status = 'active'));
"""
    assert proposed(pg_databases, status) is None
