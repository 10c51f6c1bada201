"""Expressions made of others: parts replaced, put in order, or joined to a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import postgast

from pgassay import sqltree
from pgassay.sqltree import AND, Node, children, kind, unwrapped, wrapped

_tree = postgast.pg_query_pb2


def replaced(node: Node, change: Callable[[Node], Node | None]) -> Node:
    """The same tree with each node replaced for which ``change`` gives another one; nothing below that is looked at."""
    other = change(node)
    return other if other is not None else sqltree.rebuilt(node, lambda child: replaced(child, change))


def normal(node: Node) -> Node:
    """An expression without casts, in order, and with BETWEEN as two comparisons."""
    return sqltree.without_casts(replaced(node, _between))


def _between(node: Node) -> Node | None:
    if kind(node) != "A_Expr" or node.kind != _tree.AEXPR_BETWEEN:
        return None
    least, most = children(unwrapped(node.rexpr))
    left = unwrapped(node.lexpr)
    return sqltree.joined([_operator(">=", left, least), _operator("<=", left, most)], AND)


def _operator(name: str, left: Node, right: Node) -> Node:
    made = _tree.A_Expr(kind=_tree.AEXPR_OP)
    made.name.add().string.sval = name
    made.lexpr.CopyFrom(wrapped(left))
    made.rexpr.CopyFrom(wrapped(right))
    return made


def scalar(select: Node) -> Node:
    """``(select …)`` as a value."""
    return _subquery(select, _tree.EXPR_SUBLINK)


def exists(select: Node) -> Node:
    """``exists (select …)``."""
    return _subquery(select, _tree.EXISTS_SUBLINK)


def _subquery(select: Node, type_: int) -> Node:
    made = _tree.SubLink(sub_link_type=type_)
    made.subselect.CopyFrom(wrapped(select))
    return made


def giving(select: Node, target: Node) -> Node:
    """The same SELECT with that as the one thing that it gives."""
    made = type(select)()
    made.CopyFrom(select)
    del made.target_list[:]
    made.target_list.add().res_target.val.CopyFrom(wrapped(target))
    return made


def case(condition: Node, result: Node, otherwise: Node) -> Node:
    """``case when … then … else … end``."""
    made = _tree.CaseExpr()
    when = made.args.add().case_when
    when.expr.CopyFrom(wrapped(condition))
    when.result.CopyFrom(wrapped(result))
    made.defresult.CopyFrom(wrapped(otherwise))
    return made


def column(*names: str) -> Node:
    """A reference to a column, with what stands before the dot."""
    made = _tree.ColumnRef()
    for name in names:
        made.fields.add().string.sval = name
    return made


def array(elements: Iterable[Node]) -> Node:
    """``array[…]``."""
    made = _tree.A_ArrayExpr()
    for element in elements:
        made.elements.add().CopyFrom(wrapped(element))
    return made


def aliases(node: Node) -> set[str]:
    """The names that tables and subqueries have in FROM, at a node and below it."""
    found = (_alias(part) for part in sqltree.walk(node))
    return {name for name in found if name}


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """The same with other names for tables and subqueries in FROM, and for their columns."""

    def change(found: Node) -> Node | None:
        parts = sqltree.names(found)
        if len(parts) > 1 and parts[0] in names:
            return column(names[parts[0]], *parts[1:])
        if _alias(found) not in names:
            return None
        made = sqltree.rebuilt(found, lambda child: renamed(child, names))
        made.alias.aliasname = names[_alias(found)]
        return made

    return replaced(node, change)


def _alias(node: Node) -> str:
    return sqltree.named(node) if kind(node) in ("RangeVar", "RangeSubselect") else ""
