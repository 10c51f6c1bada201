"""Readings of parse trees that hints need: constants, names, the relations of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pgassay import sqltree


def joined(node: Any, by: int) -> Iterator[Any]:
    """The conditions that ``and`` or ``or`` joins; where there is one alone, that."""
    node = sqltree.unwrapped(node)
    if sqltree.kind(node) == "BoolExpr" and node.boolop == by:
        for argument in node.args:
            yield from joined(argument, by)
    elif node is not None:
        yield node


def sources(node: Any) -> Iterator[Any]:
    """The relations that a statement itself names in FROM, joins and as its target."""
    parts: list[Any] = []
    for name in ("from_clause", "using_clause"):
        parts += getattr(node, name, [])
    if hasattr(node, "relation") and node.HasField("relation"):
        parts.append(node.relation)
    while parts:
        part: Any = sqltree.unwrapped(parts.pop(0))
        if sqltree.kind(part) == "RangeVar":
            yield part
        elif sqltree.kind(part) == "JoinExpr":
            parts += [part.larg, part.rarg]


def qualified(parts: Iterable[Any]) -> str:
    """A qualified name."""
    return ".".join(part.string.sval for part in parts)


def constant(node: Any) -> str:
    """A constant as text; empty where it is none."""
    value = sqltree.constant(sqltree.unwrapped(node))
    return "" if value is None or isinstance(value, bool) else str(value)


def is_now_within(node: Any) -> bool:
    """Whether it is the present time, in any of the ways in which that is asked for."""
    node = sqltree.unwrapped(node)
    while sqltree.kind(node) in ("TypeCast", "SubLink"):
        inner = node.arg if sqltree.kind(node) == "TypeCast" else result(sqltree.unwrapped(node.subselect))
        node = sqltree.unwrapped(inner)
    return node is not None and sqltree.is_now(node)


def elements(node: Any) -> list[Any]:
    """The elements of an array that is spelled out; else the node itself."""
    node = sqltree.unwrapped(node)
    return list(node.elements) if sqltree.kind(node) == "A_ArrayExpr" else [node]


def result(select: Any) -> Any:
    """What a SELECT without FROM gives; None where it is more than that."""
    targets = getattr(select, "target_list", [])
    return targets[0].res_target.val if len(targets) == 1 and not len(select.from_clause) else None
