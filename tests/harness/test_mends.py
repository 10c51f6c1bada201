"""What is shown of the corpus's holes runs as it stands; mends close holes and take nothing away."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg
import pytest

from pgassay import catalog
from pgassay.checks import isolation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Matrix
from pgassay.checks.isolation.failures import FAILURES
from pgassay.checks.isolation.matrix import Reach
from pgassay.config import Tenancy
from pgassay.identity import Databases
from pgassay.templates import Template
from tests.harness import schemas
from tests.harness.test_corpus import Case, cases, tenancy_of

CHANGING = ("insert", "update", "delete", "move")


def observe(databases: Databases, case: Case, tenancy: Tenancy, *mends: str, keep: bool = False) -> Matrix:
    with schemas.database(databases, case.schema, case.extra["sql"], *mends) as clone:
        with clone.connect() as session:
            relations, functions = catalog.read(session), catalog.read_functions(session, isolation.callers(session))
        return isolation.observe(databases, Template(clone.name), relations, functions, tenancy, keep=keep)


def is_sql(mend: str) -> bool:
    return mend.endswith(";")


def doors(findings: Iterable[Finding]) -> set[tuple[str, ...]]:
    return {(each.object, each.rule, each.door, each.identity) for each in findings if each.severity == "error"}


def rights(matrix: Matrix) -> set[tuple[str, str, str]]:
    """What those who are entitled to something reach of their own, or of everybody's."""
    return {
        (line.relation, line.identity, operation)
        for line in matrix.lines
        for operation, reach in line.reach.items()
        if not is_of_nobody(line.identity) and reach in (Reach.OWN, Reach.ALL)
    }


def is_of_nobody(identity: str) -> bool:
    """Whether who tries is of no tenant: so is a role of the project's own, with a token that has no user."""
    return identity in ("anon", "stranger") or identity.startswith("role ")


def replayed(databases: Databases, matrix: Matrix, finding: Finding) -> str:
    """What is wrong with a script, run as psql does for who logged in to the database that is kept; or nothing."""
    probe = matrix.demonstrations[finding]
    is_the_platforms = bool(probe.arranged) and not probe.before
    with (
        databases.copy(Template(matrix.kept)) as clone,
        clone.connect_as_admin() if is_the_platforms else clone.connect_as_authenticator() as session,
    ):
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


@pytest.mark.parametrize("case", cases("hole", dev=56, ci=40))
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
