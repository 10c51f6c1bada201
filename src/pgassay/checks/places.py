"""Where in the migrations an object was made, as far as their text tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pgassay import migrations
from pgassay.migrations import Script
from pgassay.sqltree import trees

_SYNONYMS = {
    "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real",
    "float8": "double precision", "varchar": "character varying", "bpchar": "character", "varbit": "bit varying",
    "timetz": "time with time zone", "time": "time without time zone", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "serial": "integer", "bigserial": "bigint",
}  # fmt: skip
_DEFAULT_SCHEMA = "public"


@dataclass(frozen=True)
class Place:
    """A line of a script."""

    script: Script
    line: int


def where_made(scripts: Iterable[Script]) -> dict[str, Place]:
    """Object → the statement that made it; the last one where there are several.

    Objects are written ``schema.name``, functions also with their types as PostgreSQL writes them
    (``schema.name(uuid, text)``), and policies ``schema.table.policy``, and also as a culprit is called (`as_culprit`),
    which is where they were made or altered last. What a DO block or a function makes is not
    seen, nor what is in a file that the parser does not know.
    """
    found: dict[str, Place] = {}
    for script in scripts:
        for statement in migrations.split(script.sql):
            if statement.node is None:
                continue
            kind = statement.node.WhichOneof("node")
            names = _NAMES[kind](getattr(statement.node, kind)) if kind in _NAMES else ()
            for name in names:
                found[name] = Place(script, statement.code_line)
    return found


def place_of(name: str, places: Mapping[str, Place]) -> Place | None:
    """The place of the object that a finding names: of a function with other types, the one of that name."""
    return places.get(name) or places.get(name.partition("(")[0])


def as_culprit(words: str) -> str:
    """What a culprit is called, without the quotes that a name of it may need: ``policy mine on public.notes``."""
    return words.replace('"', "")


def _policy(node: Any) -> str:
    return as_culprit(f"policy {node.policy_name} on {_relation(node.table)}")


def _relation(node: Any) -> str:
    return f"{node.schemaname or _DEFAULT_SCHEMA}.{node.relname}"


def _function(node: Any) -> tuple[str, str]:
    parts = [part.string.sval for part in node.funcname]
    name = ".".join(parts if len(parts) > 1 else [_DEFAULT_SCHEMA, *parts])
    types = [
        _type(parameter.function_parameter.arg_type)
        for parameter in node.parameters
        if trees.choice(parameter.function_parameter, "mode") not in _OUTPUT
    ]
    return name, f"{name}({', '.join(types)})"


_OUTPUT = ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE")


def _type(node: Any) -> str:
    parts = [part.string.sval for part in node.names]
    if parts[0] in ("pg_catalog", _DEFAULT_SCHEMA):
        parts = parts[1:]
    name = ".".join(parts)
    return _SYNONYMS.get(name, name) + ("[]" if node.array_bounds else "")


_NAMES: Mapping[str, Any] = {
    "create_stmt": lambda node: [_relation(node.relation)],
    "view_stmt": lambda node: [_relation(node.view)],
    "create_table_as_stmt": lambda node: [_relation(node.into.rel)],
    "create_foreign_table_stmt": lambda node: [_relation(node.base_stmt.relation)],
    "create_seq_stmt": lambda node: [_relation(node.sequence)],
    "create_function_stmt": _function,
    "create_policy_stmt": lambda node: [f"{_relation(node.table)}.{node.policy_name}", _policy(node)],
    "alter_policy_stmt": lambda node: [_policy(node)],
}
