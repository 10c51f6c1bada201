"""What a function reads ids from: what it compares with columns, texts that it casts, and the keys of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pgassay.catalog import Argument, Function
from pgassay.checks.isolation import typed
from pgassay.checks.isolation.arguments import KEYS_TRIED, Call, by_name, call_with, candidates, likeliest
from pgassay.checks.isolation.nesting import merged, nested
from pgassay.checks.isolation.tied import Tied
from pgassay.checks.isolation.world import World

Path = tuple[str, ...]
_PATHS = 6
"""So many keys of JSON are tried."""


class ReadAs:
    """Calls with values where columns have them, and with ids in texts that are cast and in the keys of JSON."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bodies = world.bodies
        self._tied = Tied(world)

    def of(self, function: Function, label: str, beside: str = "") -> Iterator[Call]:
        """Calls with values of one tenant, or with those of another ``beside``; none where no ids are read so."""
        yield from self._tied.of(function, label, beside)
        name = f"{function.schema}.{function.name}"
        usual = None
        for number, argument in enumerate(function.arguments):
            for value in self._values(name, argument, label):
                usual = usual or likeliest(function, self._world, beside or label)
                yield call_with(function, usual, number, value)

    def _values(self, name: str, argument: Argument, label: str) -> Iterator[str]:
        if typed.is_text(argument) and argument.name in self._bodies.cast(name):
            yield from self._ids(argument.name, label)
        elif typed.base_of(argument) in typed.PAYLOADS:
            payloads = self._payloads(self._bodies.keys(name)[:_PATHS], label)
            is_list = self._bodies.reads_lists(name)
            yield from (json.dumps([payload] if is_list else payload) for payload in payloads)

    def _payloads(self, paths: list[Path], label: str) -> Iterator[dict[str, Any]]:
        """JSON with all keys, in which each in turn is each id."""
        usual: dict[str, Any] = {}
        for path in paths:
            usual = merged(usual, nested(path, self._likely(path[-1], label)))
        for path in paths:
            for value in self._ids(path[-1], label):
                yield merged(usual, nested(path, value))

    def _likely(self, name: str, label: str) -> str:
        """What the name says, else the id of the tenant, which is a text as well."""
        found = by_name(Argument(name, "text", False), self._world, label)
        return str(found[0] if found else self._world.tenants.ids[label])

    def _ids(self, name: str, label: str) -> list[str]:
        return [str(value) for value in candidates(Argument(name, "uuid", False), self._world, label)[:KEYS_TRIED]]
