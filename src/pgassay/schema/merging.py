"""Rows of a pattern that have one key are one row: what a condition asks of each, it asks of that one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pgassay.schema.patterns import Needed, Same

Keys = Callable[[str], Iterable[Collection[str]]]
"""The columns of each unique key of a table."""


def merged(pattern: tuple[Needed, ...], keys: Keys) -> tuple[Needed, ...] | None:
    """The pattern with each row once, the first row first; None where one would have to have two values in a column."""
    rows = [*pattern]
    while (pair := _alike(rows, keys)) is not None:
        one, other = (rows[number] for number in pair)
        values: dict[str, Any] = {}
        same: dict[Any, Any] = {}
        for name, value in (*one.values, *other.values):
            there = values.setdefault(name, value)
            if there == value:
                continue
            if not isinstance(value, Same):
                there, value = value, there
            if not isinstance(value, Same):
                return None
            same[value] = values[name] = there
        del rows[pair[1]]
        rows[pair[0]] = Needed(one.relation, tuple(sorted(values.items())))
        rows = [_with(row, same) for row in rows]
    return tuple(rows)


def _alike(rows: list[Needed], keys: Keys) -> tuple[int, int] | None:
    """The first two rows that have the same values in a key."""
    for (here, one), (there, other) in itertools.combinations(enumerate(rows), 2):
        if one.relation != other.relation:
            continue
        first, second = dict(one.values), dict(other.values)
        for key in keys(one.relation):
            if key and all(name in first and name in second and first[name] == second[name] for name in key):
                return here, there
    return None


def _with(row: Needed, same: dict[Any, Any]) -> Needed:
    """The row with other values where they turned out to be these."""
    return Needed(
        row.relation,
        tuple((name, same.get(value, value) if isinstance(value, Same) else value) for name, value in row.values),
    )
