"""Own calls: functions that somebody calls to become something, as the owner of a tenant or somebody's friend."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import psycopg

from pgassay.catalog import Argument, Function
from pgassay.checks.isolation import secrets
from pgassay.checks.isolation.arguments import Call, calls_of, distinct
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.ownwrites import OwnMove
from pgassay.checks.isolation.read_as import ReadAs
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.schema.asked import Asked

_MEND = (
    "Ask in the function who calls it, and whether they may do that for whom they name; else revoke the right to it."
)
_TOLD = 6
"""So many calls of a function are made with values of one tenant, and so many that go through are looked at."""
_VALUES = 12
"""So many values are tried for an argument besides those that it is tried with anyhow."""
_TEXTS = ("text", "character varying", "citext", "name")
_OBJECTS = ("json", "jsonb")


class OwnCalls:
    """Calls that change rows which decide what is open elsewhere."""

    def __init__(self, world: World, asked: Asked) -> None:
        self._world = world
        self._asked = asked
        self._secrets = Secrets(world)
        self._read_as = ReadAs(world)
        self.probes = 0

    def is_move(self, function: Function) -> bool:
        """Whether a signed-in user may call it, and it may change anything."""
        return function.volatile and self._world.platform.roles.signed_in in function.roles

    def that_go_through(self, session: Session, actor: Actor, function: Function) -> list[OwnMove]:
        """Those that change such a row when they are tried alone, on a session of the API."""
        found: list[OwnMove] = []
        with actor.enter(session):
            tried = self._known(session, actor, self._calls(function, actor))
            results, stopped = session.attempts([(call.statement, call.values) for call, _ in tried])
            self.probes += len(results)
            if stopped is not None:
                raise stopped
            answered = [
                one for one, result in zip(tried, results, strict=True) if not isinstance(result, psycopg.Error)
            ]
            for call, label in answered[:_TOLD]:
                self.probes += 1
                if self._decides(session, call):
                    found.append(self._move(actor, function, call, gives=label in actor.own))
        return found

    def with_own(self, session: Session, actor: Actor, function: Function) -> list[Call]:
        """All calls with values of the actor's own tenants that need no secret; the session is the actor's."""
        tried: list[tuple[Call, str]] = []
        for label in sorted(actor.own):
            calls = [*calls_of(function, self._world, label)]
            read_as = self._read_as.of(function, label)
            tried += [(call, label) for call in (*calls, *self._with_constants(function, calls[:1]), *read_as)]
        return [*distinct(call for call, _ in self._known(session, actor, tried))]

    def calls(self, session: Session, actor: Actor, function: Function, label: str) -> list[OwnMove]:
        """Calls with values of one tenant, whatever comes of them."""
        return self.moves(session, actor, function, itertools.islice(calls_of(function, self._world, label), _TOLD))

    def moves(self, session: Session, actor: Actor, function: Function, calls: Iterable[Call]) -> list[OwnMove]:
        """Those of these calls that need no secret, whatever comes of them."""
        tried = ((call, "") for call in calls)
        with actor.enter(session):
            return [self._move(actor, function, call, gives=False) for call, _ in self._known(session, actor, tried)]

    def _known(self, session: Session, actor: Actor, tried: Iterable[tuple[Call, str]]) -> list[tuple[Call, str]]:
        """Those for which the actor needs no secret; the session is the actor's."""
        # what stands in a row that the actor cannot read, whoever's it is, is no more known to them than to others
        kept = self._secrets.kept_from(session, replace(actor, own=frozenset()))
        return [(call, label) for call, label in tried if not secrets.holds(call, kept)]

    def _calls(self, function: Function, actor: Actor) -> Iterator[tuple[Call, str]]:
        """Calls with values of one's own, then with those of B; with each text that is compared with a column."""
        known: set[str] = set()
        for label in (*sorted(actor.own), "B"):
            calls = [*itertools.islice(calls_of(function, self._world, label), _TOLD)]
            for call in distinct([*self._with_constants(function, calls[:1]), *calls]):
                key = repr(call.values)
                if key not in known:
                    known.add(key)
                    yield call, label

    def _with_constants(self, function: Function, calls: Iterable[Call]) -> Iterator[Call]:
        """The same with a value that decides something for each text called like a column, and in each JSON object."""
        for call in calls:
            for place, (argument, value) in enumerate(zip(function.arguments, call.values, strict=False)):
                for other in itertools.islice(self._others(argument, value), _VALUES):
                    yield replace(call, values=[*call.values[:place], other, *call.values[place + 1 :]])

    def _others(self, argument: Argument, value: Any) -> Iterator[Any]:
        if argument.type in _TEXTS:
            named = (values for name, values in self._deciding.items() if argument.name.endswith(name))
            yield from dict.fromkeys(one for values in named for one in values if isinstance(one, str))
        elif argument.type in _OBJECTS:
            payload = json.loads(value)
            for name, values in self._deciding.items() if isinstance(payload, dict) else ():
                yield from (json.dumps({**payload, name: one}) for one in values)

    @cached_property
    def _deciding(self) -> dict[str, list[Any]]:
        """What the columns of tables that decide something are compared with or held to, by their names."""
        found: dict[str, list[Any]] = {}
        for relation in self._world.relations.values():
            listed = self._world.maker.listed_of(relation.full_name)
            for name in sorted(self._asked.columns.get(relation.name, ())):
                column = relation.column(name)
                if column is not None and name not in relation.referring:
                    flags = [True, False] if column.category == "B" else []
                    values = [*flags, *self._asked.constants.get(name, ()), *listed.get(name, ())]
                    found[name] = list(dict.fromkeys([*found.get(name, ()), *values]))
        return {name: values for name, values in found.items() if values}

    def _decides(self, session: Session, call: Call) -> bool:
        """Whether the call changes a row of a table that decides something."""
        try:
            touched = self._world.touched_by(session, call.statement, call.values)
        except psycopg.Error:
            if session.closed:
                raise
            return False
        return any(name.partition(".")[2] in self._asked.columns for name, _, _, _ in touched)

    def _move(self, actor: Actor, function: Function, call: Call, *, gives: bool) -> OwnMove:
        statement = self._world.connection.bound(call.statement, call.values)
        what = f"calling {function.signature}"
        return OwnMove(actor, (statement,), call.known, function.signature, "call", what, gives, advice=_MEND)
