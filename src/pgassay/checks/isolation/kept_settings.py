"""Settings that a function keeps: calls that set one to an id of another tenant.

Each request of the API is a transaction of its own, so that a setting which is local to it is gone with the next one.
One that is not stays on a connection of the pool, for whoever has the next request there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property

from pgassay.catalog import Function
from pgassay.checks.isolation import typed
from pgassay.checks.isolation.arguments import Call, call_of, distinct, is_key, likeliest
from pgassay.checks.isolation.world import World
from pgassay.schema import settings

_CALLS = 12
"""So many calls of a function are tried."""


class KeptSettings:
    """Calls of functions that set what policies, functions or views read."""

    def __init__(self, world: World) -> None:
        self._world = world

    @cached_property
    def _read(self) -> tuple[str, ...]:
        return settings.read(self._world.sources)

    def calls(self, function: Function) -> list[Call]:
        """Calls with ids of B for each argument, beside names of settings; none where nothing is kept."""
        if not self._read:
            return []
        called = self._world.sources.behind(f"{function.schema}.{function.name}")
        return [*itertools.islice(distinct(self._calls(function)), _CALLS)] if settings.keeps(called) else []

    def _calls(self, function: Function) -> Iterator[Call]:
        tenants, usual = self._world.tenants, likeliest(function, self._world, "B")
        texts = [argument for argument in function.arguments if typed.is_text(argument)]
        yield call_of(function, usual)
        for argument in function.arguments:
            others = [other for other in texts if other != argument]
            if argument not in texts and not is_key(argument):
                continue
            for value in (tenants.ids["B"], tenants.users["B"]):
                chosen = {**usual, argument: str(value) if argument in texts else value}
                yield call_of(function, chosen)
                for setting in self._read if others else ():
                    yield call_of(function, {**chosen, **dict.fromkeys(others, setting)})
