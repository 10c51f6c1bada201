"""What Supabase's ``postgres`` may do although PostgreSQL wants a superuser for it: its statements, as calls.

They are calls of functions of ``sql/supabase/database/15_privileged.sql``: event triggers, foreign-data wrappers,
publications of all tables, settings of roles that PostgREST and others read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import sql

from pgassay.environment import SETTINGS
from pgassay.extensions import Ask, call, raw
from pgassay.sqltree import trees

_PREFIXES = ("auto_explain", "pg_net", "pg_stat_statements", "pgaudit", "pgrst", "plan_filter", "safeupdate")
_NOTHING = sql.SQL("select").format()


def calls(node: Any, ask: Ask) -> list[sql.Composed]:
    """What to execute in place of such a statement; nothing of any other one, and where it can be left as it is."""
    kind = node.WhichOneof("node")
    return _CALLS[kind](getattr(node, kind), ask) if kind in _CALLS else []


def setting(node: Any) -> str | None:
    """The setting of a role or the database that a statement gives, if it may be one that only a superuser may."""
    kind = node.WhichOneof("node")
    if kind not in ("alter_role_set_stmt", "alter_database_set_stmt"):
        return None
    given = getattr(node, kind).setstmt
    if trees.choice(given, "kind") != "VAR_SET_VALUE" or not ("." in given.name or given.name in SETTINGS):
        return None
    return str(given.name)


def is_the_platforms(name: str) -> bool:
    """Whether the platform lets the migrating role give that setting."""
    return name in SETTINGS or name.partition(".")[0] in _PREFIXES


def setting_call(node: Any) -> sql.Composed:
    """What gives the `setting` of that statement."""
    kind = node.WhichOneof("node")
    statement = getattr(node, kind)
    of_role = kind == "alter_role_set_stmt"
    is_named = of_role and trees.choice(statement.role, "roletype") == "ROLESPEC_CSTRING"
    role = statement.role.rolename if is_named else None
    who: Any = role
    if of_role and role is None:
        who = sql.SQL("current_user::text")
    database = statement.database if of_role else statement.dbname
    values = [_value(argument.a_const) for argument in statement.setstmt.args]
    return call("set_for", who, database or None, statement.setstmt.name, ", ".join(values))


def _value(constant: Any) -> str:
    match constant.WhichOneof("val"):
        case "sval":
            return str(constant.sval.sval)
        case "ival":
            return str(constant.ival.ival)
        case "fval":
            return str(constant.fval.fval)
        case "boolval":
            return "on" if constant.boolval.boolval else "off"
        case _:
            return ""


def _create_event_trigger(node: Any, _: Ask) -> list[sql.Composed]:
    tags = [tag.string.sval for when in node.whenclause for tag in when.def_elem.arg.list.items]
    called = _function(node.funcname)
    return [call("create_event_trigger", node.trigname, node.eventname, tags or None, called)]


def _function(names: Any, arguments: str = "()") -> sql.Composable:
    """A function by its name, looked up where the caller would."""
    name = sql.Identifier(*(part.string.sval for part in names)).as_string(None) + arguments
    return sql.SQL("pg_catalog.to_regprocedure({})").format(sql.Literal(name))


def _create_function(node: Any, ask: Ask) -> list[sql.Composed]:
    """Replace what event triggers call once the function is replaced that they are for."""
    returned = [part.string.sval for part in node.return_type.names]
    if returned[-1:] != ["event_trigger"] or not ask("select exists (select from pg_catalog.pg_event_trigger)", ()):
        return []
    return [call("follow_event_triggers")]


def _switch_event_trigger(node: Any, _: Ask) -> list[sql.Composed]:
    return [call("switch_event_trigger", node.trigname, node.tgenabled)]


def _change_owner(node: Any, _: Ask) -> list[sql.Composed]:
    """Dumps say who owns them; here it is who has to."""
    return [_NOTHING] if trees.choice(node, "object_type") in ("OBJECT_EVENT_TRIGGER", "OBJECT_FDW") else []


def _comment(node: Any, _: Ask) -> list[sql.Composed]:
    if trees.choice(node, "objtype") == "OBJECT_EVENT_TRIGGER":
        return [call("comment_on_event_trigger", node.object.string.sval, node.comment or None)]
    return []


def _drop(node: Any, _: Ask) -> list[sql.Composed]:
    names = [item.string.sval for item in node.objects]
    missing_ok, cascades = bool(node.missing_ok), trees.choice(node, "behavior") == "DROP_CASCADE"
    if trees.choice(node, "remove_type") == "OBJECT_EVENT_TRIGGER":
        return [call("drop_event_trigger", name, missing_ok) for name in names]
    if trees.choice(node, "remove_type") == "OBJECT_FDW":
        return [call("drop_wrapper", name, missing_ok, cascades) for name in names]
    return []


def _create_wrapper(node: Any, _: Ask) -> list[sql.Composed]:
    named = {option.def_elem.defname: option.def_elem.arg.list.items for option in node.func_options}
    none = sql.SQL("null")
    handler = _function(named["handler"]) if named.get("handler") else none
    validator = _function(named["validator"], "(text[], oid)") if named.get("validator") else none
    return [call("create_wrapper", node.fdwname, handler, validator)]


def _create_publication(node: Any, _: Ask) -> list[sql.Composed]:
    schemas = _schemas(node)
    room = call("make_room_for_publication", node.pubname)
    if not (node.for_all_tables or schemas):
        return [room, _as_written(node)]
    options = {option.def_elem.defname: option.def_elem.arg.string.sval for option in node.options}
    return [room, call("create_publication", node.pubname, schemas or None, options.get("publish"))]


def _alter_publication(node: Any, _: Ask) -> list[sql.Composed]:
    if trees.choice(node, "action") == "AP_AddObjects" and (schemas := _schemas(node)):
        return [call("publish_schemas", node.pubname, schemas)]
    return []


def _schemas(node: Any) -> list[str]:
    return [
        each.publication_obj_spec.name
        for each in node.pubobjects
        if trees.choice(each.publication_obj_spec, "pubobjtype") == "PUBLICATIONOBJ_TABLES_IN_SCHEMA"
    ]


def _as_written(node: Any) -> sql.Composed:
    return raw(trees.written(node) or "")


_CALLS: dict[str, Callable[[Any, Ask], list[sql.Composed]]] = {
    "create_event_trig_stmt": _create_event_trigger,
    "alter_event_trig_stmt": _switch_event_trigger,
    "alter_owner_stmt": _change_owner,
    "comment_stmt": _comment,
    "drop_stmt": _drop,
    "create_fdw_stmt": _create_wrapper,
    "create_publication_stmt": _create_publication,
    "alter_publication_stmt": _alter_publication,
}
AFTERWARDS: dict[str, Callable[[Any, Ask], list[sql.Composed]]] = {"create_function_stmt": _create_function}
"""What to execute once a statement of that kind is done."""
