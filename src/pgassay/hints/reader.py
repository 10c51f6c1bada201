"""What statements and expressions of a schema compare, through the functions that they call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pgassay import sqltree
from pgassay.catalog import Relation
from pgassay.hints.costing import costing
from pgassay.hints.facts import CALLER, OBJECTS, Claim, Column, Facts, Folder, Term, Way
from pgassay.hints.functions import Function, read
from pgassay.hints.joins import Joins
from pgassay.hints.reading import constant, is_now_within, joined, qualified, result, sources
from pgassay.hints.terms import Scope, Terms
from pgassay.platforms import Words
from pgassay.sqltree import trees

_EQUALITIES = ("AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_IN", "AEXPR_NOT_DISTINCT")
_ORDER = {"<": "<", "<=": "<", ">": ">", ">=": ">"}


class Reader:
    """Follows expressions of a schema through its functions."""

    def __init__(
        self,
        relations: Iterable[Relation],
        functions: Iterable[tuple[str, str, str]],
        words: Words,
        unread: dict[str, str],
    ) -> None:
        self._unread = unread
        columns = {relation.full_name: {c.name for c in relation.columns} for relation in relations}
        columns.setdefault(OBJECTS, {"name", "owner", "owner_id", "bucket_id", "path_tokens"})
        definitions: dict[str, list[Function]] = {}
        for schema, function_name, definition in functions:
            with costing(f"{schema}.{function_name}", unread):
                function = read(definition)
                if function is not None:
                    definitions.setdefault(f"{schema}.{function_name}", []).append(function)
        self._terms = Terms(columns, definitions, words)
        self._joins = Joins(self._terms)
        self._known: dict[tuple[int, tuple[Term, ...]], Facts] = {}
        self.written: frozenset[str] = frozenset()
        """The relations into which the statements that were followed write."""

    def expression(self, text: str, relation: str) -> Facts:
        """The facts of an expression over the columns of ``relation``."""
        facts, scope = Facts(), Scope()
        scope.relations[relation.partition(".")[2]] = relation
        for node in sqltree.statements(f"select {text}"):
            self._visit(node, scope, facts)
        return facts

    def ways(self, text: str, relation: str) -> Iterator[Way]:
        """The ways in which an expression over the columns of ``relation`` may hold."""
        for node in sqltree.statements(f"select {text}"):
            for way in joined(result(node), sqltree.OR):
                yield tuple(
                    self._own_columns(condition, relation)
                    for condition in joined(way, sqltree.AND)
                    if sqltree.kind(condition) != "NullTest"
                )

    def _own_columns(self, condition: Any, relation: str) -> frozenset[str]:
        facts, scope = Facts(), Scope()
        scope.relations[relation.partition(".")[2]] = relation
        self._visit(condition, scope, facts)
        return frozenset(column.name for column in facts.columns if column.relation == relation)

    def statements(self, text: str) -> Facts:
        """The facts of whole statements."""
        facts = Facts()
        for node in sqltree.statements(text):
            self._visit(node, Scope(), facts)
        return facts

    def functions(self) -> Facts:
        """The facts of all functions, called with nothing in particular."""
        facts = Facts()
        for name, functions in self._terms.definitions.items():
            for function in functions:
                with costing(name, self._unread):
                    facts.add(self._called(function, [None] * len(function.parameters)))
        return facts

    def is_caller(self, text: str) -> bool:
        """Whether an expression is the caller's id."""
        return any(self._terms.term(result(node), Scope()) == CALLER for node in sqltree.statements(f"select {text}"))

    def _visit(self, node: Any, scope: Scope, facts: Facts) -> None:
        kind = sqltree.kind(node)
        if kind in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
            scope = Scope(scope)
            for source in sources(node):
                self._terms.enter(source, scope)
            if kind != "SelectStmt":
                self.written |= {self._terms.relation(node.relation)}
        elif kind == "A_Expr" and trees.choice(node, "kind") in _EQUALITIES and qualified(node.name[-1:]) == "=":
            self._compare(self._terms.term(node.lexpr, scope), self._terms.term(node.rexpr, scope), facts)
            self._joins.compare(node.lexpr, scope, node.rexpr, scope, facts)
            self._compare_folder(node, scope, facts)
        elif kind == "A_Expr" and trees.choice(node, "kind") == "AEXPR_OP" and len(node.name):
            self._compare_time(node, scope, facts)
        elif kind == "SubLink" and node.HasField("testexpr"):
            self._visit_membership(node, scope, facts)
        elif kind == "FuncCall":
            arguments = [self._terms.term(argument, scope) for argument in node.args]
            for function in self._terms.named(qualified(node.funcname), len(arguments)):
                facts.add(self._called(function, arguments))
        elif kind == "ColumnRef":
            term = self._terms.resolve(node, scope)
            if isinstance(term, Column):
                facts.columns.add(term)
        term = self._terms.term(node, scope) if kind in ("A_Indirection", "FuncCall") else None
        if isinstance(term, Folder):
            facts.folders.add(term.part)
        for child in sqltree.children(node):
            self._visit(child, scope, facts)

    def _visit_membership(self, node: Any, scope: Scope, facts: Facts) -> None:
        """``x in (select y from …)``: x and y are compared, in the scope of each."""
        select: Any = sqltree.unwrapped(node.subselect)
        inner = Scope(scope)
        for source in sources(select):
            self._terms.enter(source, inner)
        if sqltree.kind(select) != "SelectStmt":
            return
        tested: Any = sqltree.unwrapped(node.testexpr)
        sides = list(tested.args) if sqltree.kind(tested) == "RowExpr" else [tested]
        targets = [target.res_target.val for target in select.target_list]
        for side, target in zip(sides, targets, strict=True) if len(sides) == len(targets) else ():
            self._compare(self._terms.term(side, scope), self._terms.term(target, inner), facts)
            self._joins.compare(side, scope, target, inner, facts)

    def _compare(self, one: Term, other: Term, facts: Facts) -> None:
        for term, column in ((one, other), (other, one)):
            if isinstance(column, Column):
                if term == CALLER:
                    facts.callers.add(column)
                elif isinstance(term, Claim):
                    facts.claims.add((column, term.path))
            elif isinstance(column, Folder) and term == CALLER:
                facts.own_folders.add(column.part)

    def _compare_folder(self, node: Any, scope: Scope, facts: Facts) -> None:
        for one, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            term = self._terms.term(one, scope)
            if isinstance(term, Folder) and constant(other):
                facts.fixed_folders.add(term.part)

    def _compare_time(self, node: Any, scope: Scope, facts: Facts) -> None:
        order = _ORDER.get(qualified(node.name[-1:]))
        for one, other, is_less in ((node.lexpr, node.rexpr, order == "<"), (node.rexpr, node.lexpr, order == ">")):
            column = self._terms.term(one, scope) if order and is_now_within(other) else None
            if isinstance(column, Column):
                facts.timed.add(column)
                if not is_less:
                    facts.later.add(column)

    def _called(self, function: Function, arguments: list[Term]) -> Facts:
        key = (id(function), tuple(arguments))
        if key in self._known:
            return self._known[key]
        facts = self._known[key] = Facts()  # a function that calls itself finds what is known by then
        scope = self._terms.within(function, arguments)
        for statement in function.statements:
            self._visit(statement, scope, facts)
        return facts
