"""Rights to single columns: the statement after which roles have them for all columns but one."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import World


def is_back_end(world: World, role: str) -> bool:
    """Whether a role of the API is the back end's own."""
    return role == world.platform.roles.back_end or role in world.tenancy.trusted


def cause(world: World, relation: Relation, column: str, privilege: str, actor: Actor) -> tuple[str, str, str]:
    """What lets somebody do that with a column, the table, and the statement that takes it from all but the back end.

    Every role keeps the right to the other columns for which it has it.
    """
    table = sql.Identifier(relation.schema, relation.name)
    rest: dict[tuple[str, ...], list[str]] = {}
    for role in world.roles:
        granted = world.granted(relation, role, privilege)
        if column in granted and not is_back_end(world, role):
            rest.setdefault(tuple(name for name in granted if name != column), []).append(role)
    named = [role for roles in rest.values() for role in roles]
    statements = [
        sql.SQL("revoke {} on {} from public, {}").format(sql.SQL(privilege), table, _listed(named)),
        *(
            sql.SQL("grant {} ({}) on {} to {}").format(sql.SQL(privilege), _listed(names), table, _listed(roles))
            for names, roles in rest.items()
            if names
        ),
    ]
    what = f"the right of {actor.identity.role} to {privilege} {relation.full_name}.{column}"
    return what, relation.full_name, sql.SQL(";\n").join(statements).as_string(None)


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
