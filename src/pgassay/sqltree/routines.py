"""Functions as they were created: what they take, and what they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgast

from pgassay import sqltree
from pgassay.sqltree import Node, kind, plpgsql, trees, unwrapped

_tree = postgast.pg_query_pb2


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, by which a caller hands something in."""

    name: str
    default: Node | None
    is_variadic: bool


@dataclass(frozen=True)
class Routine:
    """A function as it was created: what it takes, and what it does, in SQL as trees or in PL/pgSQL as JSON has it."""

    name: str
    parameters: tuple[Parameter, ...]
    statements: tuple[Node, ...] = ()
    plpgsql: Any = None


def routine(definition: str) -> Routine | None:
    """A function by its CREATE FUNCTION; None where that cannot be parsed."""
    created: Any = next(iter(sqltree.statements(definition)), None)
    if kind(created) != "CreateFunctionStmt":
        return None
    parts: list[Any] = [unwrapped(part) for part in created.parameters]
    given = [part for part in parts if part.mode not in (_tree.FUNC_PARAM_OUT, _tree.FUNC_PARAM_TABLE)]
    parameters = tuple(
        Parameter(
            part.name,
            unwrapped(part.defexpr) if part.HasField("defexpr") else None,
            part.mode == _tree.FUNC_PARAM_VARIADIC,
        )
        for part in given
    )
    options = sqltree.options(created)
    name = ".".join(trees.names(created.funcname))
    if sqltree.is_plpgsql(options):
        return Routine(name, parameters, plpgsql=plpgsql.parsed(definition))
    source = options.get("as")
    found = sqltree.statements(source.items[0].string.sval) if source is not None else []
    if created.HasField("sql_body"):
        found = [*_inline(unwrapped(created.sql_body))]
    return Routine(name, parameters, tuple(found))


def _inline(body: Node) -> Iterator[Node]:
    """The statements of BEGIN ATOMIC, or what RETURN gives, as a SELECT."""
    if kind(body) == "ReturnStmt":
        made = _tree.SelectStmt(limit_option=_tree.LIMIT_OPTION_DEFAULT, op=_tree.SETOP_NONE)
        made.target_list.add().res_target.val.CopyFrom(body.returnval)
        yield made
    elif kind(body) == "List":
        for part in body.items:
            yield from _inline(unwrapped(part))
    elif body is not None:
        yield body
