"""Small schemas of many shapes: each is clean, each hole in it is found where it is, and no bait is taken."""

from __future__ import annotations

import io
import random
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import settings
from rich.console import Console

from pgassay.checks import isolation
from pgassay.checks.run import FOUND, NOT_JUDGED, Probes, Run
from pgassay.config import Tenancy, load
from pgassay.identity import Databases
from pgassay.report import causes, screen
from pgassay.report.causes import SEVERITIES
from tests.harness import schemas
from tests.sampling import some

CORPUS = Path(__file__).parent / "corpus"
SEEDS = 10 if settings.get_current_profile_name() == "thorough" else 2
"""With the rows of so many seeds the verdicts have to be the same, in the profile thorough of every case."""

NOT_YET: dict[str, str] = {}
"""What is missed, and why. Each must fail: who mends one takes it out."""

TOLD = {"severity": "severity", "rule": "rule", "operation": "door", "identity": "identity"}
"""What a file may say of a hole, and where a finding has it."""


@dataclass(frozen=True)
class Case:
    """A schema of the corpus, perhaps with one piece of SQL more: a hole or a bait.

    ``not_judged`` is what nobody can judge without a secret; the file says why. ``within`` are its roles and states.
    """

    name: str
    schema: str
    tenancy: dict[str, Any]
    extra: dict[str, Any]
    not_judged: tuple[str, ...] = ()
    within: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}: {self.extra['name']}" if self.extra else self.name


def cases(kind: str | None, *, dev: int = 14, ci: int = 14) -> list[Any]:
    """The cases of that kind, ``hole`` or ``bait``, or the clean schemas, as parameters of a test; see `some`."""
    found: list[Case] = []
    for file in sorted(CORPUS.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        extras = [{}] if kind is None else content.get(kind, [])
        left = tuple(content.get("not_judged", ()))
        within: dict[str, Any] = {key: content[key] for key in ("roles", "states") if key in content}
        found += [Case(file.stem, content["schema"], content["tenancy"], extra, left, within) for extra in extras]
    marked = [
        pytest.param(
            case, id=str(case), marks=pytest.mark.xfail(reason=NOT_YET[str(case)]) if str(case) in NOT_YET else ()
        )
        for case in found
    ]
    return some(marked, dev=dev, ci=ci)  # of more than twelve hundred


EVERYTHING = [parameter.values[0] for kind in (None, "hole", "bait") for parameter in cases(kind, dev=1, ci=1)]


def tenancy_of(case: Case, tmp_path: Path) -> Tenancy:
    """The tenancy that the file of a case declares."""
    declared = {"tool": {"pgassay": {"tenancy": case.tenancy, **case.within}}}
    (tmp_path / "pyproject.toml").write_text(tomlkit.dumps(declared), encoding="utf-8")
    tenancy = load(cwd=tmp_path, environ={}).tenancy
    assert tenancy is not None
    return tenancy


def check(databases: Databases, tmp_path: Path, case: Case, seeds: Iterable[int] = (0,)) -> list[isolation.Matrix]:
    """What the isolation check says of a case, with the tenancy that its file declares and the rows of each seed."""
    tenancy = tenancy_of(case, tmp_path)
    texts = [case.schema, case.extra["sql"]] if case.extra else [case.schema]
    with schemas.database(databases, *texts) as clone:
        found = schemas.observe_in(databases, clone, tenancy, seeds=seeds)
    for matrix in found:
        fits_the_screen(matrix)
    return found


def fits_the_screen(matrix: isolation.Matrix) -> None:
    """What a person is told of it has 25 lines at most, with the six about server and migrations, and errors first."""
    errs = any(finding.severity == "error" for finding in matrix.findings)
    run = Run(
        "0.1.0",
        "2025-11-03T12:00:00+00:00",
        2.5,
        FOUND if errs else NOT_JUDGED if matrix.unjudged else 0,
        folder="supabase/migrations",
        matrix=matrix.lines,
        probes=Probes(matrix.probes),
        findings=matrix.findings,
        unjudged=matrix.unjudged,
        notes=matrix.notes,
    )
    severities = [SEVERITIES.index(cause.worst.severity) for cause in causes.of(run)]
    assert severities == sorted(severities)
    for width in (80, 10_000):
        console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, no_color=True)
        console.print(screen.screen(run, used=6, width=width), crop=False)
        assert isinstance(console.file, io.StringIO)
        lines = console.file.getvalue().splitlines()
        assert sum(max(1, -(-len(line) // width)) for line in lines) + 6 <= 25, "\n".join(lines)
        assert any(line.startswith("error") for line in lines) is errs


def verdicts(matrix: isolation.Matrix) -> tuple[object, ...]:
    """What was found, where, by whom and how bad it is, and what could not be judged."""
    found = {(f.object, f.rule, f.severity, f.identity, f.door) for f in matrix.findings}
    return found, matrix.lines, set(matrix.unjudged)


def errors(matrix: isolation.Matrix) -> list[tuple[str, str]]:
    return [(finding.object, finding.observed) for finding in matrix.findings if finding.severity == "error"]


@pytest.mark.parametrize("case", cases(None))
def test_a_clean_schema_has_no_finding_and_is_judged_whole(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    (found,) = check(pg_databases, tmp_path, case)
    assert (errors(found), sorted(found.unjudged)) == ([], sorted(case.not_judged)), found.unjudged


@pytest.mark.parametrize("case", cases("hole"))
def test_a_hole_is_found_at_the_right_object(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    (found,) = check(pg_databases, tmp_path, case)
    there = [finding for finding in found.findings if finding.object == case.extra["object"]]
    told = [{key: getattr(finding, attribute) for key, attribute in TOLD.items()} for finding in there]
    wanted = {"severity": "error", **case.extra}
    is_told = any(all(one[key] == wanted[key] for key in one.keys() & wanted) for one in told)
    assert is_told, (told, errors(found), found.unjudged)


@pytest.mark.parametrize("case", cases("bait"))
def test_a_bait_is_not_taken(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    (found,) = check(pg_databases, tmp_path, case)
    assert errors(found) == []


@pytest.mark.parametrize("case", some(EVERYTHING, dev=140, ci=140), ids=str)
def test_a_verdict_does_not_hang_on_the_rows_that_are_made(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    seeds = [0, *(random.Random(str(case)).randrange(1, 1000) for _ in range(SEEDS - 1))]
    first, *others = [verdicts(found) for found in check(pg_databases, tmp_path, case, seeds)]
    for seed, other in zip(seeds[1:], others, strict=True):
        assert other == first, f"seed {seed}"
