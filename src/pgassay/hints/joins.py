"""Joins: which columns of two relations have to be equal, through subqueries, arrays and functions."""

from __future__ import annotations

from typing import Any

from pgassay import sqltree
from pgassay.hints.facts import Column, Facts, Term
from pgassay.hints.functions import Function
from pgassay.hints.reading import qualified, sources
from pgassay.hints.terms import Scope, Terms

_DEPTH = 8
"""How deep functions are followed for what they give back."""


class Joins:
    """What the comparisons of a schema, of which ``terms`` are known, say about columns of two relations."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._followed: set[int] = set()

    def compare(self, one: Any, scope: Scope, other: Any, inner: Scope, facts: Facts) -> None:
        """Note that two expressions have to be equal, each in its scope."""
        left, right = self._given(one, scope), self._given(other, inner)
        if left is not None and right is not None and left.relation != right.relation:
            facts.joins.add(frozenset((left, right)))

    def _given(self, node: Any, scope: Scope, depth: int = 0) -> Column | None:
        """The column that the values of an expression come from."""
        node = sqltree.unwrapped(node)
        if depth > _DEPTH or node is None:
            return None
        match sqltree.kind(node):
            case "TypeCast" | "CollateClause":
                return self._given(node.arg, scope, depth)
            case "SubLink":
                return self._given_by(sqltree.unwrapped(node.subselect), scope, depth)
            case "FuncCall":
                arguments = [self._terms.term(argument, scope) for argument in node.args]
                functions = self._terms.named(qualified(node.funcname), len(arguments))
                if not functions:  # as unnest and array_agg do
                    return self._given(node.args[0], scope, depth + 1) if len(node.args) == 1 else None
                found = {column for function in functions for column in self._given_back(function, arguments, depth)}
                return found.pop() if len(found) == 1 else None
        term = self._terms.term(node, scope)
        return term if isinstance(term, Column) else None

    def _given_back(self, function: Function, arguments: list[Term], depth: int) -> set[Column]:
        """The columns whose values the queries of a function give; none of one that calls itself."""
        if id(function) in self._followed:
            return set()
        self._followed.add(id(function))
        scope = self._terms.within(function, arguments)
        given = {self._given_by(statement, scope, depth + 1) for statement in function.statements}
        self._followed.discard(id(function))
        return {column for column in given if column is not None}

    def _given_by(self, select: Any, scope: Scope, depth: int) -> Column | None:
        if sqltree.kind(select) != "SelectStmt" or len(select.target_list) != 1:
            return None
        inner = Scope(scope)
        for source in sources(select):
            self._terms.enter(source, inner)
        return self._given(select.target_list[0].res_target.val, inner, depth + 1)
