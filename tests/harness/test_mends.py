"""What is shown of the corpus's holes runs as it stands; mends close holes and take nothing away."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgassay import catalog
from pgassay.checks import isolation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Matrix
from pgassay.checks.isolation.failures import FAILURES
from pgassay.config import Tenancy
from pgassay.identity import Databases
from pgassay.templates import Template
from tests.harness import schemas
from tests.harness.test_corpus import Case, cases, tenancy_of

CHANGING = ("insert", "update", "delete", "move")


def observe(databases: Databases, case: Case, tenancy: Tenancy, *mends: str, keep: bool = False) -> Matrix:
    with schemas.database(databases, case.schema, case.extra["sql"], *mends) as clone:
        with clone.connect() as session:
            relations, functions = catalog.read(session), catalog.read_functions(session, isolation.API_ROLES)
        return isolation.observe(databases, Template(clone.name), relations, functions, tenancy, keep=keep)


_WAY = "nobody takes a way of the policy as it is after the mend"
_FUNCTION = "after the mend a function is not judged"
_TELLS = "after the mend a function tells whether a row of others is there"
_ANOTHER = "after the mend of one door, another one is open"
_SETTINGS = "the statement needs request.headers, which a session of psql does not have"
NOT_YET: dict[str, str] = {
    "request_settings: visits that everybody with a token reads": _SETTINGS,
    "request_settings: documents that anybody may write for anybody": _SETTINGS,
    "helpdesk_outsiders: an agent of any organisation adds anybody to any ticket": _TELLS,
    "flags: without a project the history is that of all projects": _TELLS,
    "fundraising: the charity that lacks members is claimed by its founder:": _ANOTHER,
    "rpc_invoker: procedure with the owner's rights moves pages anywhere": _FUNCTION,
    "api_quota: transfer_project does not check that the caller owns the project": _FUNCTION,
    "b2b_claims: An extra policy for the customer portal": _WAY,
    "agency: clients' contacts are known by an e-mail": _WAY,
    "budgets: anybody deletes the categories that all share": _WAY,
    "tenant_from_parent: sensors write readings without signing in": _WAY,
    "iot: whoever has not signed in owns whatever: null": _WAY,
    "helpdesk_outsiders: customers are known by the email": _WAY,
    "types: rows without an end, or below a price": _WAY,
    "cms: agencies have their brands in a list in user_metadata": _WAY,
    "cookbook: who says of himself that he is a moderator withdraws": _WAY,
    "school_claims: The policy of grades also accepts the school": _WAY,
    "wiki: guests comment in the organization": _WAY,
    "invitations: invitations are readable, tokens included": _WAY,
    "jwt_app_metadata: user_metadata trusted": _WAY,
    "letters: whoever sees a template that all use deletes it": _WAY,
    "check_constraints: booking without signing in": _WAY,
    "column_grants: one column granted to anon, with a policy": _WAY,
    "side_doors: a column of the parts that anybody may set": _WAY,
}
"""What does not hold, and why, by the beginning of the case. Each must fail: who mends one takes it out."""


def holes() -> list[Any]:
    """The holes of the corpus, as many as the profile has time for."""
    marked = []
    for parameter in cases("hole"):
        (case,) = parameter.values
        why = next((reason for name, reason in NOT_YET.items() if str(case).startswith(name)), None)
        marked.append(pytest.param(case, id=str(case), marks=pytest.mark.xfail(reason=why) if why else ()))
    return marked


def is_sql(mend: str) -> bool:
    return mend.endswith(";")


def doors(findings: Iterable[Finding]) -> set[tuple[str, ...]]:
    return {(each.object, each.rule, each.door, each.identity) for each in findings if each.severity == "error"}


def rights(matrix: Matrix) -> set[tuple[str, str, str]]:
    """What those who are entitled to something reach any of."""
    return {
        (line.relation, line.identity, operation)
        for line in matrix.lines
        for operation, reach in line.reach.items()
        if line.identity not in ("anon", "stranger") and reach.value != "none"
    }


def replayed(databases: Databases, matrix: Matrix, finding: Finding) -> str:
    """What is wrong with a script, run as psql does for who logged in to the database that is kept; or nothing."""
    with databases.copy(Template(matrix.kept)) as clone, clone.connect_as_authenticator() as session:
        *statements, _ = [part for part in matrix.script(finding).split(";\n") if part]
        try:
            for statement in statements:
                cursor = session.execute(statement.encode())
        except psycopg.Error as error:
            is_told = "with the error" in finding.observed or "collision" in finding.observed
            is_told = is_told or finding.rule in FAILURES  # which fail for everybody, and are shown by that
            return "" if is_told else f"{finding.observed}: {statement}: {error}"
        is_seen = finding.door in (*CHANGING, "select") and "where other tenants have rows" not in finding.observed
        return f"{finding.observed}: {statement}: no row" if is_seen and cursor.rowcount < 1 else ""


@pytest.mark.parametrize("case", holes())
def test_what_is_shown_runs_as_it_stands_and_a_mend_closes_the_hole_and_nothing_else(
    pg_databases: Databases, tmp_path: Path, case: Case
) -> None:
    tenancy = tenancy_of(case, tmp_path)
    first = observe(pg_databases, case, tenancy, keep=True)
    alike = {finding.statement: finding for finding in first.findings if finding.statement}
    assert [said for finding in alike.values() if (said := replayed(pg_databases, first, finding))] == []

    mended = [finding for finding in first.findings if finding.severity == "error" and is_sql(finding.mend)]
    sentences = [finding.mend for finding in first.findings if not is_sql(finding.mend)]
    assert [mend for mend in sentences if not mend.endswith(".")] == []
    if not mended:
        return
    second = observe(pg_databases, case, tenancy, *dict.fromkeys(finding.mend for finding in mended))
    assert doors(second.findings) & doors(mended) == set()
    assert doors(second.findings) <= doors(first.findings)
    assert rights(first) - rights(second) == set()
    assert second.unjudged.keys() <= first.unjudged.keys()
