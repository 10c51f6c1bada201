"""Whatever a schema is like, each of its objects gets a verdict: no traceback, no run that ends early."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgassay import migrations
from pgassay.checks import intent, run
from pgassay.config import load
from pgassay.errors import MigrationError
from pgassay.identity import Databases
from pgassay.templates import Template
from tests.harness import random_schemas, schemas
from tests.harness.test_corpus import CORPUS
from tests.sampling import some

DECLARED = """
[tool.pgassay.tenancy]
tenant = "auth.users"
member = "self"
column = "user_id"
"""
"""Half of the schemas are judged by this, and half by what can be inferred, which may be nothing."""


@pytest.mark.parametrize("seed", some(range(320), dev=67, ci=32))
def test_each_object_of_a_random_schema_gets_a_verdict(pg_databases: Databases, tmp_path: Path, seed: int) -> None:
    (tmp_path / "pyproject.toml").write_text(DECLARED if seed % 2 else "[tool.pgassay]\n")
    settings = load(cwd=tmp_path, environ={})
    with schemas.database(pg_databases) as clone:
        taken = []
        with clone.connect_as_owner() as owner:
            for part in random_schemas.parts(seed, CORPUS):
                try:
                    migrations.apply(owner, schemas.script(part))
                except MigrationError:
                    continue  # PostgreSQL refuses it: the schema is what is left
                taken.append(part)
        (tmp_path / "schema.sql").write_text("\n".join(taken))
        outcome = run.check(pg_databases, Template(clone.name), settings)
    assert taken
    assert not [why for why in outcome.unjudged.values() if "internal error" in why]
    if intent.OBJECT in outcome.unjudged and not outcome.matrix.lines:
        return  # no tenancy is known, or no tenants can be made: that is the verdict
    seen = outcome.matrix
    judged = {line.relation for line in seen.lines} | {finding.object for finding in seen.findings}
    names = {relation.full_name for relation in outcome.relations}
    names |= {function.signature for function in outcome.functions}
    left = names - judged - outcome.unjudged.keys() - {*seen.skipped}
    assert {name for name in left if "(" not in name} == set()
