"""Values exchanged: calls that came to an end with values of one's own, in which one is of another tenant.

A function that asks whose one of its arguments is may forget another one. So each place that takes an id is tried with
every id of the other tenant, and so is each id within a text, JSON or a row, while all else stays one's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from pgassay.checks.isolation.arguments import KEYS_TRIED, Answer, Call, by_name, candidates, is_key, tells_something
from pgassay.checks.isolation.world import World

_CALLS = 3
"""So many calls are changed."""
_IDS = 12
"""Of so many ids in a text each is exchanged."""


def exchanged(world: World, answered: Iterable[tuple[Call, Answer]]) -> Iterator[Call]:
    """The calls of a member of A that came to an end, with one value of B in each place; those first that told much."""
    ended = [(call, answer) for call, answer in answered if isinstance(answer, list)]
    ended.sort(key=lambda each: not tells_something(each[1]))
    for call, _ in ended[:_CALLS]:
        free = [
            n for n, argument in enumerate(call.arguments) if is_key(argument) and not by_name(argument, world, "A")
        ]
        for place, (argument, value) in enumerate(zip(call.arguments, call.values, strict=True)):
            if place in free and len(call.arguments) > 1:
                for other in candidates(argument, world, "B")[:KEYS_TRIED]:
                    yield _with(call, place, other)
            elif isinstance(value, str):
                for text in _texts(world, value):
                    yield _with(call, place, text)


def _with(call: Call, place: int, value: Any) -> Call:
    return replace(call, values=[*call.values[:place], value, *call.values[place + 1 :]])


def _texts(world: World, text: str) -> Iterator[str]:
    """The text with each id of A in turn exchanged for that of B which stands in its place."""
    pairs = ((mine, theirs) for mine, theirs in _pairs(world) if mine in text)
    for mine, theirs in itertools.islice(dict.fromkeys(pairs), _IDS):
        yield text.replace(mine, theirs)


def _pairs(world: World) -> Iterator[tuple[str, str]]:
    tenants = world.tenants
    yield str(tenants.ids["A"]), str(tenants.ids["B"])
    yield str(tenants.users["A"]), str(tenants.users["B"])
    for rows in tenants.rows.values():
        for column, mine in rows["A"].items():
            theirs = rows["B"].get(column)
            if isinstance(mine, UUID) and isinstance(theirs, UUID) and mine != theirs:
                yield str(mine), str(theirs)
