"""The declared relations are there: what operators ask ``information_schema.tables`` after applying."""

from __future__ import annotations

from collections.abc import Iterable

from pgassay.catalog import Relation
from pgassay.checks.finding import Finding

RULE = "relation-missing"


def check(declared: Iterable[str], relations: Iterable[Relation]) -> list[Finding]:
    """A finding for each relation of ``declared`` (``schema.name``) that is no table or view.

    A materialized view is none to ``information_schema.tables``, so it is not taken for one here.
    """
    kinds = {relation.full_name: relation.kind for relation in relations}
    findings = []
    for name in declared:
        kind = kinds.get(name)
        if kind is None:
            findings.append(
                Finding(
                    RULE,
                    name,
                    "the migrations made no relation of this name",
                    f"Make it in a migration, or take {name} out of [tool.pgassay] relations.",
                )
            )
        elif kind == "materialized view":
            findings.append(
                Finding(
                    RULE,
                    name,
                    "it is a materialized view, which information_schema.tables does not list",
                    "Keep the materialized view where API roles have no usage, and put a view on it that filters.",
                )
            )
    return findings
