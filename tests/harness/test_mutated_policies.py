"""Policies of the corpus with one change: what lets in more is found or named, and what only looks otherwise is not.

Which changes let in more is told by an oracle of the test's own: see `mutations`.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from pgassay.checks import isolation
from pgassay.errors import MigrationError
from pgassay.identity import Databases
from tests.harness import mutations, schemas
from tests.harness.mutations import Mutant
from tests.harness.test_corpus import Case, cases, check, tenancy_of
from tests.sampling import some

FILES = [parameter.values[0] for parameter in cases(None, dev=70, ci=20)]

NOT_YET = {
    "marketplace_deals": "listings are their sellers', of which the tenancy of deals says nothing",
}
"""Files of which a change that lets in more is neither found nor named."""


def mutated(case: Case, mutant: Mutant) -> Case:
    return Case(case.name, mutant.sql, case.tenancy, {}, case.not_judged, case.within)


def found_in(matrix: isolation.Matrix) -> set[tuple[str, str, str]]:
    """What a person is told who runs the check and looks at its exit code."""
    told = {(f.object, f.rule, f.severity) for f in matrix.findings if f.severity in ("error", "question")}
    return told | {(name, "not judged", "") for name in matrix.unjudged}


def verdicts(matrix: isolation.Matrix) -> tuple[object, ...]:
    """What is said of a schema, but for how its conditions are written."""
    found = {(f.object, f.rule, f.severity, f.identity, f.door) for f in matrix.findings}
    return found, {(line.relation, line.identity, *line.reach.items()) for line in matrix.lines}, len(matrix.unjudged)


@pytest.mark.parametrize("case", FILES, ids=str)
def test_a_change_that_lets_in_more_is_found_or_named(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    changes = list(mutations.wider(case.schema))
    with mutations.oracle(pg_databases, case.schema, tenancy_of(case, tmp_path)) as oracle:
        shown = [] if oracle is None else [mutant for mutant in changes if oracle.lets_in_more(mutant)]
        left_out = {"no rows": len(changes)} if oracle is None else oracle.why_not
    print(f"{case}: {len(shown)} of {len(changes)} changes let in more; of the others, {left_out}")
    tried = some(shown, dev=20, ci=8)
    before = found_in(check(pg_databases, tmp_path, case)[0]) if tried else set()
    silent = [m for m in tried if not found_in(check(pg_databases, tmp_path, mutated(case, m))[0]) - before]
    if silent and str(case) in NOT_YET:
        pytest.xfail(NOT_YET[str(case)])
    assert [str(mutant) for mutant in silent] == []


@pytest.mark.parametrize("case", FILES, ids=str)
def test_an_equivalent_form_changes_no_verdict(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    tried = some(list(mutations.otherwise(case.schema)), dev=60, ci=20)
    before = verdicts(check(pg_databases, tmp_path, case)[0]) if tried else ()
    changed, refused = [], 0
    for mutant in tried:
        try:
            (found,) = check(pg_databases, tmp_path, mutated(case, mutant))
        except (MigrationError, psycopg.Error):  # as an enum that is compared with an array of texts
            refused += 1
            continue
        if verdicts(found) != before:
            changed.append(str(mutant))
    print(f"{case}: {len(tried)} written otherwise, of which PostgreSQL refuses {refused}")
    assert changed == []


POLICY = """create table public.docs (); create policy p on public.docs for all to authenticated using (
    org_id in (select m.org_id from public.members as m where m.user_id = auth.uid()) and (a or b)
);"""


def test_each_branch_and_condition_is_left_out_once() -> None:
    members = "org_id IN (SELECT m.org_id FROM public.members m WHERE m.user_id = auth.uid())"
    assert [mutant.after for mutant in mutations.wider(POLICY)] == [
        "true",
        "a OR b",
        members,
        "org_id IN (SELECT m.org_id FROM public.members m) AND (a OR b)",
        f"{members} AND b",
        f"{members} AND a",
    ]


def test_the_same_is_written_otherwise_in_each_way() -> None:
    found = {mutant.what: mutant.after.removesuffix(" AND (a OR b)") for mutant in mutations.otherwise(POLICY)}
    assert found == {
        "EXISTS for IN": "EXISTS (SELECT FROM public.members m WHERE m.user_id = auth.uid() "
        "AND m.org_id = docs.org_id)",
        "its sides exchanged": "org_id IN (SELECT m.org_id FROM public.members m WHERE auth.uid() = m.user_id)",
        "as NOT (a <> b)": "org_id IN (SELECT m.org_id FROM public.members m WHERE NOT m.user_id <> auth.uid())",
        "in (select …)": "org_id IN (SELECT m.org_id FROM public.members m WHERE m.user_id = (SELECT auth.uid()))",
        "with a cast": "org_id IN (SELECT m.org_id FROM public.members m WHERE m.user_id = auth.uid()::uuid)",
    }


def test_the_oracle_tells_what_reaches_rows_of_others_from_what_does_not(pg_databases: Databases) -> None:
    schema = (
        schemas.ORGANISATIONS
        + """create table public.docs (org_id uuid not null references public.orgs (id), is_open boolean not null);
        alter table public.docs enable row level security;
        create function public.mine() returns setof uuid language sql stable security definer set search_path = '' as
        $$ select m.org_id from public.members as m where m.user_id = auth.uid() $$;
        create policy p on public.docs for select to authenticated using (
            org_id in (select public.mine()) and (is_open or not is_open)
        );"""
    )
    with mutations.oracle(pg_databases, schema, schemas.TENANCY) as oracle:
        assert oracle is not None
        told = {mutant.after: oracle.lets_in_more(mutant) for mutant in mutations.wider(schema)}
    assert {text for text, more in told.items() if more} == {"true", "is_open OR NOT is_open"}
    assert len(told) == 5
