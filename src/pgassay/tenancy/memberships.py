"""Tables that say who belongs to whom, or that open rows to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pgassay.config import Membership
from pgassay.hints import Column
from pgassay.tenancy.model import Found
from pgassay.tenancy.names import MEMBERS, SHARES, TENANTS

if TYPE_CHECKING:
    from pgassay.tenancy.observed import Observed


def of_tables(schema: Observed) -> Iterator[Found]:
    """The candidates whose members a table lists."""
    for name, table in schema.tables.items():
        users = schema.users_of(name)
        pairs: list[Found] = []
        for key in table.foreign_keys:
            if len(key.columns) != 1 or key.target == name or key.target not in schema.tables:
                continue
            ((here, there),) = key.columns
            if schema.tables[key.target].primary_key != (there,) or Column(name, here) in schema.user_columns:
                continue
            made = [membership(schema, name, here, user, key.target) for user in users]
            pairs.extend(found for found in made if found is not None)
        if any(found.pair for found in pairs):
            pairs = [found for found in pairs if found.pair]
        yield from pairs


def membership(schema: Observed, name: str, here: str, user: str, tenant: str) -> Found | None:
    """What a table with a foreign key to a possible tenant and a column for users comes to."""
    member = Membership(name, here, user)
    column = Column(name, user)
    support = schema.support(column, name)
    called = column in schema.hints.elsewhere.callers
    pair = any({here, user} <= unique for unique in schema.unique(name))
    is_named = bool(MEMBERS.search(name.partition(".")[2]))
    if not pair:
        single = {user} in schema.unique(name)
        if single and not support and not called and schema.is_referred_to(name, tenant):
            return Found(tenant, member, support, pair, f"Are users members of {tenant} by {name}?")
        # a table of its own content with an author, or a user's settings, is none that says who belongs to whom
        if not (support - {tenant} or (support and (single or is_named)) or (called and (single or is_named))):
            return None
        if not single and not is_named and tenant not in support:
            return None
    is_share = bool(SHARES.search(name.partition(".")[2]))
    is_tenant = bool(TENANTS.search(tenant.partition(".")[2]))
    found = Found(tenant, member, support, pair)
    if schema.owners(tenant):
        if is_share and not is_tenant:
            return replace(found, is_share=True)
        if (is_named or is_tenant) and not is_share:
            return found
        rest = {
            table
            for table in support & set(schema.tables) - {tenant}
            if not schema.direct(table) and any(key.target == tenant for key in schema.tables[table].foreign_keys)
        }
        if rest or (is_share and is_tenant):
            doubt = (
                f"Are users members of {tenant} by {name}, or do the owners of its rows open them to others with it?"
            )
            return replace(found, unsure=doubt)
        return replace(found, is_share=True) if tenant in support and not is_tenant else None
    if support or called or is_named:
        return found
    if is_tenant and pair:
        return replace(found, unsure=f"Are users members of {tenant} by {name}?")
    return None


def opened(candidate: Found) -> Membership:
    """The table of a candidate, with its columns for a row and a user."""
    assert isinstance(candidate.member, Membership)
    return candidate.member
