"""Conditions of policies by which a row is one of the caller's tenants, as the tenancy has it."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.rows import USERS

_DEPTH = 4
"""So many foreign keys are followed to the tenant."""


class Conditions:
    """Conditions over the columns of relations, as SQL."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, name: str) -> Iterator[str]:
        """Those by which a row of that relation is the caller's: by its own columns, else by its foreign keys."""
        direct = self._world.condition(name)
        if direct is not None:
            yield direct
            yield from self._of_membership(name)
            return
        relation = self._world.relations.get(name)
        if relation is None:
            return
        if (element := self._element(relation)) is not None:
            yield element
        for key in self._leading(relation):
            condition = self._through(key, _DEPTH)
            if condition is not None:
                yield condition

    def _of_membership(self, name: str) -> Iterator[str]:
        """Of the table of memberships, by the tenants' table, where reading that is held to the caller's."""
        member, tenant = self._world.tenancy.member, self._world.relations.get(self._world.tenancy.tenant)
        if isinstance(member, Membership) and name == member.table and tenant is not None and name != tenant.full_name:
            yield (
                sql.SQL("{} in (select t.{} from {} as t)")
                .format(
                    sql.Identifier(member.tenant),
                    sql.Identifier(tenant.primary_key[0]),
                    sql.Identifier(tenant.schema, tenant.name),
                )
                .as_string(None)
            )

    def links(self, name: str) -> Iterator[str]:
        """Those by which what a row refers to is the caller's, for each foreign key to rows of a tenant."""
        relation = self._world.relations.get(name)
        if relation is None:
            return
        tenancy = self._world.tenancy
        for key in relation.foreign_keys:
            if key.target in {USERS, tenancy.tenant, *tenancy.public}:
                continue
            condition = self._through(key, _DEPTH)
            if condition is not None:
                columns = [relation.column(here) for here, _ in key.columns]
                free = [column.name for column in columns if column is not None and not column.not_null]
                nulls = [sql.SQL("{} is null or ").format(sql.Identifier(column)).as_string(None) for column in free]
                yield f"({''.join(nulls)}{condition})" if nulls else condition

    def _leading(self, relation: Relation) -> list[ForeignKey]:
        """The foreign keys that lead to the tenant, those first that the tenancy names, then those of every row."""
        rule = self._world.tenancy.tables.get(relation.full_name, "").split(".")[0]
        filled = {column.name for column in relation.columns if column.not_null}

        def rank(key: ForeignKey) -> tuple[bool, bool]:
            here = {name for name, _ in key.columns}
            return rule not in here, not here <= filled

        return sorted((key for key in relation.foreign_keys if key.target != relation.full_name), key=rank)

    def _through(self, key: ForeignKey, depth: int) -> str | None:
        target = self._world.relations.get(key.target)
        if target is None or target.full_name in self._world.tenancy.public or not depth:
            return None
        condition = self._world.condition(target.full_name)
        if condition is None:
            deeper = (self._through(further, depth - 1) for further in self._leading(target))
            condition = next((found for found in deeper if found is not None), None)
        if condition is None:
            return None
        here = sql.SQL(", ").join(sql.Identifier(name) for name, _ in key.columns)
        return (
            sql.SQL("{} in (select {} from {} as t where {})")
            .format(
                sql.SQL("({})").format(here) if len(key.columns) > 1 else here,
                sql.SQL(", ").join(sql.Identifier("t", name) for _, name in key.columns),
                sql.Identifier(target.schema, target.name),
                sql.SQL(condition),
            )
            .as_string(None)
        )

    def _element(self, relation: Relation) -> str | None:
        """Where an element of an array names the tenant, as the first folder of a file."""
        rule, _, position = self._world.tenancy.tables.get(relation.full_name, "").partition("[")
        if not position or relation.column(rule) is None:
            return None
        element = f"{sql.Identifier(rule).as_string(None)}[{int(position.rstrip(']'))}]"
        member, words = self._world.tenancy.member, self._world.platform.words
        if isinstance(member, Membership):
            schema, _, table = member.table.partition(".")
            return (
                sql.SQL("{} in (select m.{}::text from {} as m where m.{} = {})")
                .format(
                    sql.SQL(element), sql.Identifier(member.tenant), sql.Identifier(schema, table),
                    sql.Identifier(member.user), sql.SQL(words.user_in_sql),
                )
                .as_string(None)
            )  # fmt: skip
        if member is None:
            return f"{element} = {words.user_in_sql}::text"
        path = sql.Literal("{" + ",".join(member.path) + "}").as_string(None)
        return f"{element} = {words.claim_in_sql(path)}"
