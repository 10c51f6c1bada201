"""Rows in states for which functions ask: a function may do something for a row that is open or unsigned alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from pgassay import sqltree
from pgassay.catalog import Function
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.world import World

_MOST = 12
"""So many states are tried for a function."""


def changes_for(world: World, function: Function) -> Iterator[Change]:
    """Changes of one column of a row of B: to what a function asks for, itself or by what it calls."""
    bodies = {each.full_name: each for each in world.sources.functions if each.is_parsed}
    called, left = set[str](), {f"{function.schema}.{function.name}"}
    while left := (left - called) & bodies.keys():
        called |= left
        nodes = [node for name in left for tree in bodies[name].trees for node in sqltree.walk(tree)]
        names = {sqltree.called(node).rpartition(".")[2] for node in nodes}
        left = {name for name, each in bodies.items() if each.name in names}
    trees = [tree for name in sorted(called) for tree in bodies[name].trees]
    tables = {name.rpartition(".")[2] for tree in trees for name in sqltree.tables(tree)}
    tables |= {
        node.relation.relname
        for tree in trees
        for node in sqltree.walk(tree)
        if sqltree.kind(node) in ("UpdateStmt", "DeleteStmt")
    }
    asked = {path[-1] for tree in trees for path in sqltree.columns(tree)}
    constants: dict[str, list[bool | int | str]] = {}
    for column, value in (pair for tree in trees for pair in sqltree.compared(tree)):
        constants.setdefault(column, []).append(value)
    yield from itertools.islice(_changes(world, tables, asked, constants), _MOST)


def _changes(
    world: World, tables: set[str], asked: set[str], constants: dict[str, list[bool | int | str]]
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
