"""Tenants that no foreign key leads to: told by the joins of policies, or by a claim alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from pgassay.config import NO_TABLE, Claim, Membership
from pgassay.hints import Column
from pgassay.identity import Identity
from pgassay.tenancy.claims import WRITTEN_BY_USERS, tenant_of
from pgassay.tenancy.memberships import membership
from pgassay.tenancy.model import Found
from pgassay.tenancy.names import is_named_after
from pgassay.tenancy.observed import Observed

_TOKEN = Identity.user(UUID(int=0)).given
"""What every token has: none of it is a tenant."""


def candidates(schema: Observed) -> list[Found]:
    """The candidates whose tenants are values of a column, without a foreign key to a table of them."""
    return [*_of_joins(schema), *_of_claims(schema)]


def forgeable(schema: Observed) -> Found | None:
    """The tenancy that a claim tells which users write themselves: it is no tenancy, and shows that nothing is held."""
    found: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for name, facts in schema.facts.items():
        for column, path in facts.claims:
            if path[0] == WRITTEN_BY_USERS and len(path) > 1 and column.relation in schema.tables:
                found.setdefault((tenant_of(schema, column) or NO_TABLE, path), set()).add(name)
    if not found:
        return None
    tenant, path = max(found, key=lambda each: (len(found[each]), each))
    return Found(tenant, Claim(path), frozenset(found[tenant, path]), True)


def _of_joins(schema: Observed) -> Iterator[Found]:
    """Tables in which the caller is looked up, for what another column of them is to other tables."""
    for name, table in schema.tables.items():
        for user in schema.users_of(name):
            support = schema.support(Column(name, user), name)
            for column in table.columns if support else ():
                here = Column(name, column.name)
                is_key = {column.name} in schema.unique(name)  # then its row is somebody's own
                if column.name not in table.referring and here not in schema.user_columns and not is_key:
                    yield from _joined(schema, here, user, support)


def _joined(schema: Observed, here: Column, user: str, support: frozenset[str]) -> Iterator[Found]:
    others = schema.joined_with(here)
    keys = sorted({other.relation for other in others if schema.key_of(other.relation) == other.name})
    for tenant in keys:
        found = membership(schema, here.relation, here.name, user, tenant)
        if found is not None and not found.is_share:
            yield found
    if others and not keys:
        pair = any({here.name, user} <= unique for unique in schema.unique(here.relation))
        member = Membership(here.relation, here.name, user)
        yield _named(schema, Found(NO_TABLE, member, support, pair), here)


def _of_claims(schema: Observed) -> list[Found]:
    """Claims that a column is compared with, which is no user's and no table's key."""
    found: dict[tuple[str, ...], tuple[set[str], set[Column]]] = {}
    for name, facts in (*schema.facts.items(), ("", schema.hints.elsewhere)):
        for column, path in facts.claims:
            is_known = column in schema.user_columns or tenant_of(schema, column) is not None
            if column.relation in schema.tables and not is_known and not _is_of_every_token(path):
                support, columns = found.setdefault(path, (set(), set()))
                support.update({name} - {""})
                columns.add(column)
    return [
        _named(schema, Found(NO_TABLE, Claim(path), frozenset(support), True), min(columns))
        for path, (support, columns) in sorted(found.items())
    ]


def _is_of_every_token(path: tuple[str, ...]) -> bool:
    first, *more = path
    of_platform = _TOKEN.get(first)
    return first == WRITTEN_BY_USERS or (
        first in _TOKEN and (not isinstance(of_platform, dict) or not more or more[0] in of_platform)
    )


def _named(schema: Observed, found: Found, column: Column) -> Found:
    """The same with the one table that the column has the name and the type of, if there is one."""
    named = [
        name
        for name, table in schema.tables.items()
        if is_named_after(column.name, table.name)
        and (key := schema.key_of(name))
        and schema.type_of(Column(name, key)) == schema.type_of(column)
        and Column(name, key) not in schema.user_columns
    ]
    return replace(found, tenant=named[0], by_name=True) if len(named) == 1 else found
