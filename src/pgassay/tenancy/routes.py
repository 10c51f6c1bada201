"""How the rows of each table lead to the tenant: by a column of their own, or by foreign keys."""

from __future__ import annotations

from collections.abc import Mapping

from pgassay.catalog import ForeignKey, Relation
from pgassay.config import Claim, Membership
from pgassay.hints import Column
from pgassay.tenancy.model import USERS, Found
from pgassay.tenancy.names import OWNERS
from pgassay.tenancy.observed import Observed


def tenant_columns(schema: Observed, candidate: Found) -> dict[str, list[str]]:
    """The columns that hold the tenant's key, by table."""
    if candidate.tenant == USERS:
        return {name: owned for name in schema.tables if (owned := _owner_columns(schema, name))}
    found: dict[str, list[str]] = {}
    known = _seeds(schema, candidate)
    kinds = {schema.type_of(column) for column in known}
    before = 0
    while before != len(known):
        before = len(known)
        for name, table in schema.tables.items():
            for key in table.foreign_keys:
                for here, there in key.columns:
                    if Column(key.target, there) in known and name != candidate.tenant:
                        known.add(Column(name, here))
    names = {column.name for column in known if column.relation != candidate.tenant}
    for name, table in schema.tables.items():
        linked = table.referring
        for column in table.columns:
            is_bare = column.name in names and column.name not in linked and column.type in kinds
            if name != candidate.tenant and column.name != "id" and is_bare:
                known.add(Column(name, column.name))
    known |= _compared(schema, candidate)
    known |= _joined_only(schema, known)
    for name, table in schema.tables.items():
        columns = [column.name for column in table.columns if Column(name, column.name) in known]
        if columns and name != candidate.tenant:
            found[name] = columns
    return found


def _seeds(schema: Observed, candidate: Found) -> set[Column]:
    """The key of the tenants; where no foreign key leads there, also what members and claims have of them."""
    key, member = schema.key_of(candidate.tenant), candidate.member
    seeds = {Column(candidate.tenant, key)} if key else set()
    if isinstance(member, Membership) and member.tenant not in schema.tables[member.table].referring:
        seeds.add(Column(member.table, member.tenant))
    return seeds if seeds and not candidate.by_name else seeds | _compared(schema, candidate)


def _compared(schema: Observed, candidate: Found) -> set[Column]:
    """The columns that are compared with the claim that names the tenant."""
    member = candidate.member
    if not isinstance(member, Claim):
        return set()
    every = (*schema.hints.policies.values(), schema.hints.elsewhere)
    return {column for facts in every for column, path in facts.claims if path == member.path}


def _joined_only(schema: Observed, known: set[Column]) -> set[Column]:
    """The columns without a foreign key that policies join with known ones, of tables that have none as yet."""
    tables = {column.relation for column in known}
    joined = {other for column in known for other in schema.joined_with(column)}
    return {
        column
        for column in joined
        if column.relation not in tables
        and column.name not in schema.tables[column.relation].referring
        and column.name != schema.key_of(column.relation)
    }


def _owner_columns(schema: Observed, table: str) -> list[str]:
    """The column for the user whose the rows are; several where that is not settled, none where others decide."""
    users = schema.users_of(table)
    direct = schema.direct(table)
    asks_owner = table in schema.hints.policies and _asks_owner(schema, table)
    if asks_owner and (not direct or any(share.table == table for share in schema.shares)):
        return []
    if direct:
        return direct
    owners = schema.owners(table) or users
    named = [name for name in OWNERS if name in owners]
    return named[:1] or owners


def _asks_owner(schema: Observed, table: str) -> bool:
    """Whether the policies of a table ask who owns a row that its foreign keys lead to."""
    above: set[str] = set()
    left = [table]
    while left:
        for key in schema.tables[left.pop()].foreign_keys:
            if key.target in schema.tables and key.target not in above and not schema.is_of_users(key.target):
                above.add(key.target)
                left.append(key.target)
    return any(column.relation in above - {table} for column in schema.facts[table].callers)


def itself(candidate: Found) -> set[str]:
    """The tables of tenants and of members."""
    member = candidate.member
    return {candidate.tenant, *([member.table] if isinstance(member, Membership) else [])}


def routes(schema: Observed, candidate: Found) -> dict[str, list[tuple[str, ...]]]:
    """For each table that belongs to the tenant: the shortest paths of columns that lead there."""
    key = (candidate.tenant, candidate.member)
    if key not in schema.routes:
        schema.routes[key] = _found_routes(schema, candidate)
    return schema.routes[key]


def _found_routes(schema: Observed, candidate: Found) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {candidate.tenant: [()]} if candidate.tenant in schema.tables else {}
    for name, columns in tenant_columns(schema, candidate).items():
        found[name] = [(column,) for column in columns]
    through = {name for name in schema.tables if schema.is_of_users(name)}
    if isinstance(candidate.member, Membership):
        through.add(candidate.member.table)
    while True:
        new = _next(schema, found, through)
        if not new and candidate.tenant == USERS:
            new = _next(schema, found, set())  # by way of a profile, where nothing else leads there
        if not new:
            return found
        found |= new


def _next(
    schema: Observed, found: Mapping[str, list[tuple[str, ...]]], barred: set[str]
) -> dict[str, list[tuple[str, ...]]]:
    """The tables that lead to those in ``found`` by one foreign key more, but not to those in ``barred``."""
    new: dict[str, list[tuple[str, ...]]] = {}
    for name, table in schema.tables.items():
        if name not in found:
            keys = [key for key in table.foreign_keys if key.target in found and key.target not in barred]
            for key in _required(table, keys):
                step = key.columns[0][0] if len(key.columns) == 1 else ""  # of several columns none can be written
                new.setdefault(name, []).extend((step, *path) for path in found[key.target])
    return new


def _required(table: Relation, keys: list[ForeignKey]) -> list[ForeignKey]:
    """The foreign keys that every row has; all where there is none."""
    needed = [key for key in keys if {here for here, _ in key.columns} <= _filled(table)]
    return needed or keys


def _filled(table: Relation) -> set[str]:
    return {column.name for column in table.columns if column.not_null}
