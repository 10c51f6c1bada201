"""What Supabase refuses although an older project has it: since 2025 nobody changes its schemas but its services.

The environment lets migrations do so, since what was made before that is there, and still works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pgassay.platforms import DEFAULT
from pgassay.sqltree import trees

_RELATIONS = {"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_SEQUENCE", "OBJECT_INDEX", "OBJECT_MATVIEW"}
_COMMENTED = {"OBJECT_COLUMN", "OBJECT_POLICY", "OBJECT_TRIGGER", "OBJECT_FUNCTION", *_RELATIONS}


def refused(node: Any) -> str | None:
    """What of the platform's a statement makes or changes, as ``function auth.my_role``; None where nothing is."""
    kind = node.WhichOneof("node")
    if kind not in _KINDS:
        return None
    for what, names in _KINDS[kind](getattr(node, kind)):
        if len(names) > 1 and names[0] in DEFAULT.locked:
            return f"{what} {'.'.join(names)}"
    return None


Named = Iterator[tuple[str, list[str]]]


def _of(what: str, field: str) -> Callable[[Any], Named]:
    """The relation that a field of a statement names."""

    def found(node: Any) -> Named:
        for part in field.split("."):
            node = getattr(node, part)
        yield what, [node.schemaname, node.relname]

    return found


def _by_name(what: str, field: str) -> Callable[[Any], Named]:
    """What a field of a statement names as a list."""

    def found(node: Any) -> Named:
        yield what, [part.string.sval for part in getattr(node, field)]

    return found


def _function(node: Any) -> Named:
    yield "procedure" if node.is_procedure else "function", [part.string.sval for part in node.funcname]


def _altered_function(node: Any) -> Named:
    yield "alter function", [part.string.sval for part in node.func.objname]


def _owner(node: Any) -> Named:
    if trees.choice(node, "object_type") == "OBJECT_FUNCTION":
        yield "owner of", [part.string.sval for part in node.object.object_with_args.objname]
    else:
        yield "owner of", [node.relation.schemaname, node.relation.relname]


def _comment(node: Any) -> Named:
    if trees.choice(node, "objtype") in _COMMENTED:
        function = node.object.object_with_args.objname
        yield "comment on", [part.string.sval for part in (function or node.object.list.items)]


def _moved(node: Any) -> Named:
    yield "move into", [node.newschema, node.relation.relname or "it"]


_KINDS: dict[str, Callable[[Any], Named]] = {
    "create_function_stmt": _function,
    "alter_function_stmt": _altered_function,
    "create_stmt": _of("table", "relation"),
    "create_table_as_stmt": _of("table", "into.rel"),
    "view_stmt": _of("view", "view"),
    "create_seq_stmt": _of("sequence", "sequence"),
    "composite_type_stmt": _of("type", "typevar"),
    "create_enum_stmt": _by_name("type", "type_name"),
    "create_domain_stmt": _by_name("domain", "domainname"),
    "alter_enum_stmt": _by_name("alter type", "type_name"),
    "alter_table_stmt": _of("alter table", "relation"),
    "rename_stmt": _of("rename of", "relation"),
    "index_stmt": _of("index on", "relation"),
    "rule_stmt": _of("rule on", "relation"),
    "alter_owner_stmt": _owner,
    "alter_object_schema_stmt": _moved,
    "comment_stmt": _comment,
}
