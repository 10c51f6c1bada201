"""Texts in rows that are SQL: a saved filter, an order or a template that a function or a trigger executes.

A member writes such a text into a row of its own and calls the function then, all of which is undone. A function that
quotes it, or passes it beside, tells nothing by that.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, Function, Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import changes, secrets, typed
from pgassay.checks.isolation.answered import with_error
from pgassay.checks.isolation.arguments import Call, call_with, calls_of, distinct, likeliest, told
from pgassay.checks.isolation.effects import Attempt, Effects
from pgassay.checks.isolation.gains import anew_after
from pgassay.checks.isolation.injected import Injected
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.nesting import nested
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled, insert_statement
from pgassay.schema.sources import Function as Source

_CALLS = 3
"""So many calls of a function are made with each text."""
_PLAIN = "x"
_COLUMNS = 6
"""Texts are written into so many columns of a table."""


@dataclass(frozen=True)
class _Place:
    """Where a text is written: a column of a table, and the keys that lead to it in JSON."""

    target: Target
    column: Column
    path: tuple[str, ...] = ()

    def value(self, text: str) -> Any:
        return json.dumps(nested(self.path, text)) if self.path else text


@dataclass(frozen=True)
class _Stored:
    """A statement of ``actor`` by which a text stands in a row, and the keys of that row in place of those known."""

    actor: Actor
    place: _Place
    text: str
    statement: str
    keys: Mapping[str, Any]


@dataclass(frozen=True)
class _Write:
    """A statement that stores a text, and by the keys of a row that was there those of the row that has the text."""

    statement: sql.Composed
    values: list[Any]
    keys: Mapping[str, Any] = field(default_factory=dict)


class StoredTexts:
    """Calls of functions, and statements that fire triggers, after texts were stored by members of A."""

    def __init__(self, world: World, targets: Mapping[str, Target], effects: Effects) -> None:
        self._world = world
        self._targets = targets
        self._effects = effects
        self._bodies = world.bodies
        self._texts = Injected(world, self._bodies)
        self._secrets = Secrets(world)
        self.probes = 0

    def try_function(self, api: Session, function: Function, actors: Iterable[Actor]) -> Found | None:
        """What a function tells of B, or does to it, by a text that a member has stored."""
        name = f"{function.schema}.{function.name}"
        if not self._bodies.executes(name):
            return None
        called = self._world.sources.behind(name)
        for actor in actors:
            if actor.identity.role not in function.roles:
                continue
            for place in self._places(called, actor):
                calls = self._calls(api, function, actor, place.target.relation)
                for stored in self._stored(api, place, actor):
                    for call in calls:
                        found = self._judged(api, function, stored, _at_row(call, stored.keys))
                        if found is not None:
                            return found
        return None

    def try_table(self, target: Target, actors: Iterable[Actor]) -> Found | None:
        """What a trigger of a table that executes texts tells or does, by a text in the row that fires it."""
        triggers = [trigger for trigger in self._world.triggers if trigger.table == target.relation.full_name]
        executing = [
            one
            for one in self._world.sources.functions
            if self._bodies.executes(one.full_name) and any(one.definition in trigger.text for trigger in triggers)
        ]
        if not executing:
            return None
        for actor in actors:
            for place in self._columns(target, executing, actor):
                for text in self._texts.texts():
                    for operation, write in self._writes(place, actor, text):
                        attempt = Attempt(target, actor, operation, write.statement, write.values)
                        self.probes += 1
                        if (found := next(self._effects.judge(attempt), None)) is not None:
                            return found
        return None

    # what is stored

    def _places(self, called: Sequence[Source], actor: Actor) -> Iterator[_Place]:
        """Where a member may write what these functions may execute: columns of the tables that they speak of."""
        text = " ".join(one.definition for one in called)
        for target in self._targets.values():
            if target.is_table and target.relation.name in text:
                yield from self._columns(target, called, actor)

    def _columns(self, target: Target, called: Iterable[Source], actor: Actor) -> Iterator[_Place]:
        relation, role = target.relation, actor.identity.role
        granted = {
            name for operation in ("update", "insert") for name in self._world.granted(relation, role, operation)
        }
        fixed = {target.column, *relation.primary_key, *relation.referring}
        fixed |= self._world.maker.listed_of(relation.full_name).keys()
        columns = [one for one in relation.columns if one.name in granted - fixed and not one.generated]
        paths = [path for one in called for path in self._bodies.keys(one.full_name)]
        for column in itertools.islice((one for one in columns if one.category in "SU"), _COLUMNS):
            if column.type in typed.PAYLOADS:
                yield from (_Place(target, column, path) for path in dict.fromkeys(paths))
            elif column.category == "S":
                yield _Place(target, column)

    def _stored(self, api: Session, place: _Place, actor: Actor) -> Iterator[_Stored]:
        """Texts that are SQL, each in a row of the member's own, where one goes in at all."""
        if self._that_goes_in(api, place, actor, _PLAIN) is None:
            return
        for text in self._texts.texts():
            write = self._that_goes_in(api, place, actor, text)
            if write is not None:  # it may be too long
                yield _Stored(actor, place, text, api.bound(write.statement, write.values), write.keys)

    def _that_goes_in(self, api: Session, place: _Place, actor: Actor, text: str) -> _Write | None:
        with actor.enter(api):
            return next((write for _, write in self._writes(place, actor, text) if self._goes_in(api, write)), None)

    def _goes_in(self, api: Session, write: _Write) -> bool:
        self.probes += 1
        try:
            return api.attempt(write.statement, write.values)[0].count > 0
        except psycopg.Error:
            if api.closed:
                raise
            return False

    def _writes(self, place: _Place, actor: Actor, text: str) -> Iterator[tuple[str, _Write]]:
        """The change of a row of the member's own, and a new row."""
        relation, value = place.target.relation, place.value(text)
        own = self._world.tenants.rows.get(relation.full_name, {}).get("A")
        role = actor.identity.role
        if own is not None and relation.primary_key and place.column.name in self._granted(relation, role, "update"):
            change = changes.update(self._world, relation, own, {place.column.name: value})
            yield "update", _Write(change.statement, [*change.values])
        granted = self._granted(relation, role, "insert")
        if place.column.name not in granted:
            return
        try:
            rows = [*place.target.insertions("A", actor)]
        except Unfilled:
            return
        for row in rows:
            values = {**self._key(relation, row), **row, place.column.name: value}
            values = {name: each for name, each in values.items() if name in granted}
            keys = {str(own[name]): values[name] for name in relation.primary_key if own and name in values}
            yield "insert", _Write(insert_statement(relation, values), [*values.values()], keys)

    def _granted(self, relation: Relation, role: str, operation: str) -> list[str]:
        return self._world.granted(relation, role, operation)

    def _key(self, relation: Relation, row: Row) -> Row:
        """A new value for the primary key, by which the row is named afterwards."""
        if len(relation.primary_key) != 1 or relation.primary_key[0] in row:
            return {}
        (name,) = relation.primary_key
        return {name: self._world.maker.another(relation, name)}

    # what comes of it

    def _calls(self, api: Session, function: Function, actor: Actor, relation: Relation) -> list[Call]:
        """Calls with values of A that need no secret: those that name its row of a table first."""
        with actor.enter(api):
            kept = self._secrets.kept_from(api, replace(actor, own=frozenset()))
        calls = itertools.chain(self._naming(function, relation), calls_of(function, self._world, "A"))
        return [*itertools.islice(distinct(secrets.without(calls, kept)), _CALLS)]

    def _naming(self, function: Function, relation: Relation) -> Iterator[Call]:
        own = self._world.tenants.rows.get(relation.full_name, {}).get("A")
        keys = [relation.column(name) for name in relation.primary_key]
        usual = likeliest(function, self._world, "A")
        for column in keys if own is not None else ():
            for number, argument in enumerate(function.arguments):
                if own is not None and column is not None and typed.base_of(argument) == column.type:
                    yield call_with(function, usual, number, own[column.name])

    def _judged(self, api: Session, function: Function, stored: _Stored, call: Call) -> Found | None:
        verdict, how = self._seen(api, function, stored, call)
        if verdict is None:
            return None

        def holds(session: Session) -> bool:
            return self._seen(session, function, stored, call)[0] is verdict

        table, column = stored.place.target.relation.full_name, stored.place.column.name
        what = "is given values of another tenant" if verdict is Verdict.LEAKS else "changes rows of another tenant"
        finding = Finding(
            verdict.rule,
            function.signature,
            f"{stored.actor.name} {what}{how}, after it has stored SQL in {table}.{column}",
            f"Let {function.schema}.{function.name} execute no text of {table}.{column}: let it choose among texts of "
            "its own, or quote names with format('%I', …) and hand values over with USING.",
            identity=stored.actor.name,
            statement=f"{stored.statement};\n{api.bound(call.statement, call.values)}",
            door="call",
            expected="nothing of another tenant, whatever text a row has",
        )
        return finding, Probe(stored.actor, holds, touches=table)

    def _seen(self, api: Session, function: Function, stored: _Stored, call: Call) -> tuple[Verdict | None, str]:
        """What a call comes to after the text was stored: whether it tells or changes what is another tenant's."""
        self.probes += 1
        known = call.known | {stored.text} | stored.actor.identity.texts
        try:
            with anew_after(api, stored.actor, [stored.statement]) as is_done:
                if not is_done:
                    return None, ""
                answer = call.answer(api)
                for part in told(answer):
                    if self._world.labels(part, known) - stored.actor.own:
                        return Verdict.LEAKS, with_error(answer)
                if function.volatile and isinstance(answer, list) and self._changes(api, stored, call, known):
                    return Verdict.WRITES_ACROSS, ""
        except psycopg.Error:
            if api.closed:
                raise
        return None, ""

    def _changes(self, api: Session, stored: _Stored, call: Call, known: frozenset[str]) -> bool:
        try:
            touched = self._world.touched_by(api, call.statement, call.values, known)
        finally:
            self._world.forget_base(api)
        return any(whose and not whose & stored.actor.own for _, _, whose, _ in touched)


def _at_row(call: Call, keys: Mapping[str, Any]) -> Call:
    """The call with the keys of a new row in place of those of the row that was there."""
    return replace(call, values=[keys.get(str(value), value) for value in call.values])
