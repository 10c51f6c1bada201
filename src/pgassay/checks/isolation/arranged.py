"""Rows in states for which functions ask: a function may do something for a row that is open or unsigned alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pgassay import sqltree
from pgassay.catalog import Column, Function, Relation
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.world import World
from pgassay.rows import Row

_MOST = 12
"""So many states are tried for a function, each of one column; and as many of all columns together."""
_DAY = timedelta(days=1)
_PLENTY = 1000
"""More than anybody takes away from a stock or an account, for which rows begin with nothing."""
Arrangement = tuple[Change, ...]
"""Changes of a row of B, and of the row of A that is like it."""


def arrangements_for(world: World, function: Function) -> Iterator[Arrangement]:
    """What brings rows into states that a function asks for, itself or by what it calls: one column, then all."""
    called = world.sources.behind(f"{function.schema}.{function.name}")
    trees = [tree for one in called for tree in one.trees]
    tables = {name.rpartition(".")[2] for tree in trees for name in sqltree.tables(tree)}
    asked = {path[-1] for tree in trees for path in sqltree.columns(tree)}
    rows = [*_rows(world, tables, asked)]
    constants = sqltree.constants_of(trees)
    yield from itertools.islice(_of_one(world, rows, constants), _MOST)
    yield from itertools.islice(_of_all(world, rows), _MOST)
    yield from itertools.islice(_of_numbers(world, rows), _MOST)


def _rows(world: World, tables: set[str], asked: set[str]) -> Iterator[tuple[Relation, list[Column]]]:
    """The tables that are asked for and have a row of B, each with the columns that are asked for."""
    for name, rows in world.tenants.rows.items():
        relation = world.relations.get(name)
        if relation is not None and "B" in rows and relation.name in tables and relation.primary_key:
            kept = {*relation.primary_key, world.tenancy.column_of(name)}
            yield (
                relation,
                [one for one in relation.columns if one.name in asked - kept and not one.generated],
            )


def _of_one(
    world: World, rows: Iterable[tuple[Relation, list[Column]]], constants: Mapping[str, Sequence[bool | int | str]]
) -> Iterator[Arrangement]:
    for relation, columns in rows:
        row = world.tenants.rows[relation.full_name]["B"]
        for column in columns:
            for value in changes.other_values(world, relation, column, row, constants.get(column.name, ())):
                yield (changes.update(world, relation, row, {column.name: value}),)


def _of_all(world: World, rows: Iterable[tuple[Relation, list[Column]]]) -> Iterator[Arrangement]:
    """All flags and times of a row at once, of A as well: what is for sale may be another one's, or one's own."""
    now = datetime.now(UTC)
    for relation, columns in rows:
        flags = [column.name for column in columns if column.category == "B"]
        times = [column.name for column in columns if column.category == "D" and not column.type.startswith("time ")]
        if not flags and not times:
            continue
        for flag, time in itertools.product(
            (True, False)[: 1 + bool(flags)], (now + _DAY, now - _DAY)[: 1 + bool(times)]
        ):
            yield _of_both(world, relation, {**dict.fromkeys(flags, flag), **dict.fromkeys(times, time)})


def _of_numbers(world: World, rows: Iterable[tuple[Relation, list[Column]]]) -> Iterator[Arrangement]:
    """Much of what a row counts: of each number, and of all."""
    for relation, columns in rows:
        numbers = [
            column.name for column in columns if column.category == "N" and column.name not in relation.referring
        ]
        for names in dict.fromkeys([*((name,) for name in numbers), tuple(numbers)] if numbers else []):
            yield _of_both(world, relation, dict.fromkeys(names, _PLENTY))


def _of_both(world: World, relation: Relation, values: Row) -> Arrangement:
    both = world.tenants.rows[relation.full_name]
    return tuple(changes.update(world, relation, both[label], values) for label in "AB" if label in both)
