"""Which rows of several tables are worth making: for views that show none of a tenant, and for ways nobody took."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.catalog import Relation
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.ways import Ways
from pgassay.schema import merging, patterns
from pgassay.schema.patterns import Needed

_OF_A_BRANCH = 3
_ROWS = 200
"""So many rows of a view are looked at."""


class Wanted:
    """Patterns of rows, of those that the world's tables can have."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._world = ways.world

    def of_views(self) -> list[tuple[Needed, ...]]:
        """Those by which views have a row."""
        return self._merged(self._of_views())

    def of_policies(self) -> list[tuple[Needed, ...]]:
        """Those by which the branches of policies may hold that nobody took."""
        return self._merged(self._of_policies())

    def _merged(self, wanted: Iterable[list[tuple[Needed, ...]]]) -> list[tuple[Needed, ...]]:
        """Each pattern once, with each row once: one of each way before a second of any."""
        turns = filter(None, itertools.chain.from_iterable(itertools.zip_longest(*wanted)))
        found = (merging.merged(pattern, self._keys) for pattern in turns)
        return list(dict.fromkeys(filter(None, found)))

    def _keys(self, name: str) -> Iterator[Collection[str]]:
        """The columns of each key of a table by which there is one row."""
        relation = self._world.relations[name]
        yield relation.primary_key
        yield from (index.columns for index in relation.exclusions if not index.exclusion and not index.predicate)

    def _of_views(self) -> Iterator[list[tuple[Needed, ...]]]:
        """The patterns of views that have no row of A, or none of B."""
        world = self._world
        for view in world.sources.views:
            relation = world.relations.get(view.full_name)
            if relation is not None and not set(LABELS[:2]) <= self._seen_in(relation):
                for select in view.trees:
                    yield patterns.of_view(select, self._columns)[:_OF_A_BRANCH]

    def _seen_in(self, relation: Relation) -> set[str]:
        """The tenants of which a view has a row, as its owner sees it."""
        statement = sql.SQL("select * from {} limit {}").format(
            sql.Identifier(relation.schema, relation.name), sql.Literal(_ROWS)
        )
        world = self._world
        try:
            with world.connection.transaction(), world.connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(statement).fetchall()
        except psycopg.Error:
            if world.connection.closed:
                raise
            return set()
        return {label for row in rows for label in world.whose(relation.full_name, row)}

    def _of_policies(self) -> Iterator[list[tuple[Needed, ...]]]:
        ways = self._ways
        for policy in ways.policies:
            if not policy.permissive or not ways.roles_of(policy) or policy.relation not in ways.world.relations:
                continue
            for branch in (branch for branches in policy.branches.values() for branch in branches):
                if not ways.is_taken(policy, branch):
                    found = [
                        pattern
                        for form in ways.forms(policy, branch)[1:] or (branch.key,)
                        for pattern in patterns.of(form, policy.schema, policy.table, self._columns)
                    ]
                    yield found[:_OF_A_BRANCH]

    def _columns(self, schema: str, table: str) -> tuple[str, tuple[str, ...]] | None:
        """The table of that name; of any schema where none is said, and there is one."""
        relations = self._world.relations
        names = [f"{schema}.{table}"] if schema else [name for name in relations if name.rpartition(".")[2] == table]
        found = [relations[name] for name in names if name in relations and relations[name].kind == "table"]
        if len(found) != 1:
            return None
        return found[0].full_name, tuple(column.name for column in found[0].columns)


def in_order(relations: Mapping[str, Relation], rows: Iterable[Needed]) -> list[Needed]:
    """Each after those that it refers to."""
    left, found = list(rows), list[Needed]()
    while left:
        ready = [
            needed for needed in left if not any(_refers(relations, needed, to) for to in left if to is not needed)
        ] or left[:1]
        found += ready
        left = [needed for needed in left if needed not in ready]
    return found


def _refers(relations: Mapping[str, Relation], needed: Needed, other: Needed) -> bool:
    """Whether a row refers to the other one, or to one of that table."""
    here, there = dict(needed.values), dict(other.values)
    for key in relations[needed.relation].foreign_keys:
        if key.target == other.relation:
            pairs = [(here.get(one), there.get(another)) for one, another in key.columns]
            if needed.relation != other.relation or all(a is not None and a == b for a, b in pairs):
                return True
    return False
