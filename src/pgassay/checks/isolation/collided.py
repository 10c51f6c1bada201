"""Calls that ended at a taken key: the same once more, with rows whose numbers and names nobody has.

Rows of tenants are made alike on purpose, where a key holds them apart by tenant. A call that brings a row of another
tenant to one's own ends at that key then, which refuses nothing: with other rows it would have come to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import psycopg

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
    """The calls that ended at a taken key, with the row of B that is apart in each place."""
    for call, answer in answered:
        if isinstance(answer, Words) and is_taken(answer.error):
            for place, value in enumerate(call.values):
                for other in _others(world, str(value)):
                    yield replace(call, values=[*call.values[:place], other, *call.values[place + 1 :]])


def _others(world: World, value: str) -> Iterator[object]:
    """The key of the row that is apart, in each table in which that is the key of another row of B."""
    for table, row in world.apart.items():
        (key,) = world.relations[table].primary_key
        if any(name == table and label == "B" and str(made[key]) == value for name, label, made in world.made()):
            yield row[key]
