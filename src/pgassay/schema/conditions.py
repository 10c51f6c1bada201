"""What a condition asks of the row itself: values of its columns with which it may be true.

It is a guess at rows that are worth making. Whether the condition is true for them is asked of PostgreSQL.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pgassay import sqltree
from pgassay.platforms import DEFAULT
from pgassay.sqltree import AND, NOT, OR, Node

_MOST = 8
"""So many rows are made for one condition."""
_VALUES = 4
"""So many values are tried of what a column is compared with."""


class Special(Enum):
    """Values that are known once the row is somebody's."""

    CALLER = "the caller"
    BEFORE = "yesterday"
    AFTER = "tomorrow"
    NOW = "now"
    LEAST = "the least value of its type"
    GREATEST = "the greatest value of its type"


_TIMES = {Special.BEFORE: "yesterday", Special.NOW: "now", Special.AFTER: "tomorrow 12:00"}
_RANGES = {
    Special.BEFORE: "[1900-01-01,2000-01-01)",
    Special.NOW: "[2000-01-01,2999-01-01)",
    Special.AFTER: "[2999-01-01,3000-01-01)",
}


def time(special: Special, *, is_range: bool = False) -> str:
    """A time, or a range of times, as PostgreSQL reads it; one to come is not over before it is asked for."""
    return (_RANGES if is_range else _TIMES)[special]


@dataclass(frozen=True)
class Wish:
    """A value for a column, or for a field of its composite value; ``is_element`` makes an array of it.

    With ``is_other``, any value but that.
    """

    path: tuple[str, ...]
    value: Any
    is_element: bool = False
    is_other: bool = False


def wishes(condition: str) -> list[tuple[Wish, ...]]:
    """What to give a row for the condition, as normalised; one after the other, each with all that it asks for."""
    tree = sqltree.expression(condition)
    if tree is None:
        return []
    literals = sqltree.operands(tree, AND) or [tree]
    asked = [found for found in ([*_of(literal, True)] for literal in literals) if found]
    if not asked:
        return []
    return [tuple(chosen) for chosen in itertools.islice(itertools.product(*asked), _MOST)]


def wished(literal: Node) -> Iterator[Wish]:
    """Values by which a literal may be true, one after the other."""
    yield from _of(literal, True)


def listed(condition: str) -> dict[str, list[str]]:
    """The columns that a condition holds to a list of texts somewhere, with those texts."""
    tree = sqltree.expression(condition)
    found: dict[str, list[str]] = {}
    for node in sqltree.walk(tree) if tree is not None else ():
        compared = sqltree.comparison(node)
        if compared is None or compared[0] not in ("in", "= any"):
            continue
        operator, left, right = compared
        column = sqltree.path(sqltree.uncast(left))
        values = [*map(sqltree.constant, right if operator == "in" else sqltree.elements(right[0]))]
        texts = [value for value in values if isinstance(value, str)]
        if len(column) == 1 and texts and len(texts) == len(values):
            found.setdefault(column[0], texts)
    return found


@dataclass(frozen=True)
class Asked:
    """A claim of the caller's token that is compared with a constant, or with a ``column`` of the row.

    ``is_list`` says that it is a list, or an object, in which that is looked for.
    """

    path: tuple[str, ...]
    value: Any = None
    column: str = ""
    is_list: bool = False


def claims(condition: str) -> tuple[Asked, ...]:
    """The claims that a condition, as normalised, asks for."""
    tree = sqltree.expression(condition)
    literals = [] if tree is None else sqltree.operands(tree, AND) or [tree]
    return tuple(found for literal in literals if (found := _claimed(literal, True)) is not None)


def asked_of(condition: str, relation: str) -> list[dict[str, Any]]:
    """The constants with which subqueries of a condition, as normalised, compare columns of that relation."""
    tree = sqltree.expression(condition)
    found: list[dict[str, Any]] = []
    for name, where in sqltree.selected(tree, relation) if tree is not None else ():
        asked: dict[str, list[Any]] = {}
        for literal in sqltree.operands(where, AND) or [where]:
            literal = next(iter(sqltree.operands(literal, OR)), literal)
            mine = all(names[:-1] in ([name], []) for names in sqltree.columns(literal))
            for wish in _of(literal, True) if mine else ():
                if len(wish.path) == 1 and not wish.is_other and not isinstance(wish.value, Special):
                    asked.setdefault(wish.path[0], []).append([wish.value] if wish.is_element else wish.value)
        if asked:
            found += [dict(zip(asked, chosen, strict=True)) for chosen in itertools.product(*asked.values())][:_VALUES]
    return found


def _claimed(node: Node, truth: bool) -> Asked | None:
    """What a claim has to be for a literal to be ``truth``."""
    if negated := sqltree.operands(node, NOT):
        return _claimed(negated[0], not truth)
    if alternatives := sqltree.alternatives(node):
        return _claimed(alternatives[0], truth)
    if path := _claim(node):
        return Asked(path, truth)
    compared = sqltree.comparison(node)
    if compared is None or not truth:
        return None
    operator, left, right = compared
    for one, other in ((left, right[:1]), *((part, [left]) for part in right[:1])):
        path = _claim(one)
        if path and other and operator in ("=", "in", "?", "@>", "= any"):
            is_list = operator in ("?", "@>", "= any")
            return Asked(path, sqltree.constant(other[0]), ".".join(sqltree.path(other[0])[:1]), is_list)
    return None


def _claim(node: Node) -> tuple[str, ...]:
    """The path of a claim in the caller's token; empty where it is something else, or the whole of it."""
    return _path_of_claim(node) or ()


def _path_of_claim(node: Node) -> tuple[str, ...] | None:
    node = sqltree.bare(node)
    name = sqltree.called(node).removeprefix("pg_catalog.")
    if name == DEFAULT.words.all_claims:
        return ()
    if name == "current_setting":
        constants = {sqltree.constant(below) for below in sqltree.children(node)}
        return () if DEFAULT.words.claims in constants else None
    if name in ("nullif", "jsonb_array_elements_text", "json_array_elements_text"):
        return _path_of_claim(next(sqltree.children(node)))
    if alternatives := sqltree.alternatives(node):
        return _path_of_claim(alternatives[0])
    compared = sqltree.comparison(node)
    if compared is None or compared[0] not in ("->", "->>", "#>", "#>>"):
        return None
    base, key = _path_of_claim(compared[1]), sqltree.constant(compared[2][0])
    if base is None or not isinstance(key, str):
        return None
    return (*base, *(key.strip("{}").split(",") if compared[0].startswith("#") else [key]))


def _of(node: Node, truth: bool) -> Iterator[Wish]:
    """Values by which a literal is ``truth``."""
    if negated := sqltree.operands(node, NOT):
        yield from _of(negated[0], not truth)
    elif alternatives := sqltree.alternatives(node):
        yield from _of(alternatives[0], truth)
    elif (tested := sqltree.tested(node)) is not None:
        yield from _of(tested[0], tested[1] is truth)
    elif (null := sqltree.tested_for_null(node)) is not None:
        if where := sqltree.path(null[0]):
            yield Wish(where, None, is_other=null[1] is not truth)
    elif where := sqltree.path(node):
        yield Wish(where, truth)
    elif (compared := sqltree.comparison(node)) is not None:
        yield from _compared(*compared, truth)
    elif sqltree.called(node):  # whatever it makes of its arguments
        for name in dict.fromkeys(names[-1] for names in sqltree.columns(node) if len(names) == 1):
            yield from (Wish((name,), Special.GREATEST), Wish((name,), Special.LEAST))


def _compared(operator: str, left: Node, right: list[Node], truth: bool) -> Iterator[Wish]:
    read = _ranged if operator in ("<", "<=") else sqltree.path
    here, there = read(left), read(right[0]) if right else ()
    if operator == "= any":
        if there and truth and (value := _value(left)) is not None:
            yield Wish(there, value, is_element=True)
    elif operator == "->>" or bool(here) == bool(there):
        return
    elif operator in ("=", "<>", "in"):
        is_other = (operator == "<>") is truth
        for value in list(_values(right if here else [left]))[: 1 if is_other else _VALUES]:
            yield Wish(here or there, Special.NOW if value is Special.AFTER else value, is_other=is_other)
    elif operator == "@>" and here and truth and _value(right[0]) is Special.AFTER:
        yield Wish(here, Special.NOW)
    elif operator in ("<", "<="):
        upwards = bool(there) is truth  # the column is to be the greater one
        for value in _values(right if here else [left]):
            if (beyond := _beyond(value, upwards, operator == "<=" and truth)) is not None:
                yield Wish(here or there, beyond)


def _ranged(node: Node) -> tuple[str, ...]:
    """The column that is compared, or the range of which that is a bound."""
    is_bound = sqltree.called(node) in ("lower", "upper")
    return sqltree.path(sqltree.arguments(node)[0]) if is_bound else sqltree.path(node)


def _values(nodes: Iterable[Node]) -> Iterator[Any]:
    for node in nodes:
        value = _value(node)
        if value is not None:
            yield value


def _value(node: Node) -> Any:
    """What an expression stands for that reads nothing: a constant, the caller, or a time (`Special.AFTER` for now)."""
    node = sqltree.bare(node)
    constant = sqltree.constant(node)
    if constant is not None:
        return constant
    if sqltree.called(node) == DEFAULT.words.user:
        return Special.CALLER
    is_time = any(map(sqltree.is_now, sqltree.walk(node)))
    return Special.AFTER if is_time and not [*sqltree.columns(node)] else None


def _beyond(value: Any, upwards: bool, also_equal: bool) -> Any:
    """A value on that side of the other one."""
    if value is Special.AFTER:
        return Special.AFTER if upwards else Special.BEFORE
    if also_equal:
        return value if not isinstance(value, Special) else None
    return (value + (1 if upwards else -1)) if isinstance(value, int) and not isinstance(value, bool) else None
