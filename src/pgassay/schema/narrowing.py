"""Conditions held to another one besides, without what that other one makes superfluous."""

from __future__ import annotations

from collections.abc import Iterable

from pgassay import sqltree
from pgassay.schema import policies
from pgassay.sqltree import AND, NOT, OR, Node, trees


def narrowed(text: str | None, condition: str) -> str:
    """The SQL of what holds where both conditions do; ``text`` may be None, which asks for nothing.

    Branches of ``text`` are left out with which ``condition`` is never true, as ``a is null`` beside ``a = b``. Where
    one of them asks for no more than ``condition``, that alone is the answer.
    """
    if text is None or text == "true":
        return condition
    tree, other = sqltree.expression(text), sqltree.expression(condition)
    branches = None if tree is None else policies.forms(tree)
    if other is None or not branches:
        return f"({text}) and {condition}"
    asked = sqltree.operands(other, AND) or [other]
    keys = {sqltree.normalised(literal) for literal in asked}
    if any({sqltree.normalised(literal) for literal in branch} <= keys for branch in branches):
        return condition
    known = {key for literal in asked for key in _known(literal)}
    left = [branch for branch in branches if not any(_asks_for_null(literal) in known for literal in branch)]
    joined = sqltree.deparsed(sqltree.joined((_all(branch) for branch in left), OR)) if left else None
    if joined is None or len(left) == len(branches):
        return f"({text}) and {condition}"
    return f"({joined}) and {condition}"


def filtered(query: str, condition: str) -> str | None:
    """A query with a condition on what it shows more; None where it is more than one plain SELECT."""
    select = trees.only(query, "SelectStmt")
    more = sqltree.expression(condition)
    if select is None or more is None or trees.choice(select, "op") != "SETOP_NONE":
        return None
    if select.group_clause or select.distinct_clause:
        return None
    shown: list[Node] = [sqltree.unwrapped(target) for target in select.target_list]
    for reference in _of_the_row(more):
        name = trees.names(reference.fields)[-1]
        columns = ((target.name, sqltree.unwrapped(target.val)) for target in shown)
        column = next((node for alias, node in columns if name in (alias, *sqltree.path(node))), None)
        if sqltree.kind(column) != "ColumnRef":
            return None
        reference.CopyFrom(column)
    if select.HasField("where_clause"):
        more = sqltree.joined([sqltree.unwrapped(select.where_clause), more], AND)
    select.where_clause.CopyFrom(sqltree.wrapped(more))
    return trees.written(select)


def _of_the_row(node: Node) -> list[Node]:
    """The references to columns in a condition, but for those within its sub-selects."""
    if sqltree.kind(node) == "ColumnRef":
        return [node] if len(node.fields) == 1 else []
    if sqltree.kind(node) == "SelectStmt":
        return []
    return [found for child in sqltree.children(node) for found in _of_the_row(child)]


def _all(branch: list[Node]) -> Node:
    return branch[0] if len(branch) == 1 else sqltree.joined(branch, AND)


def _known(literal: Node) -> Iterable[str | None]:
    """The keys of what is not NULL where a literal is true: the literal, and what it compares."""
    yield sqltree.normalised(literal)
    compared = sqltree.comparison(literal)
    if compared is not None:
        yield sqltree.normalised(compared[1])
        if len(compared[2]) == 1:
            yield sqltree.normalised(compared[2][0])
    elif (sought := sqltree.sought(literal)) is not None:
        yield sqltree.normalised(sought)


def _asks_for_null(literal: Node) -> str | None:
    """The key of what has to be NULL for a literal to be true; empty where nothing has."""
    negated = sqltree.operands(literal, NOT)
    tested = sqltree.tested_for_null(negated[0] if negated else literal)
    return sqltree.normalised(tested[0]) if tested is not None and tested[1] is not bool(negated) else ""
