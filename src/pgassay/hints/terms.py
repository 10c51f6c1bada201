"""Terms: what an expression stands for at its place, through the functions that it calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pgassay import sqltree
from pgassay.hints.facts import CALLER, OBJECTS, Claim, Column, Folder, Term
from pgassay.hints.functions import Function
from pgassay.hints.reading import constant, elements, qualified
from pgassay.platforms import Words
from pgassay.sqltree import trees

_DEPTH = 8
"""How deep functions are followed for what they give back."""


class Scope:
    """What names stand for at a place: the relations of FROM by alias, and the parameters and variables around."""

    def __init__(self, outer: Scope | None = None) -> None:
        self.outer = outer
        self.relations: dict[str, str] = {}
        self.names: dict[str, Term] = {}


class Terms:
    """What expressions stand for in a schema: ``columns`` of its relations, ``definitions`` of its functions.

    ``words`` are what the platform's SQL calls the caller.
    """

    def __init__(
        self, columns: Mapping[str, set[str]], definitions: Mapping[str, list[Function]], words: Words
    ) -> None:
        self.columns = columns
        self.words = words
        self.definitions = definitions

    def within(self, function: Function, arguments: list[Term]) -> Scope:
        """What names stand for in a function that is called with these arguments."""
        scope = Scope()
        for position, name in enumerate(function.parameters):
            given = position < len(arguments)
            term = arguments[position] if given else self.term(function.defaults.get(name), Scope())
            scope.names[f"${position + 1}"] = term
            if name:
                scope.names[name] = term
        for name, value in function.variables.items():
            scope.names[name] = self.term(value, scope)
        return scope

    def named(self, name: str, arguments: int) -> list[Function]:
        """The functions of that name which take so many arguments; where no schema is named, of any schema."""
        found = self.definitions.get(name, [])
        if "." not in name:
            found = [f for key, all_ in self.definitions.items() if key.partition(".")[2] == name for f in all_]
        return [function for function in found if arguments <= len(function.parameters)]

    def term(self, node: Any, scope: Scope, depth: int = 0) -> Term:
        """What an expression stands for."""
        if node is None or depth > _DEPTH:
            return None
        node = sqltree.unwrapped(node)
        match sqltree.kind(node):
            case "TypeCast" | "CollateClause":
                return self.term(node.arg, scope, depth)
            case "CoalesceExpr":
                return next((t for t in (self.term(arg, scope, depth) for arg in node.args) if t is not None), None)
            case "ColumnRef":
                return self.resolve(node, scope)
            case "ParamRef":
                return _lookup(scope, f"${node.number}")
            case "SubLink":
                return self._term_of_select(sqltree.unwrapped(node.subselect), scope, depth)
            case "A_Expr":
                return self._term_of_operator(node, scope, depth)
            case "A_Indirection":
                return self._term_of_part(node, scope, depth)
            case "FuncCall":
                return self._term_of_call(node, scope, depth)
        return None

    def _term_of_select(self, select: Any, scope: Scope, depth: int) -> Term:
        if sqltree.kind(select) != "SelectStmt" or len(select.from_clause) or len(select.target_list) != 1:
            return None
        return self.term(select.target_list[0].res_target.val, scope, depth)

    def _term_of_operator(self, node: Any, scope: Scope, depth: int) -> Term:
        if trees.choice(node, "kind") == "AEXPR_NULLIF":
            return self.term(node.lexpr, scope, depth)
        operator = ".".join(part.string.sval for part in node.name)
        base = self.term(node.lexpr, scope, depth)
        if not isinstance(base, Claim):
            return None
        if operator in ("->", "->>"):
            keys: list[str] = [constant(node.rexpr)]
        elif operator in ("#>", "#>>"):
            keys = constant(node.rexpr).strip("{}").split(",")
        else:
            return None
        return _claimed(base, keys)

    def _term_of_part(self, node: Any, scope: Scope, depth: int) -> Term:
        # a field of a composite value, or the whole of it, is no part that a claim or a path has
        parts: list[Any] = [*map(sqltree.unwrapped, node.indirection)]
        indices = [constant(part.uidx) if sqltree.kind(part) == "A_Indices" else "" for part in parts]
        argument: Any = sqltree.unwrapped(node.arg)
        call = sqltree.kind(argument) == "FuncCall" and qualified(argument.funcname)
        resolved = self.resolve(argument, scope) if sqltree.kind(argument) == "ColumnRef" else None
        is_path = call in ("storage.foldername", "foldername", "string_to_array")
        if is_path or resolved == Column(OBJECTS, "path_tokens"):
            return Folder(int(indices[0])) if len(indices) == 1 and indices[0].isdigit() else None
        base = self.term(argument, scope, depth)
        return _claimed(base, indices) if isinstance(base, Claim) else None

    def _term_of_call(self, node: Any, scope: Scope, depth: int) -> Term:
        name = qualified(node.funcname)
        if name == self.words.user:
            return CALLER
        if name == self.words.all_claims:
            return Claim(())
        constants = [constant(argument) for argument in node.args]
        if name.removeprefix("pg_catalog.") == "current_setting" and constants:
            if constants[0] == self.words.claims:
                return Claim(())
            if constants[0] == self.words.user_setting:
                return CALLER
            if constants[0].startswith(self.words.claim_prefix):
                return Claim((constants[0].removeprefix(self.words.claim_prefix),))
        if name.removeprefix("pg_catalog.") == "split_part" and constants[1:2] == ["/"] and constants[2].isdigit():
            resolved = self.term(node.args[0], scope, depth)
            return Folder(int(constants[2])) if resolved == Column(OBJECTS, "name") else None
        if name.removeprefix("pg_catalog.") in ("jsonb_extract_path_text", "json_extract_path_text"):
            base = self.term(node.args[0], scope, depth)
            keys = [constant(key) for argument in node.args[1:] for key in elements(argument)]
            return _claimed(base, keys) if isinstance(base, Claim) else None
        arguments = [self.term(argument, scope, depth) for argument in node.args]
        for function in self.named(name, len(arguments)):
            within = self.within(function, arguments)
            terms = {self.term(result, within, depth + 1) for result in function.results} - {None}
            if len(terms) == 1 and not isinstance(next(iter(terms)), Column):
                return terms.pop()
        return None

    def resolve(self, node: Any, scope: Scope) -> Term:
        """What a name stands for."""
        parts = [part.string.sval for part in node.fields if part.HasField("string")]
        if not parts or len(parts) != len(node.fields):
            return None
        *qualifier, name = parts
        around: Scope | None = scope
        while around is not None:
            for alias, relation in around.relations.items():
                if (not qualifier or qualifier[-1] == alias) and name in self.columns.get(relation, ()):
                    return Column(relation, name)
            if name in around.names and not (qualifier and qualifier[-1] in around.relations):
                return around.names[name]
            around = around.outer
        return None

    def enter(self, source: Any, scope: Scope) -> None:
        """Have the columns of a relation in FROM known."""
        relation = self.relation(source)
        if relation in self.columns:
            scope.relations[source.alias.aliasname or source.relname] = relation

    def relation(self, source: Any) -> str:
        """The relation that is named there, as ``schema.name``."""
        return f"{source.schemaname}.{source.relname}" if source.schemaname else self._found(source.relname)

    def _found(self, name: str) -> str:
        """The relation that a name without a schema stands for: of ``public``, or the only one."""
        if f"public.{name}" in self.columns:
            return f"public.{name}"
        found = [relation for relation in self.columns if relation.partition(".")[2] == name]
        return found[0] if len(found) == 1 else ""


def _lookup(scope: Scope | None, name: str) -> Term:
    while scope is not None:
        if name in scope.names:
            return scope.names[name]
        scope = scope.outer
    return None


def _claimed(base: Claim, keys: Iterable[str]) -> Term:
    path = (*base.path, *keys)
    if not all(path):
        return None
    return CALLER if path == ("sub",) else Claim(path)
