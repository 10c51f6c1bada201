"""SELECTs and the subqueries of expressions: what they read, what they ask, and what they give."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import postgast

from pgassay import sqltree
from pgassay.sqltree import Node, kind, path, unwrapped, wrapped

_tree = postgast.pg_query_pb2


@dataclass(frozen=True)
class Source:
    """What a SELECT reads: a table by its names, or another SELECT, and the name that it has there."""

    alias: str
    schema: str = ""
    table: str = ""
    select: Node | None = None


def targets(select: Node) -> list[Node]:
    """What a SELECT gives; nothing where it is something else."""
    return [unwrapped(part.res_target.val) for part in select.target_list] if kind(select) == "SelectStmt" else []


def target_names(select: Node) -> list[str]:
    """The names of what a SELECT gives; empty for what has none."""
    parts = [part.res_target for part in select.target_list] if kind(select) == "SelectStmt" else []
    return [part.name or next(iter(path(unwrapped(part.val))), "") for part in parts]


def sources(select: Node) -> tuple[list[Source], list[Node], list[str]] | None:
    """What a SELECT reads, what WHERE and joins ask, and the columns of USING; None where it is something else."""
    found: list[Source] = []
    conditions: list[Node] = []
    using: list[str] = []

    def read_from(node: Node) -> bool:
        if kind(node) == "RangeVar":
            found.append(Source(node.alias.aliasname or node.relname, node.schemaname, node.relname))
        elif kind(node) == "RangeSubselect" and node.HasField("alias") and not node.lateral:
            found.append(Source(node.alias.aliasname, select=unwrapped(node.subquery)))
        elif kind(node) == "JoinExpr":
            conditions.extend([unwrapped(node.quals)] if node.HasField("quals") else [])
            using.extend(part.string.sval for part in node.using_clause)
            return read_from(unwrapped(node.larg)) and read_from(unwrapped(node.rarg))
        else:
            return False
        return True

    if kind(select) != "SelectStmt" or not all(map(read_from, map(unwrapped, select.from_clause))):
        return None
    if select.HasField("where_clause"):
        conditions.append(unwrapped(select.where_clause))
    return found, conditions, using


def subquery(node: Node) -> tuple[Node | None, Node] | None:
    """What is looked for with ``in`` or ``= any``, if anything is, and the SELECT; None where it is something else."""
    if kind(node) != "SubLink" or node.sub_link_type not in (
        _tree.EXISTS_SUBLINK,
        _tree.ANY_SUBLINK,
        _tree.EXPR_SUBLINK,
    ):
        return None
    return unwrapped(node.testexpr) if node.HasField("testexpr") else None, unwrapped(node.subselect)


def function_in(node: Node) -> Node | None:
    """The one call that FROM names, with nothing of its own kind beside it; None where it is something else."""
    if kind(node) != "RangeFunction" or len(node.functions) != 1 or node.ordinality or node.coldeflist:
        return None
    parts: Any = unwrapped(node.functions[0])
    return unwrapped(parts.items[0])


def in_from(select: Node, instead: Node, called: str) -> Node:
    """A SELECT in FROM with the alias that something else has there, or the name of the function that it was."""
    named = type(select)()
    named.CopyFrom(select)
    for target, name in zip(named.target_list, instead.alias.colnames, strict=False):
        target.res_target.name = name.string.sval
    made = _tree.RangeSubselect()
    made.subquery.CopyFrom(wrapped(named))
    made.alias.CopyFrom(instead.alias)
    made.alias.aliasname = instead.alias.aliasname or called.rpartition(".")[2]
    return made


def filtered(node: Node, known: Collection[str] = ()) -> tuple[Node, Node] | None:
    """EXISTS or IN without the condition of its SELECT, and that; None where more rows may give less."""
    if kind(node) != "SubLink" or node.sub_link_type not in (_tree.EXISTS_SUBLINK, _tree.ANY_SUBLINK):
        return None
    found = without_condition(unwrapped(node.subselect), known)
    if found is None:
        return None
    made = type(node)()
    made.CopyFrom(node)
    made.subselect.select_stmt.CopyFrom(found[0])
    return made, found[1]


def without_condition(select: Any, known: Collection[str] = ()) -> tuple[Node, Node] | None:
    """A SELECT that looks at one row after the other, without its condition, and that; None for all else.

    A function among what is selected may count rows, but for those that are ``known`` by their names.
    """
    if kind(select) != "SelectStmt" or {field.name for field, _ in select.ListFields()} - _ROW_BY_ROW:
        return None
    parts = (part for target in select.target_list for part in sqltree.walk(unwrapped(target)))
    if select.op != _tree.SETOP_NONE or any(kind(p) == "FuncCall" and sqltree.called(p) not in known for p in parts):
        return None
    made = type(select)()
    made.CopyFrom(select)
    made.ClearField("where_clause")
    return made, unwrapped(select.where_clause) if select.HasField("where_clause") else sqltree.expression("true")


def row_by_row(select: Any, known: Collection[str] = ()) -> list[Node] | None:
    """What a SELECT gives, reads and asks, where more of each of these is more rows; None for all else."""
    if without_condition(select, known) is None:
        return None
    found = [*targets(select)]
    waiting = [unwrapped(part) for part in select.from_clause]
    while waiting:
        source: Any = waiting.pop()
        if kind(source) == "JoinExpr" and source.jointype == _tree.JOIN_INNER:
            waiting += [unwrapped(source.larg), unwrapped(source.rarg)]
            found += [unwrapped(source.quals)] if source.HasField("quals") else []
        elif kind(source) == "RangeSubselect":
            found.append(unwrapped(source.subquery))
        else:
            found.append(function_in(source) or source)
    if select.HasField("where_clause"):
        found.append(unwrapped(select.where_clause))
    return found


_ROW_BY_ROW = {"target_list", "from_clause", "where_clause", "limit_option", "op"}
"""What a SELECT may have that looks at one row after the other."""
