"""Claims of the token that name the tenant."""

from __future__ import annotations

from pgassay.config import Claim
from pgassay.hints import Column
from pgassay.tenancy.model import Found
from pgassay.tenancy.observed import Observed

WRITTEN_BY_USERS = "user_metadata"


def of_claims(schema: Observed) -> list[Found]:
    """The candidates whose tenants a claim names."""
    found: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    sources = [*schema.facts.items(), ("", schema.hints.elsewhere)]
    for name, facts in sources:
        for column, path in facts.claims:
            tenant = tenant_of(schema, column)
            if tenant is not None and path[0] != WRITTEN_BY_USERS:
                found.setdefault((tenant, path), set()).update({name} - {""})
    return [Found(tenant, Claim(path), frozenset(support), True) for (tenant, path), support in found.items()]


def tenant_of(schema: Observed, column: Column) -> str | None:
    """The table whose key ``column`` is, or refers to."""
    table = schema.tables.get(column.relation)
    if table is None or column in schema.user_columns:
        return None
    if table.primary_key == (column.name,):
        return table.full_name
    for key in table.foreign_keys:
        if key.columns[0][0] == column.name and len(key.columns) == 1 and not schema.is_of_users(key.target):
            return key.target
    return None
