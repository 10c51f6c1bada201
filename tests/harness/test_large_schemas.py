"""Schemas of 30 to 60 tables, as teams write them: clean, judged whole, and told of in one screen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgassay.checks import ways
from pgassay.identity import Databases
from tests.harness.test_corpus import Case, check, errors
from tests.sampling import some

LARGE = Path(__file__).parent / "large"
MOST_UNTAKEN = 0.02
"""Of all ways, so many may be left, each with a reason in the file."""

NOT_YET = {
    "chat": "no vote is among as many options as its poll has",
    "marketplace": "a materialized view is of published reviews, which are not kept while the doors are tried",
}
"""What is missed, and why. Each must fail: who mends one takes it out."""


@dataclass(frozen=True)
class Large:
    """A schema, why each object of it that is not judged is not, and why what is found at others is meant."""

    case: Case
    not_judged: dict[str, str]
    meant: dict[str, str]

    def __str__(self) -> str:
        return self.case.name


def _read(file: Path) -> Large:
    content: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    within: dict[str, Any] = {key: content[key] for key in ("roles", "states") if key in content}
    schema = file.with_suffix(".sql").read_text(encoding="utf-8")
    case = Case(file.stem, schema, content["tenancy"], {}, within=within)
    return Large(case, content.get("not_judged", {}), content.get("meant", {}))


ALL = [_read(file) for file in sorted(LARGE.glob("*.toml"))]


@pytest.mark.parametrize("large", some([pytest.param(large, id=str(large)) for large in ALL], dev=6, ci=6))
def test_a_large_schema_is_clean_and_judged_whole(pg_databases: Databases, tmp_path: Path, large: Large) -> None:
    (found,) = check(pg_databases, tmp_path, large.case)  # the first screen has 25 lines at most, else it fails
    assert [error for error in errors(found) if error[0] not in large.meant] == []
    left = ways.untaken(found.ways)
    assert len(left) <= MOST_UNTAKEN * len(found.ways), left
    is_whole = sorted(found.unjudged) == sorted(large.not_judged)
    print(large, found.probes, "probes,", len(found.ways), "ways", sorted(found.unjudged.items()))
    if str(large) in NOT_YET:
        assert not is_whole, "take it out of NOT_YET"
        pytest.xfail(NOT_YET[str(large)])
    assert is_whole, found.unjudged


@pytest.mark.parametrize("large", ALL, ids=str)
def test_a_large_schema_is_large(large: Large) -> None:
    assert 30 <= large.case.schema.lower().count("\ncreate table ") <= 60
