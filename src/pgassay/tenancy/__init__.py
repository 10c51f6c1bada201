"""Tenancy: who owns which rows, inferred from foreign keys, names and the comparisons of the schema's own SQL.

An inference is stated with its evidence for a person to confirm. What the schema does not settle is a question.
"""

from __future__ import annotations

from collections.abc import Iterable

from pgassay.catalog import Relation
from pgassay.config import Membership, Tenancy
from pgassay.hints import Hints
from pgassay.tenancy import unlisted
from pgassay.tenancy.choice import said, settled
from pgassay.tenancy.evidence import shown
from pgassay.tenancy.model import USERS, Candidate, Inference, Question, written
from pgassay.tenancy.observed import Observed
from pgassay.tenancy.rules import Rules

__all__ = ["USERS", "Candidate", "Inference", "Question", "infer", "references", "written"]


def infer(
    relations: Iterable[Relation], hints: Hints, tenant: str | None = None, member: str | None = None
) -> Inference:
    """Infer the tenancy of a schema.

    ``tenant`` and ``member`` are what a person has said already of the table of tenants, and of who belongs to them.
    """
    schema = Observed(tuple(relations), hints)
    candidates, doubt = settled(schema) if tenant is None and member is None else said(schema, tenant, member)
    if len(candidates) != 1 or doubt:
        claimed = unlisted.forgeable(schema) if not candidates else None
        return Inference(
            None,
            doubt=doubt,
            candidates=tuple(shown(schema, found) for found in candidates),
            forgeable=Rules(schema, claimed).inference().tenancy if claimed is not None else None,
        )
    return Rules(schema, candidates[0]).inference()


def references(relations: Iterable[Relation], hints: Hints, tenancy: Tenancy) -> tuple[str, ...]:
    """The tables of reference: from which nothing leads to a tenant or user, written by nobody, and read by all."""
    schema = Observed(tuple(relations), hints)
    member = tenancy.member
    owned = {tenancy.tenant, USERS, *tenancy.tables, *([member.table] if isinstance(member, Membership) else [])}
    owned |= {share.table for share in tenancy.shared}
    owned |= {
        name
        for name, table in schema.tables.items()
        if table.column(tenancy.column_of(name)) is not None or schema.users_of(name)
    }
    while more := {
        name
        for name, table in schema.tables.items()
        if name not in owned and any(key.target in owned for key in table.foreign_keys)
    }:
        owned |= more
    open_to_all = [name for name in schema.tables if name in hints.open]
    return tuple(name for name in open_to_all if name not in {*owned, *hints.written, *tenancy.public})
