"""States of rows that a schema's policies and functions ask for: an end that has not come, a deletion, a revocation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import Relation
from pgassay.schema import policies, sources
from pgassay.sqltree import AND, NOT, OR, Node

OPEN, HIDDEN = "open", "hidden"
_ORDER = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Proposed:
    """A state that rows of ``table`` may have, as the schema asks for it: a ``condition`` of that ``kind``."""

    table: str
    kind: str
    condition: str


def proposed(
    ask: Callable[[LiteralString, Mapping[str, Any]], Iterable[tuple[Any, ...]]], relations: Iterable[Relation]
) -> list[Proposed]:
    """The states that policies ask for: of the rows themselves, and of rows that open others in a subquery."""
    tables = {relation.full_name: relation for relation in relations if relation.kind == "table"}
    hidden: dict[str, dict[str, Node]] = {}
    opened: dict[str, dict[str, Node]] = {}
    for policy in policies.read(ask):
        for text in filter(None, (policy.using, policy.check)):
            tree = sqltree.expression(text)
            if tree is None:
                continue
            if policy.relation in tables and text is policy.using:
                _note(hidden, tables[policy.relation], tree, "")
            _look_up(opened, tables.values(), tree, policy.relation)
    for function in itertools.chain.from_iterable(sources.read(ask).followed().values()):
        for tree in function.trees:
            _look_up(opened, tables.values(), tree, "")
    found = [Proposed(table, HIDDEN, _negated(asked)) for table, asked in sorted(hidden.items())]
    found += [Proposed(table, OPEN, _all(asked)) for table, asked in sorted(opened.items()) if table not in hidden]
    return [state for state in found if state.condition]


def _look_up(found: dict[str, dict[str, Node]], tables: Iterable[Relation], tree: Node, but: str) -> None:
    for relation in tables:
        if relation.full_name != but:
            for alias, condition in sqltree.selected(tree, relation.full_name):
                _note(found, relation, condition, alias)


def _note(found: dict[str, dict[str, Node]], relation: Relation, tree: Node, alias: str) -> None:
    """Note what a condition asks of the state of a relation's row, which is called ``alias`` in it."""
    for literal in sqltree.operands(tree, AND) or [tree]:
        names = {tuple(names) for names in sqltree.columns(literal)}
        own = {names[-1] for names in names if len(names) == 1 or names[0] in (alias, relation.name)}
        if len(own) != 1 or len(own) != len(names) or not _is_state(literal, relation):
            continue
        key = sqltree.normalised(plain := sqltree.unqualified(literal))
        if key is not None:
            found.setdefault(relation.full_name, {}).setdefault(key, plain)


def _is_state(literal: Node, relation: Relation) -> bool:
    """Whether it asks whether a time has come, is not there, or whether a flag is not set."""
    if alternatives := sqltree.operands(literal, OR):
        return all(_is_state(alternative, relation) for alternative in alternatives)
    if negated := sqltree.operands(literal, NOT):
        return _category(negated[0], relation) == "B"
    if (tested := sqltree.tested_for_null(literal)) is not None:
        return tested[1] and _category(tested[0], relation) == "D"
    if (asked := sqltree.tested(literal)) is not None:
        return not asked[1] and _category(asked[0], relation) == "B"
    compared = sqltree.comparison(literal)
    if compared is None or len(compared[2]) != 1:
        return False
    operator, one, other = compared[0], compared[1], compared[2][0]
    if operator == "=":
        return _category(one, relation) == "B" and sqltree.constant(other) is False
    return operator in _ORDER and any(
        _category(column, relation) == "D" and any(map(sqltree.is_now, sqltree.walk(time)))
        for column, time in ((one, other), (other, one))
    )


def _category(node: Node, relation: Relation) -> str:
    """The category of the type of a column of the relation; empty where it is none."""
    path = sqltree.path(sqltree.uncast(node))
    column = relation.column(path[0]) if len(path) == 1 else None
    return "" if column is None else column.category


def _all(asked: Mapping[str, Node]) -> str:
    nodes = list(asked.values())
    return sqltree.deparsed(nodes[0] if len(nodes) == 1 else sqltree.joined(nodes, AND)) or ""


def _negated(asked: Mapping[str, Node]) -> str:
    """The condition of the rows that are left out: one of what is asked for is not true."""
    nodes = [*map(_contrary, asked.values())]
    return sqltree.deparsed(nodes[0] if len(nodes) == 1 else sqltree.joined(nodes, OR)) or ""


def _contrary(node: Node) -> Node:
    """The contrary of a test for NULL or of a flag, in plain words; else NOT."""
    tested, negated = sqltree.tested_for_null(node), sqltree.operands(node, NOT)
    if tested is not None:
        return sqltree.is_not_null(tested[0])
    return negated[0] if negated else sqltree.joined([node], NOT)
