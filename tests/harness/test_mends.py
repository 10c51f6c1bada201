"""Mends of the corpus's holes: each closes its hole and takes nothing away, or says what to decide. And what is shown
under try can be run as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgassay import Clone, catalog
from pgassay.checks import isolation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Matrix
from pgassay.config import Tenancy
from pgassay.identity import Databases
from pgassay.templates import Template
from tests.harness import schemas
from tests.harness.test_corpus import Case, cases, tenancy_of

HOLES = cases("hole")


def is_sql(mend: str) -> bool:
    return mend.endswith(";")


def key(finding: Finding) -> tuple[str, ...]:
    return finding.object, finding.rule, finding.door, finding.identity


@contextmanager
def observed(databases: Databases, case: Case, tenancy: Tenancy, *mends: str) -> Iterator[Matrix]:
    with schemas.database(databases, case.schema, case.extra["sql"], *mends) as clone:
        (matrix,) = schemas.observe_in(databases, clone, tenancy)
        yield matrix


def rights(matrix: Matrix) -> dict[tuple[str, str, str], str]:
    """What each identity that is entitled to something reaches."""
    return {
        (line.relation, line.identity, operation): reach.value
        for line in matrix.lines
        for operation, reach in line.reach.items()
        if line.identity not in ("anon", "stranger", "forged claims") and reach.value != "none"
    }


@pytest.mark.parametrize("case", HOLES)
def test_a_mend_closes_its_hole_and_takes_nothing_away_or_says_what_to_decide(
    pg_databases: Databases, tmp_path: Path, case: Case
) -> None:
    tenancy = tenancy_of(case, tmp_path)
    with observed(pg_databases, case, tenancy) as first:
        found = [finding for finding in first.findings if finding.severity == "error"]
    mended = [finding for finding in found if finding.culprit and is_sql(finding.mend)]
    for finding in found:
        if finding not in mended:
            assert finding.mend.strip().endswith("."), finding.mend  # a sentence
    if not mended:
        return
    with observed(pg_databases, case, tenancy, *dict.fromkeys(finding.mend for finding in mended)) as second:
        left = {key(finding) for finding in second.findings if finding.severity == "error"}
        before, after = rights(first), rights(second)
    assert left & {key(finding) for finding in mended} == set()
    assert {name for name, reach in before.items() if name not in after} == set()
    assert set(second.unjudged) <= set(first.unjudged)
    assert left <= {key(finding) for finding in found}


def outcome(clone: Clone, script: str) -> tuple[int, int]:
    """How many rows the last statement of a script gave or changed, as psql runs it for who logged in."""
    with clone.connect_as_authenticator() as session:
        *first, statement, rollback = [part for part in script.split(";\n") if part.strip()]
        for part in first:
            session.execute(part.encode())
        cursor = session.execute(statement.encode())
        count = cursor.rowcount
        session.execute(rollback.encode())
        return count, 0


@pytest.mark.parametrize("case", HOLES)
def test_what_is_shown_under_try_can_be_run_as_it_stands(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    tenancy = tenancy_of(case, tmp_path)
    with schemas.database(pg_databases, case.schema, case.extra["sql"]) as clone:
        with clone.connect() as session:
            relations, functions = catalog.read(session), catalog.read_functions(session, isolation.API_ROLES)
        matrix = isolation.observe(pg_databases, Template(clone.name), relations, functions, tenancy, keep=True)
        with pg_databases.copy(Template(matrix.kept)) as kept:
            failed: dict[str, Any] = {}
            for finding in matrix.findings:
                if not finding.statement:
                    continue
                try:
                    count, _ = outcome(kept, matrix.script(finding))
                except psycopg.Error as error:
                    if "error" not in finding.observed and "collision" not in finding.observed:
                        failed[finding.statement] = (finding.observed, str(error))
                else:
                    if count < 1 and finding.door in ("insert", "update", "delete", "move"):
                        failed[finding.statement] = (finding.observed, "no row")
    assert failed == {}
