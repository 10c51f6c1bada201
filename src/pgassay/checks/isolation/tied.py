"""Calls with the values of rows that agree: what a function compares with a column, or writes there, has its values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pgassay.catalog import Argument, Column, Function, Relation
from pgassay.checks.isolation import changes, typed
from pgassay.checks.isolation.arguments import Call, call_of, likeliest
from pgassay.checks.isolation.world import World
from pgassay.rows import Row
from pgassay.schema.ties import EACH, KEY, VALUE, Place, Tie

_ROWS = 6
"""So many rows of each table are tried."""
_MORE = 1_000_000
_CALLS = 18
"""So many calls are made of those that are alike."""
Values = dict[Place, Any]
"""What stands at each place of what a function is given."""


class Tied:
    """Calls of functions that say in their bodies with which columns they compare what they are given."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, function: Function, label: str, beside: str = "") -> Iterator[Call]:
        """Calls with values of one tenant; with those of another ``beside``, each place in turn is one tenant's."""
        found = self._world.bodies.ties(function)
        numbers = {tie.place for tie in found if self._is_number(tie)}
        chosen = self._chosen(found, label)
        if beside:
            chosen = _crossed(next(self._chosen(found, beside), {}), next(chosen, {}), numbers)
        usual = likeliest(function, self._world, beside or label) if found else {}
        for values in itertools.islice(chosen, _CALLS):
            given = {argument: value for argument in function.arguments for value in _given(argument, values)}
            yield call_of(function, {**usual, **given})

    def _is_number(self, tie: Tie) -> bool:
        """Whether it counts or measures something, and names no row."""
        relation, column = next(self._columns(tie), (None, None))
        if relation is None or column is None:
            return False
        return column.category == "N" and column.name not in {*relation.primary_key, *relation.referring}

    def _columns(self, tie: Tie) -> Iterator[tuple[Relation, Column]]:
        """The columns that it may be: of tables of that name, or of all where nothing tells which one it is."""
        for relation in self._world.relations.values():
            column = relation.column(tie.column) if tie.table in (relation.name, "") else None
            if column is not None:
                yield relation, column

    def _chosen(self, found: Sequence[Tie], label: str) -> Iterator[Values]:
        """Values of the rows of each table in turn, with those of rows elsewhere that have most in common with them."""
        rows = {tie: self._rows(tie, label) for tie in found}
        for table in dict.fromkeys(tie.table for tie in found):
            alike = [tie for tie in found if tie.table == table]
            for first in _various(rows[tie] for tie in alike)[:_ROWS]:
                values: Values = {}
                for tie in [*alike, *found]:
                    near = max(rows[tie], key=lambda each: _in_common(each[1], first[1]), default=None)
                    relation_and_row = first if tie in alike and tie.column in first[1] else near
                    if relation_and_row is not None and (value := relation_and_row[1].get(tie.column)) is not None:
                        values.setdefault(tie.place, value)
                yield values
                if part := _parts(found, values):
                    yield {**values, **part}
                if other := self._otherwise(found, values):
                    yield {**values, **other}

    def _rows(self, tie: Tie, label: str) -> list[tuple[Relation, Row]]:
        """Rows of a tenant with the column of a tie; where there are none, what the column may refer to."""
        made = [(self._world.relations[name], row) for name, whose, row in self._world.made() if whose == label]
        tables = [relation for relation, _ in self._columns(tie)]
        found = [(relation, row) for relation, row in made if relation in tables and row.get(tie.column) is not None]
        if found:
            return found
        return [
            (relation, {**row, tie.column: row[there]})
            for table in tables
            for key in table.foreign_keys
            for here, there in key.columns
            if here == tie.column
            for relation, row in made
            if relation.full_name == key.target and row.get(there) is not None
        ]

    def _otherwise(self, found: Sequence[Tie], values: Values) -> Values:
        """Other values for what is written and refers to nothing: none that a key has, and none that is there."""
        changed: Values = {}
        for tie in (tie for tie in found if tie.is_written and tie.place in values):
            relation, column = next(self._columns(tie), (None, None))
            if relation is None or column is None or column.name in relation.referring:
                continue
            value = values[tie.place]
            others = changes.other_values(self._world, relation, column, {column.name: value})
            if isinstance(value, str | int) and not isinstance(value, bool):
                others = itertools.chain(others, [value + 1 if isinstance(value, int) else f"{value}1"])
            if (other := next(others, None)) is not None:
                changed[tie.place] = other
        return changed


def _parts(found: Iterable[Tie], values: Values) -> Values:
    """Less of each text of which a part is enough."""
    places = {tie.place for tie in found if tie.is_part}
    return {place: value[:-1] for place, value in values.items() if place in places and isinstance(value, str)}


def _various(lists: Iterable[list[tuple[Relation, Row]]]) -> list[tuple[Relation, Row]]:
    """Rows of all lists, which refer to different ones."""
    found: dict[tuple[str, ...], tuple[Relation, Row]] = {}
    for relation, row in itertools.chain.from_iterable(lists):
        referred = sorted(relation.referring & row.keys())
        found.setdefault((relation.full_name, *(str(row[name]) for name in referred)), (relation, row))
    return [*found.values()]


def _in_common(one: Row, other: Row) -> int:
    """How many values two rows share, of those that are no truth values."""
    mine = {str(value) for value in one.values() if value is not None and not isinstance(value, bool)}
    return len(mine & {str(value) for value in other.values()})


def _crossed(mine: Values, theirs: Values, numbers: set[Place]) -> Iterator[Values]:
    """One's own values with one of another tenant's in each place, and theirs with one of one's own.

    Each as it is, and with numbers that are more than any that is there, as a bid is to be the highest, or one alone,
    as a stock begins with nothing.
    """
    others = [dict.fromkeys(numbers & mine.keys(), number) for number in (_MORE, 1)]
    for place in [place for place in mine if place in theirs and mine[place] != theirs[place]]:
        if place not in numbers:
            for values in ({**mine, place: theirs[place]}, {**theirs, place: mine[place]}):
                yield values
                yield from ({**values, **other} for other in others if other)


def _given(argument: Argument, values: Values) -> Iterator[Any]:
    """What an argument is by the values at its places; nothing where it has none, or can be no such thing."""
    parts = [(place[1:], value) for place, value in values.items() if place[0] == argument.name]
    if not parts:
        return
    if typed.base_of(argument) in typed.PAYLOADS:
        yield json.dumps(_built(parts), default=str)
    elif typed.kind_of(argument) == "array" and (listed := [value for steps, value in parts if steps == (EACH,)]):
        yield listed[:1]
    elif whole := [value for steps, value in parts if not steps]:
        yield typed.fitting(whole[0], argument)


def _built(parts: Sequence[tuple[Place, Any]]) -> Any:
    """JSON with these values at these places; of a list that has one element, of an object with one key."""
    first = parts[0][0][:1]
    if not first:
        return parts[0][1]
    if first == (EACH,):
        return [_built([(steps[1:], value) for steps, value in parts if steps[:1] == (EACH,)])]
    if first[0] in (KEY, VALUE):
        key = next((value for steps, value in parts if steps == (KEY,)), "key")
        below = [(steps[1:], value) for steps, value in parts if steps[:1] == (VALUE,)]
        return {str(key): _built(below) if below else True}
    grouped: dict[str, list[tuple[Place, Any]]] = {}
    for steps, value in parts:
        if steps:
            grouped.setdefault(steps[0], []).append((steps[1:], value))
    return {key: _built(below) for key, below in grouped.items()}
