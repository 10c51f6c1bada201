"""Ties: with which columns a function compares what it is given, and into which it writes that.

What a caller hands in stands at a place: an argument, or something within one that is JSON or a list. A guess by the
tree. It says which values are worth a try, and nothing of what comes of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pgassay import sqltree
from pgassay.schema.sources import Function, Sources
from pgassay.sqltree import Node, kind, procedural, routines, selects, unwrapped

EACH, KEY, VALUE = "[]", "{key}", "{value}"
"""Steps of a place that are no keys: each element of a list, each key of an object, and what stands under each."""
Place = tuple[str, ...]
"""The name of an argument, and what leads from there into it."""

_DEPTH = 3
"""So deep functions are followed that hand on what they are given."""
_LISTS = {f"{kind}_array_elements{of}" for kind in ("json", "jsonb") for of in ("", "_text")} | {"unnest"}
_OBJECTS = {f"{kind}_each{of}" for kind in ("json", "jsonb") for of in ("", "_text")}
_KEYS = {"json_object_keys", "jsonb_object_keys"}
_RECORDS = {f"{kind}_{what}record" for kind in ("json", "jsonb") for what in ("to_", "populate_")}
_RECORDSETS = {f"{name}set" for name in _RECORDS}
_COMPARED = ("=", "<", ">", "<=", ">=", "<>", "in", "= any", "@>", "<@")


@dataclass(frozen=True)
class Tie:
    """What stands at ``place`` is that column of a table; ``is_written`` where it comes into a row.

    It ``is_part`` where the column may hold more than that, as with LIKE. ``table`` has no schema, and is empty where
    nothing tells which one it is.
    """

    place: Place
    table: str
    column: str
    is_written: bool = False
    is_part: bool = False


def of(function: Function, sources: Sources, depth: int = _DEPTH) -> list[Tie]:
    """The ties of all that the function is given, in the order of its text."""
    if not function.is_parsed:
        return []
    routine = routines.routine(function.definition)
    if routine is None:
        return []
    reading = _Reading(routine, function.trees)
    found = [tie for tree in reading.trees for tie in reading.ties(tree)]
    if depth:
        found += [tie for tree in reading.trees for tie in _handed_on(reading, tree, sources, depth)]
    return [*dict.fromkeys(found)]


def _handed_on(reading: _Reading, tree: Node, sources: Sources, depth: int) -> Iterator[Tie]:
    """The ties of the functions that it calls with what it is given."""
    for node in sqltree.walk(tree):
        name = sqltree.called(node)
        places = [reading.place(argument) for argument in sqltree.arguments(node)] if name else []
        if not any(places):
            continue
        for called in sources.functions:
            if name not in (called.full_name, called.name):
                continue
            given = dict(zip(called.parameters, places, strict=False))
            for tie in of(called, sources, depth - 1):
                if place := given.get(tie.place[0]):
                    yield replace(tie, place=(*place, *tie.place[1:]))


class _Reading:
    """What stands where in a function: arguments, its variables, and what its statements call things."""

    def __init__(self, routine: routines.Routine, trees: list[Node]) -> None:
        self._known: dict[str, Place] = {each.name: (each.name,) for each in routine.parameters if each.name}
        self._numbered = {f"${number}": (each.name,) for number, each in enumerate(routine.parameters, 1)}
        assigned = [*procedural.assigned(routine.plpgsql)] if routine.plpgsql else []
        self.trees = [*routine.statements] or trees
        for tree in [*self.trees, *(tree for _, tree, _ in assigned)]:
            self._name(tree)
        for names, tree, is_element in assigned:
            self._assign(names, tree, is_element)

    def _assign(self, names: list[str], tree: Node, is_element: bool) -> None:
        self._name(tree)
        targets = selects.targets(tree) or [tree]
        found: Iterable[Place | None] = [self.place(target) for target in targets]
        if len(targets) == 1 and sqltree.names(targets[0]) == ["*"]:
            found = [self._known[alias] for alias in _aliases(tree) if alias in self._known][:1]
        for name, place in zip(names, found, strict=False):
            if place is not None and name not in self._known:
                self._known[name] = (*place, EACH) if is_element else place

    def _name(self, tree: Node) -> None:
        """Take down what FROM calls the parts of what is given."""
        for node in sqltree.walk(tree):
            if kind(node) != "RangeFunction" or len(node.functions) != 1:
                continue
            listed: Any = unwrapped(node.functions[0])
            place = self.place(unwrapped(listed.items[0]))
            if place is None:
                continue
            if node.alias.aliasname:
                self._known.setdefault(node.alias.aliasname, place)
            parts = [(*place[:-1], KEY), place] if place[-1] == VALUE else [place]
            usual = ["key", "value"] if place[-1] == VALUE else ["value"] if place[-1] == EACH else []
            names = [part.string.sval for part in node.alias.colnames] or usual
            for name, part in zip(names, parts, strict=False):
                self._known.setdefault(name, part)

    def place(self, node: Node) -> Place | None:
        """What of that which is given an expression stands for; None where it is something else."""
        node = _inner(node)
        if kind(node) == "ColumnRef":
            return self._named(sqltree.names(node))
        if found := self._numbered.get(sqltree.parameter(node)):
            return found
        if kind(node) == "A_Indirection" and node.indirection[0].HasField("string"):
            base = self.place(unwrapped(node.arg))
            return (*base, node.indirection[0].string.sval) if base else None
        name = sqltree.called(node).removeprefix("pg_catalog.")
        if name in _STEPS:
            arguments = sqltree.arguments(node)
            base = self.place(arguments[_STEPS[name][1]]) if len(arguments) > _STEPS[name][1] else None
            return (*base, *_STEPS[name][0]) if base else None
        base_and_keys = sqltree.taken(node)
        if base_and_keys is not None:
            base = self.place(base_and_keys[0])
            return (*base, *base_and_keys[1]) if base else None
        return None

    def _named(self, names: list[str]) -> Place | None:
        if len(names) > 1 and names[-2] in self._known:
            base = self._known[names[-2]]
            if names[-1] == "ordinality":
                return None
            if names[-1] == "key" and base[-1] == VALUE:
                return (*base[:-1], KEY)
            is_itself = names[-1] == "value" and base[-1] in (EACH, VALUE)
            return base if is_itself else (*base, names[-1])
        return self._known.get(names[-1]) if len(names) == 1 else None

    def ties(self, tree: Node) -> Iterator[Tie]:
        """The ties in a statement or an expression."""
        tables = _tables(tree)
        for node in sqltree.walk(tree):
            yield from self._compared(node, tables)
            if kind(node) == "InsertStmt":
                yield from self._inserted(node)
            elif kind(node) == "UpdateStmt":
                for target in node.target_list:
                    place = self.place(unwrapped(target.res_target.val))
                    if place is not None:
                        yield Tie(place, node.relation.relname, target.res_target.name, is_written=True)

    def _compared(self, node: Node, tables: Mapping[str, str]) -> Iterator[Tie]:
        yield from self._liked(node, tables)
        found = sqltree.comparison(node)
        if found is None or found[0] not in _COMPARED:
            return
        for one, other in itertools.product([found[1]], found[2]):
            for here, there in ((one, other), (other, one)):
                place, names = self.place(here), sqltree.names(_inner(there))
                if place is None or not names or self._named(names) is not None:
                    continue
                at = (*place, EACH) if found[0] == "= any" and here is other else place
                yield Tie(at, _table(names, tables), names[-1])

    def _liked(self, node: Node, tables: Mapping[str, str]) -> Iterator[Tie]:
        """Whatever stands in a pattern may be all that the pattern is to find."""
        found = sqltree.liked(node)
        if found is None:
            return
        names = sqltree.names(_inner(found[0]))
        places = [place for part in sqltree.walk(found[1]) if (place := self.place(part)) is not None]
        if names and self._named(names) is None:
            for place in dict.fromkeys(places):
                yield Tie(place, _table(names, tables), names[-1], is_part=True)

    def _inserted(self, node: Any) -> Iterator[Tie]:
        columns = [part.res_target.name for part in node.cols]
        select: Any = unwrapped(node.select_stmt)
        if kind(select) != "SelectStmt":
            return
        lists = [[unwrapped(part) for part in row.list.items] for row in select.values_lists]
        for values in lists or [selects.targets(select)]:
            for column, value in zip(columns, values, strict=False):
                place = self.place(value)
                if place is not None:
                    yield Tie(place, node.relation.relname, column, is_written=True)


_STEPS: Mapping[str, tuple[tuple[str, ...], int]] = {
    **dict.fromkeys(_LISTS, ((EACH,), 0)),
    **dict.fromkeys(_OBJECTS, ((VALUE,), 0)),
    **dict.fromkeys(_KEYS, ((KEY,), 0)),
    **{name: ((), int("populate" in name)) for name in _RECORDS},
    **{name: ((EACH,), int("populate" in name)) for name in _RECORDSETS},
}
"""Where in what it is given a function of PostgreSQL's goes, and which of its arguments that is."""
_SAME = ("coalesce", "nullif", "btrim", "trim", "lower", "upper", "unistr", "abs", "to_jsonb", "to_json")


def _inner(node: Node) -> Node:
    """What is cast, negated, or made smaller on the way."""
    while True:
        node = sqltree.uncast(node)
        if alternatives := sqltree.alternatives(node):
            node = alternatives[0]
        elif kind(node) == "A_Expr" and not node.HasField("lexpr"):
            node = unwrapped(node.rexpr)
        elif sqltree.called(node).removeprefix("pg_catalog.") in _SAME and sqltree.arguments(node):
            node = sqltree.arguments(node)[0]
        elif (kept := sqltree.null_if(node)) is not None:
            node = kept
        else:
            return node


def _tables(tree: Node) -> dict[str, str]:
    """The tables of a statement by what they are called in it."""
    return {
        sqltree.named(node): node.relname for node in sqltree.walk(tree) if kind(node) == "RangeVar" and node.relname
    }


def _aliases(tree: Node) -> Iterable[str]:
    return [node.alias.aliasname for node in sqltree.walk(tree) if kind(node) == "RangeFunction"]


def _table(names: list[str], tables: Mapping[str, str]) -> str:
    """The table of a column by what stands before its name; else the only one that there is."""
    if len(names) > 1:
        return tables.get(names[-2], "")
    return next(iter(tables.values())) if len(set(tables.values())) == 1 else ""
