"""Tenants that no table lists: the columns whose values they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgassay.catalog import Column, Relation
from pgassay.config import Membership, Tenancy
from pgassay.rows.values import is_text


def columns(relations: Iterable[Relation], tenancy: Tenancy) -> Iterator[tuple[Relation, Column]]:
    """The columns that name the tenant. What is no text comes first: its values can be written as text, too."""
    found = []
    for relation in relations:
        member, name = tenancy.member, tenancy.column_of(relation.full_name)
        if isinstance(member, Membership) and relation.full_name == member.table:
            name = member.tenant
        column = relation.column(name)
        if relation.kind == "table" and column is not None:
            found.append((relation, column))
    yield from sorted(found, key=lambda each: is_text(each[1].data_type))
