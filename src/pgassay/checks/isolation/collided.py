"""Calls that ended at a key: the same once more, with rows whose numbers and names nobody has, or that nobody needs.

Rows of tenants are made alike on purpose, where a key holds them apart by tenant. A call that brings a row of another
tenant to one's own ends at that key then, which refuses nothing: with other rows it would have come to its end. So it
would with a row to which no other one refers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import psycopg

from pgassay import sqltree
from pgassay.catalog import Relation
from pgassay.checks.isolation.arguments import Answer, Call, Words
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import is_taken
from pgassay.rows import Row, Unfilled

_TRIES = 3


def prepare(world: World) -> None:
    """Make a row of B that is like none of A's, in each table whose rows are numbered or named by tenant."""
    for relation in world.relations.values():
        columns = world.maker.numbering(relation)
        if relation.kind == "table" and columns and len(relation.primary_key) == 1:
            made = _made(world, relation)
            row = next((row for row in made if _is_apart(world, relation, columns, row)), None)
            if row is not None:
                world.apart[relation.full_name] = row
    referred = {key.target for relation in world.relations.values() for key in relation.foreign_keys}
    for name in sorted(referred & _changed(world) - {world.tenancy.tenant, *world.untouched}):
        if "B" in world.tenants.rows.get(name, {}) and len(world.relations[name].primary_key) == 1:
            for row in itertools.islice(_made(world, world.relations[name]), 1):
                world.untouched[name] = row


def _changed(world: World) -> set[str]:
    """The tables whose rows functions change or take away."""
    trees = [tree for function in world.sources.functions for tree in function.trees]
    named = {table for tree in trees for table in sqltree.written(tree, inserts=False)}
    return {name for name, relation in world.relations.items() if relation.name in named}


def _made(world: World, relation: Relation) -> Iterator[Row]:
    try:
        for _ in range(_TRIES):
            with world.connection.transaction():
                row = world.maker.further(relation, world.tenants, "B", {})
            yield row
    except (psycopg.Error, Unfilled):  # then that is not tried
        world.go_on()


def _is_apart(world: World, relation: Relation, columns: Iterable[str], row: Row) -> bool:
    taken = [made for name, label, made in world.made() if name == relation.full_name and label == "A"]
    return all(row[column] != made[column] for made in taken for column in columns)


def again(world: World, answered: Iterable[tuple[Call, Answer]]) -> Iterator[Call]:
    """The calls that ended at a key, with the row of B that is apart, or that nobody needs, in each place."""
    for call, answer in answered:
        if not isinstance(answer, Words):
            continue
        is_needed = isinstance(answer.error, psycopg.errors.ForeignKeyViolation)
        rows = world.untouched if is_needed else world.apart if is_taken(answer.error) else {}
        for place, value in enumerate(call.values if rows else ()):
            for other in _others(world, rows, str(value)):
                yield replace(call, values=[*call.values[:place], other, *call.values[place + 1 :]])


def _others(world: World, rows: Mapping[str, Row], value: str) -> Iterator[object]:
    """The key of one of the rows, in each table in which that is the key of another row of B; each part by itself."""
    for table, row in rows.items():
        of_b = [made for name, label, made in world.made() if name == table and label == "B"]
        for column in world.relations[table].primary_key:
            if str(row[column]) != value and any(str(made[column]) == value for made in of_b):
                yield row[column]
