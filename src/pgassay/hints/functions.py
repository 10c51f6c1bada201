"""Functions of a schema: their parameters, statements, variables and results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgassay import sqltree
from pgassay.hints.reading import result
from pgassay.sqltree import plpgsql, trees, words


@dataclass(frozen=True)
class Function:
    """A function: its parameters, what they are by default, its statements, and what it gives back."""

    parameters: tuple[str, ...]
    defaults: Mapping[str, Any]
    statements: tuple[Any, ...]
    variables: Mapping[str, Any]
    results: tuple[Any, ...]


def read(definition: str) -> Function | None:
    """The function that a CREATE FUNCTION makes; None where it is not understood."""
    statements = sqltree.statements(definition)
    if len(statements) != 1 or sqltree.kind(statements[0]) != "CreateFunctionStmt":
        return None
    node = statements[0]
    inputs: list[Any] = [
        parameter
        for parameter in map(sqltree.unwrapped, node.parameters)
        if trees.choice(parameter, "mode") not in ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE")
    ]
    names = tuple(parameter.name for parameter in inputs)
    defaults = {parameter.name: parameter.defexpr for parameter in inputs if parameter.HasField("defexpr")}
    options = {option.def_elem.defname: option.def_elem.arg for option in node.options}
    if options["language"].string.sval == "plpgsql":
        return _plpgsql(definition, names, defaults)
    if "as" in options:
        body = sqltree.statements(trees.names(options["as"].list.items)[0])
    else:
        body = [child for child in _below(node.sql_body) if sqltree.kind(child) in _STATEMENTS]
    return Function(names, defaults, tuple(body), {}, tuple(filter(None, map(result, body[-1:]))))


_STATEMENTS = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "ReturnStmt")


def _below(node: Any) -> Iterator[Any]:
    """The statements of a body that is no text."""
    node = sqltree.unwrapped(node)
    if sqltree.kind(node) == "ReturnStmt":
        yield sqltree.unwrapped(sqltree.selecting(sqltree.unwrapped(node.returnval)).subselect)
    elif sqltree.kind(node) == "List":
        for item in node.items:
            yield from _below(item)
    else:
        yield node


def _plpgsql(definition: str, names: tuple[str, ...], defaults: Mapping[str, Any]) -> Function | None:
    parsed = plpgsql.parsed(definition)
    if parsed is None:
        return None
    statements: list[Any] = []
    variables: dict[str, Any] = {}
    results: list[Any] = []
    for kind, part in plpgsql.parts(parsed):
        if kind == "PLpgSQL_expr":
            query = part.get("query", "")
            readings = (query, f"select {query}", f"select {_assigned(query)[1]}")
            statements += next((found for found in map(sqltree.statements, readings) if found), [])
        elif kind == "PLpgSQL_var" and "default_val" in part:
            variables[part["refname"]] = _value(part["default_val"])
        elif kind == "PLpgSQL_stmt_assign":
            assigned, _ = _assigned(part["expr"]["PLpgSQL_expr"]["query"])
            if assigned:
                variables.setdefault(assigned, _value(part["expr"]))
        elif kind == "PLpgSQL_stmt_return" and "expr" in part:
            results.append(_value(part["expr"]))
    return Function(names, defaults, tuple(statements), variables, tuple(filter(None, results)))


_ASSIGNS = 3
"""The parser's mode for what assigns to a plain variable."""


def _value(expression: Any) -> Any:
    query = expression["PLpgSQL_expr"]["query"]
    if expression["PLpgSQL_expr"].get("parseMode", 0) == _ASSIGNS:
        query = _assigned(query)[1]
    return next(map(result, sqltree.statements(f"select {query}")), None)


def _assigned(query: str) -> tuple[str, str]:
    """The variable that is assigned to, or nothing, and what is assigned, or all of it."""
    said = words.said(query)
    if len(said) > 1 and said[1].text in (":=", "="):
        return said[0].text, query.encode()[said[1].end :].decode()
    return "", query
