"""Extensions in migrations: what makes their statements work where the server lacks one, or wants a superuser for it.

A statement about such an extension is replaced by a call of a function of ``sql/supabase/extensions.sql``, which has
the rights to make it or has a stand-in for it. On a platform's own server a hook of its does so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import sql

from pgassay.sqltree import trees

_CURRENT = sql.SQL("pg_catalog.current_schema()::text")

Ask = Callable[[str, Sequence[Any]], Any]
"""Asks the database for one value."""


def created(node: Any) -> str | None:
    """The extension that CREATE EXTENSION names; None of any other statement."""
    return node.create_extension_stmt.extname if node.WhichOneof("node") == "create_extension_stmt" else None


def calls(node: Any, ask: Ask) -> list[sql.Composed]:
    """What to execute in place of a statement about extensions; nothing where the server takes it as it is."""
    kind = node.WhichOneof("node")
    statement = getattr(node, kind)
    if kind == "create_extension_stmt":
        return _if_taken(statement.extname, ask, *_creation(statement, ask))
    if kind == "alter_extension_stmt":
        version = _options(statement).get("new_version")
        return _if_taken(statement.extname, ask, call("update_extension", statement.extname, version))
    if kind == "alter_object_schema_stmt" and trees.choice(statement, "object_type") == "OBJECT_EXTENSION":
        name = statement.object.string.sval
        return _if_taken(name, ask, call("move_extension", name, statement.newschema))
    if kind == "comment_stmt" and trees.choice(statement, "objtype") == "OBJECT_EXTENSION":
        name = statement.object.string.sval
        return _if_taken(name, ask, call("comment_on_extension", name, statement.comment or None))
    if kind == "drop_stmt" and trees.choice(statement, "remove_type") == "OBJECT_EXTENSION":
        return _drops([item.string.sval for item in statement.objects], statement, ask)
    return []


def call(function: str, *arguments: Any) -> sql.Composed:
    """The call of a function of the schema ``pgassay``; arguments that are no SQL are values."""
    given = [argument if isinstance(argument, sql.Composable) else sql.Literal(argument) for argument in arguments]
    return sql.SQL("select {}({})").format(sql.Identifier("pgassay", function), sql.SQL(", ").join(given))


def _if_taken(name: str, ask: Ask, *called: sql.Composed) -> list[sql.Composed]:
    return list(called) if ask("select pgassay.takes(%s)", [name]) else []


def _creation(node: Any, ask: Ask) -> list[sql.Composed]:
    options = _options(node)
    schema, version = options.get("schema"), options.get("new_version")
    cascades = "cascade" in options
    made = call("create_extension", node.extname, schema, _CURRENT, version, cascades, bool(node.if_not_exists))
    script = ask("select pgassay.package_script(%s)", [node.extname])
    if not script:
        return [made]
    # of pg_tle: it is the migrating role's own SQL, and gets no other rights
    where = sql.Literal(schema) if schema else _CURRENT
    path = sql.SQL(
        "select pg_catalog.set_config('pgassay.path', pg_catalog.current_setting('search_path'), true), "
        "pg_catalog.set_config('search_path', pg_catalog.quote_ident({}), true)"
    ).format(where)
    back = sql.SQL("select pg_catalog.set_config('search_path', pg_catalog.current_setting('pgassay.path'), false)")
    text = script.replace("@extschema@", schema or "public")
    return [made, path, raw(text), sql.Composed([back])]


def raw(text: str) -> sql.Composed:
    """SQL that the migration itself brought."""
    return sql.Composed([sql.SQL(text)])


def _drops(names: list[str], node: Any, ask: Ask) -> list[sql.Composed]:
    taken = {name: bool(ask("select pgassay.takes(%s)", [name])) for name in names}
    if not any(taken.values()):
        return []
    cascades = trees.choice(node, "behavior") == "DROP_CASCADE"
    drops = []
    for name in names:
        if taken[name]:
            drops.append(call("drop_extension", name, bool(node.missing_ok), cascades))
        else:
            plain = "drop extension {}{}{}"
            condition, end = "if exists " if node.missing_ok else "", " cascade" if cascades else ""
            drops.append(sql.SQL(plain).format(sql.SQL(condition), sql.Identifier(name), sql.SQL(end)))
    return drops


def _options(node: Any) -> dict[str, str]:
    return {option.def_elem.defname: option.def_elem.arg.string.sval for option in node.options}
