"""Small schemas of many shapes: each is clean, each hole in it is found where it is, and no bait is taken."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from pgassay import catalog
from pgassay.checks import isolation
from pgassay.config import load
from pgassay.identity import Databases
from pgassay.migrations import Script

CORPUS = Path(__file__).parent / "corpus"
EVERY = 8 if settings.get_current_profile_name() == "dev" else 1
"""Every eighth case by default, all in the profiles of CI: there are two hundred."""

STORAGE = "storage.objects is not tried"
ROWS = "no row is made for these constraints"
VIEWS = "writing through a view that cannot be read is not told from writing to one's own rows"
KEYS = "functions are not asked for natural keys of users, ranges, arrays or defaults"
OTHERS = "what another tenant's rows do to the numbers in one's own is not looked at"
COLLISIONS = "collisions of natural keys are not provoked"
NOT_YET = {
    "storage_org_folder: reading is held to the bucket only": STORAGE,
    "storage_org_folder: uploading is held to the depth of the folder only": STORAGE,
    "storage_org_folder: the folder is compared with itself: objects.name is shadowed by the organisation's": STORAGE,
    "storage_org_folder: files can be moved into the folder of another organisation": STORAGE,
    "storage_user_folder: delete policy for every bucket, without a folder": STORAGE,
    "storage_user_folder: the id may be anywhere in the name": STORAGE,
    "storage_user_folder: definer function lists the files of any user": STORAGE,
    "view_definer_filter: view without check option: rows can be written that it does not show": VIEWS,
    "view_security_invoker: view without security_invoker, not to be read, but to be written through": VIEWS,
    "jwt_org_view_writes: rows can be moved through the view, which has no check option any more": VIEWS,
    "natural_keys: function tells who has an email address as a customer": KEYS,
    "signup_trigger: profile by email address, with the owner's rights": KEYS,
    "exclusion: function says which hours are taken, anywhere": KEYS,
    "functions_of_all_kinds: out parameters, and a user to be named who is the caller by default only": KEYS,
    "functions_of_all_kinds: array of ids, of which one must be the caller's, and all are deleted": KEYS,
    "counter_trigger: numbers count the tickets of all shops": OTHERS,
    "audit_trigger: trigger finds the organisation by the plate, and writes to the logs of others that have it too": (
        OTHERS
    ),
    "natural_keys: customer numbers unique over all organisations: a collision tells that another has it": COLLISIONS,
    "exclusion: exclusion over all tenants: an error says when others have reserved": COLLISIONS,
    "partitioned_tenant_id: row level security is off on a partition, which can be read by its own name": (
        "partitions are not tried by their own names"
    ),
    "column_grants: one column granted to anon, with a policy for it": "columns are not read one by one",
}
"""What is missed, and why. Each must fail: who mends one takes it out."""


@dataclass(frozen=True)
class Case:
    """A schema of the corpus, perhaps with one piece of SQL more: a hole or a bait."""

    name: str
    schema: str
    tenancy: dict[str, Any]
    extra: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}: {self.extra['name']}" if self.extra else self.name


def cases(kind: str | None) -> list[Any]:
    """The cases of that kind, ``hole`` or ``bait``, or the clean schemas, as parameters of a test."""
    found: list[Case] = []
    for file in sorted(CORPUS.glob("*.toml")):
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        extras = [{}] if kind is None else content.get(kind, [])
        found += [Case(file.stem, content["schema"], content["tenancy"], extra) for extra in extras]
    marked = [
        pytest.param(
            case, id=str(case), marks=pytest.mark.xfail(reason=NOT_YET[str(case)]) if str(case) in NOT_YET else ()
        )
        for case in found
    ]
    return marked[::EVERY]


def check(databases: Databases, tmp_path: Path, case: Case) -> isolation.Matrix:
    """What the isolation check says of a case, with the tenancy that its file declares."""
    keys = {key: value for key, value in case.tenancy.items() if key != "tables"}
    lines = ["[tool.pgassay.tenancy]", *(f"{key} = {value!r}" for key, value in keys.items())]
    lines += ["[tool.pgassay.tenancy.tables]"]
    lines += [f"{name!r} = {rule!r}" for name, rule in case.tenancy.get("tables", {}).items()]
    (tmp_path / "pyproject.toml").write_text("\n".join(lines))
    tenancy = load(cwd=tmp_path, environ={}).tenancy
    assert tenancy is not None
    scripts = [Script(Path("1_schema.sql"), "1_schema.sql", case.schema)]
    if case.extra:
        scripts.append(Script(Path("2_extra.sql"), "2_extra.sql", case.extra["sql"]))
    template = databases.template((), tuple(scripts))
    clone = databases.clone(template)
    with clone.connect() as session:
        relations = catalog.read(session)
        functions = catalog.read_functions(session, isolation.API_ROLES)
    clone.close()
    databases.drop_later(clone)
    try:
        return isolation.observe(databases, template, relations, functions, tenancy)
    finally:
        databases.drop_later(template)


def errors(matrix: isolation.Matrix) -> list[tuple[str, str]]:
    return [(finding.object, finding.observed) for finding in matrix.findings if finding.severity == "error"]


@pytest.mark.parametrize("case", cases(None))
def test_a_clean_schema_has_no_finding_and_is_judged_whole(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    found = check(pg_databases, tmp_path, case)
    assert (errors(found), found.unjudged) == ([], {})


@pytest.mark.parametrize("case", cases("hole"))
def test_a_hole_is_found_at_the_right_object(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    found = check(pg_databases, tmp_path, case)
    assert case.extra["object"] in {finding.object for finding in found.findings}, (errors(found), found.unjudged)


@pytest.mark.parametrize("case", cases("bait"))
def test_a_bait_is_not_taken(pg_databases: Databases, tmp_path: Path, case: Case) -> None:
    assert errors(check(pg_databases, tmp_path, case)) == []
