"""Rows in states for which functions ask: a function may do something for a row that is open or unsigned alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from pgassay import sqltree
from pgassay.catalog import Function
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.world import World

_MOST = 12
"""So many states are tried for a function."""


def changes_for(world: World, function: Function) -> Iterator[Change]:
    """Changes of one column of a row of B: to what a function asks for, itself or by what it calls."""
    sources, name = world.sources, f"{function.schema}.{function.name}"
    called = sources.with_called(one for one in sources.functions if one.full_name == name)
    trees = [tree for one in called for tree in one.trees]
    tables = {name.rpartition(".")[2] for tree in trees for name in sqltree.tables(tree)}
    asked = {path[-1] for tree in trees for path in sqltree.columns(tree)}
    yield from itertools.islice(_changes(world, tables, asked, sqltree.constants_of(trees)), _MOST)


def _changes(
    world: World, tables: set[str], asked: set[str], constants: Mapping[str, Sequence[bool | int | str]]
) -> Iterator[Change]:
    for name, rows in world.tenants.rows.items():
        relation = world.relations.get(name)
        row = rows.get("B")
        if relation is None or row is None or relation.name not in tables or not relation.primary_key:
            continue
        kept = {*relation.primary_key, world.tenancy.column_of(name)}
        for column in relation.columns:
            if column.name not in asked or column.name in kept or column.generated:
                continue
            for value in changes.other_values(world, relation, column, row, constants.get(column.name, ())):
                yield changes.update(world, relation, row, {column.name: value})
