"""Migrations that lower security, read from their text: ``docs/rules/migration-lowers-security.md``.

Whether somebody gains by it is what the isolation check finds out. Here a reviewer is told that a line takes something
away that may have kept others out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pgassay import migrations
from pgassay.checks import blocks
from pgassay.checks.finding import Finding
from pgassay.migrations import Script, Statement
from pgassay.platforms import DEFAULT
from pgassay.sqltree import trees, words

RULE = "migration-lowers-security"

_OPEN_TO_ALL = (DEFAULT.roles.anonymous, "public")
_OFF = {
    "AT_DisableRowSecurity": "row level security is turned off",
    "AT_NoForceRowSecurity": "row level security no longer holds its owner",
    "AT_DisableTrig": "a trigger is turned off",
    "AT_DisableTrigAll": "all triggers are turned off",
    "AT_DisableTrigUser": "all triggers are turned off",
}
_ON = {
    "AT_DisableRowSecurity": ("AT_EnableRowSecurity",),
    "AT_NoForceRowSecurity": ("AT_ForceRowSecurity",),
    "AT_DisableTrig": ("AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableTrigAll", "AT_EnableTrigUser"),
    "AT_DisableTrigAll": ("AT_EnableTrigAll", "AT_EnableTrigUser"),
    "AT_DisableTrigUser": ("AT_EnableTrigAll", "AT_EnableTrigUser"),
}


_WORDS = re.compile(
    r"\b(?:drop\s+(?:policy|trigger)|disable\s+(?:row\s+level|trigger)|no\s+force\s+row|grant|security\s+definer)\b",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"(?:e?'|\$\w*\$)?\W*(?:alter|analyze|begin|call|comment|copy|create|declare|delete|do|drop|insert|revoke|select|set|"
    r"update|with)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Node:
    """A statement as the parser reads it, and the line of its first word."""

    kind: str
    tree: Any
    line: int


@dataclass(frozen=True)
class _Unread:
    """A statement that cannot be read, and what is known of its text."""

    line: int
    texts: Sequence[str]


def check(scripts: Iterable[Script]) -> list[Finding]:
    """What each script takes away without putting something in its place in the same file, in DO blocks too.

    Of a statement that cannot be read, it is said that it cannot, if anything that it may be made from would take
    something away. What a function executes is not seen.
    """
    findings = []
    for script in scripts:
        nodes = [node for statement in migrations.split(script.sql) for node in _nodes(statement)]
        lowered = [*_lowered([node for node in nodes if isinstance(node, _Node)])]
        lowered += [found for node in nodes if isinstance(node, _Unread) for found in _unread(script, node)]
        findings += [
            Finding(RULE, name, observed, mend, severity=severity, location=f"{script.path}:{line}")
            for severity, name, line, observed, mend in lowered
        ]
    return findings


def _nodes(statement: Statement) -> Iterator[_Node | _Unread]:
    """The statement; of a DO block, what it executes."""
    parsed = trees.parsed(statement.text)
    if parsed is None:
        yield _Unread(statement.code_line, [statement.text])
        return
    for part in parsed:
        kind = part.WhichOneof("node")
        if kind != "do_stmt":
            yield _Node(kind, getattr(part, kind), statement.code_line)
            continue
        for done in blocks.executed(statement):
            if done.sql is None:
                yield _Unread(done.line, done.literals)
            else:
                for inner in migrations.split(done.sql):
                    yield from _nodes(Statement(inner.text, done.line + inner.line - 1))


def _unread(script: Script, node: _Unread) -> Iterator[tuple[str, str, int, str, str]]:
    """Say that it was not read, unless all that it may be made from tells that it takes nothing away."""
    texts = [_without_comments(text) for text in node.texts]
    lowering = next((found[0].lower() for found in map(_WORDS.search, texts) if found), None)
    if lowering is None and any(map(_STATEMENT.match, texts)):
        return
    mend = (
        "Write it so that only names are put in as it runs, by format() and %I, or say in a waiver what it takes away."
    )
    observed = "what is executed here cannot be read" + (f", and it may be {lowering!r}" if lowering else "")
    yield "warning", script.name, node.line, observed, mend


def _without_comments(text: str) -> str:
    return text if words.scanned(text) is None else " ".join(word.text for word in words.said(text))


def _lowered(nodes: list[_Node]) -> Iterator[tuple[str, str, int, str, str]]:
    """Severity, object, line, what was observed and how to mend it."""
    dropped = {table for node in nodes for table, _ in _dropped(node, "OBJECT_TABLE")}
    policies = {_relation(node.tree.table) for node in nodes if node.kind == "create_policy_stmt"}
    triggers = {_relation(node.tree.relation) for node in nodes if node.kind == "create_trig_stmt"}
    for number, node in enumerate(nodes):
        for table, policy in _dropped(node, "OBJECT_POLICY"):
            if table not in policies | dropped:
                mend = (
                    f"Create a policy of {table} in its place in this file, or say in a waiver what keeps others out."
                )
                # a name that is made as the block runs may be that of a table which gets one
                severity = "warning" if policies and blocks.is_unknown(table) else "error"
                yield severity, table, node.line, f"the policy {policy} is dropped, and none takes its place", mend
        for table, trigger in _dropped(node, "OBJECT_TRIGGER"):
            if table not in triggers | dropped:
                mend = "Create a trigger in its place in this file, or say in a waiver why what it refused may happen."
                yield "warning", table, node.line, f"the trigger {trigger} is dropped, and none takes its place", mend
        if node.kind == "alter_table_stmt":
            table = _relation(node.tree.relation)
            for subtype in _subtypes(node):
                if subtype in _OFF and table not in dropped and not _turned_on_again(nodes[number:], table, subtype):
                    mend = "Turn it on again before the file ends, or say in a waiver what keeps others out."
                    yield "error", table, node.line, _OFF[subtype], mend
        yield from _granted(node)
        yield from _definers(node, nodes)


def _subtypes(node: _Node) -> list[str]:
    return [trees.choice(command.alter_table_cmd, "subtype") for command in node.tree.cmds]


def _turned_on_again(nodes: Iterable[_Node], table: str, subtype: str) -> bool:
    return any(
        node.kind == "alter_table_stmt"
        and _relation(node.tree.relation) == table
        and not set(_ON[subtype]).isdisjoint(_subtypes(node))
        for node in nodes
    )


def _granted(node: _Node) -> Iterator[tuple[str, str, int, str, str]]:
    tree = node.tree
    if node.kind == "alter_default_privileges_stmt":
        tree = tree.action
    elif node.kind == "grant_role_stmt":
        for role in _roles(tree.grantee_roles) if tree.is_grant else ():
            for given in tree.granted_roles:
                name = given.access_priv.priv_name
                yield "warning", name, node.line, f"the rights of the role {name} are granted to {role}", _GRANT_MEND
        return
    elif node.kind != "grant_stmt":
        return
    if not tree.is_grant:
        return
    rights = ", ".join(right.access_priv.priv_name for right in tree.privileges) or "everything"
    for role in _roles(tree.grantees):
        for name in _granted_objects(node, tree):
            if (name, rights) != ("schema public", "usage"):  # as on Supabase from the start
                yield "warning", name, node.line, f"{rights} is granted to {role}", _GRANT_MEND


_GRANT_MEND = (
    f"Grant it to {DEFAULT.roles.signed_in}, or say in a waiver why somebody who has not signed in may have it."
)


def _roles(specs: Iterable[Any]) -> Iterator[str]:
    for spec in specs:
        role = spec.role_spec
        if trees.choice(role, "roletype") == "ROLESPEC_PUBLIC":
            yield "public"
        elif role.rolename in _OPEN_TO_ALL:
            yield role.rolename


def _granted_objects(node: _Node, tree: Any) -> Iterator[str]:
    if node.kind == "alter_default_privileges_stmt":
        yield "default privileges"
        return
    for item in tree.objects:
        kind = item.WhichOneof("node")
        if kind == "range_var":
            yield _relation(item.range_var)
        elif kind == "object_with_args":
            yield _qualified(part.string.sval for part in item.object_with_args.objname)
        elif kind == "string":
            everything = trees.choice(tree, "targtype") == "ACL_TARGET_ALL_IN_SCHEMA"
            yield f"{'everything in ' if everything else ''}schema {item.string.sval}"
        else:
            yield _qualified(part.string.sval for part in item.list.items)


def _definers(node: _Node, nodes: Iterable[_Node]) -> Iterator[tuple[str, str, int, str, str]]:
    mend = "Add: set search_path = '', and write the schema before every name in it."
    if node.kind == "create_function_stmt":
        name = _qualified(part.string.sval for part in node.tree.funcname)
        if _is_definer(node.tree.options) and not _sets_path(node.tree.options) and not _gets_path(name, nodes):
            observed = "it runs with its owner's rights, and its caller chooses the search_path"
            yield "error", name, node.line, observed, mend
    elif node.kind == "alter_function_stmt":
        name = _qualified(part.string.sval for part in node.tree.func.objname)
        made = [other for other in nodes if other.kind == "create_function_stmt"]
        path = any(
            _qualified(part.string.sval for part in other.tree.funcname) == name and _sets_path(other.tree.options)
            for other in made
        )
        if _is_definer(node.tree.actions) and not path and not _gets_path(name, nodes):
            yield "error", name, node.line, "it is given its owner's rights, and no search_path", mend
        elif _resets_path(node.tree.actions):
            yield "error", name, node.line, "its search_path is taken away", mend


def _gets_path(name: str, nodes: Iterable[_Node]) -> bool:
    return any(
        node.kind == "alter_function_stmt"
        and _qualified(part.string.sval for part in node.tree.func.objname) == name
        and _sets_path(node.tree.actions)
        for node in nodes
    )


def _options(options: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for option in options:
        yield option.def_elem.defname, option.def_elem.arg


def _is_definer(options: Iterable[Any]) -> bool:
    return any(name == "security" and argument.boolean.boolval for name, argument in _options(options))


def _sets_path(options: Iterable[Any]) -> bool:
    return any(_path_setting(name, argument) in _SETS for name, argument in _options(options))


def _resets_path(options: Iterable[Any]) -> bool:
    return any(_path_setting(name, argument) in _RESETS for name, argument in _options(options))


_SETS = ("VAR_SET_VALUE", "VAR_SET_CURRENT")
_RESETS = ("VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT")


def _path_setting(name: str, argument: Any) -> str | None:
    setting = argument.variable_set_stmt
    if name != "set" or (setting.name != "search_path" and trees.choice(setting, "kind") != "VAR_RESET_ALL"):
        return None
    return trees.choice(setting, "kind")


def _dropped(node: _Node, kind: str) -> Iterator[tuple[str, str]]:
    """What is dropped: table, and the name of its policy or trigger where that goes and not the table."""
    if node.kind != "drop_stmt" or trees.choice(node.tree, "remove_type") != kind:
        return
    own = kind in ("OBJECT_POLICY", "OBJECT_TRIGGER")
    for item in node.tree.objects:
        parts = [part.string.sval for part in item.list.items]
        yield (_qualified(parts[:-1]), parts[-1]) if own else (_qualified(parts), "")


def _relation(node: Any) -> str:
    return _qualified([node.schemaname, node.relname] if node.schemaname else [node.relname])


def _qualified(parts: Iterable[str]) -> str:
    names = list(parts)
    return ".".join(names if len(names) > 1 else ["public", *names])
