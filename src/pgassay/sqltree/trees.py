"""Statements as libpg_query's nodes: read, told apart, and written again."""

from __future__ import annotations

from typing import Any

import postgast

_tree = postgast.pg_query_pb2


def parsed(text: str) -> list[Any] | None:
    """The statements in ``text``, each in the envelope that says of which kind it is; None where it is not understood.

    An empty text has none.
    """
    try:
        return [found.stmt for found in postgast.parse(text).stmts]
    except (postgast.PgQueryError, ValueError):
        return None


def only(text: str, kind: str) -> Any:
    """The one statement in ``text``, if it is of that kind, as ``SelectStmt``; else None."""
    found = parsed(text) or []
    name = found[0].WhichOneof("node") if len(found) == 1 else None
    statement = None if name is None else getattr(found[0], name)
    return statement if statement is not None and statement.DESCRIPTOR.name == kind else None


def choice(node: Any, field: str) -> str:
    """What a field says that has one of several names, as ``OBJECT_TABLE``."""
    values = node.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number
    return str(values[getattr(node, field)].name)


def names(parts: Any) -> list[str]:
    """The parts of a qualified name, or the names in a list."""
    return [part.string.sval for part in parts if part.WhichOneof("node") == "string"]


def written(node: Any) -> str | None:
    """The SQL of a statement without its envelope; None where it cannot be written."""
    whole = _tree.ParseResult()
    statement = whole.stmts.add().stmt
    field = next(f.name for f in statement.DESCRIPTOR.fields if f.message_type is node.DESCRIPTOR)
    getattr(statement, field).CopyFrom(node)
    try:
        return str(postgast.deparse(whole))
    except (postgast.PgQueryError, ValueError):
        return None
