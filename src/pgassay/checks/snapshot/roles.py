"""Roles as far as a project's own SQL makes them: attributes, memberships, settings.

All databases of a server share its roles, so the catalog does not say whose they are. The statements do, those in DO
blocks too. What a function executes is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pgassay import migrations
from pgassay.checks import blocks
from pgassay.checks.snapshot import state
from pgassay.checks.snapshot.reading import OWNER
from pgassay.checks.snapshot.state import Object, State, name
from pgassay.migrations import Script, Statement
from pgassay.sqltree import trees

_ATTRIBUTES = {
    "superuser": "superuser",
    "createdb": "createdb",
    "createrole": "createrole",
    "inherit": "inherit",
    "canlogin": "login",
    "isreplication": "replication",
    "bypassrls": "bypassrls",
}
"""How the parser calls them, and how they are written."""
_LIMITS = {"connectionlimit": "connection limit", "validUntil": "valid until"}
_DEFAULTS = {"inherit": "yes"}


def since(before: Iterable[Script], scripts: Iterable[Script]) -> State:
    """The roles as ``scripts`` leave them, without what the SQL ``before`` them made."""
    first = list(before)
    found = state.since(state.state(_made([*first, *scripts])), state.state(_made(first)))
    return state.state(thing for thing in found.objects.values() if thing.entries or not thing.partial)


@dataclass
class _Role:
    is_made: bool = False
    entries: dict[str, str] = field(default_factory=dict)


class _Roles:
    """The roles that statements speak of, one after the other."""

    def __init__(self) -> None:
        self.found: dict[str, _Role] = {}

    def take(self, kind: str, node: Any) -> None:
        """What a statement changes."""
        change = _CHANGES.get(kind)
        if change is not None:
            change(self, node)

    def of(self, role: str) -> _Role:
        """A role, which the platform made where no statement did."""
        return self.found.setdefault(role, _Role())

    def create(self, node: Any) -> None:
        """CREATE ROLE, USER or GROUP."""
        made = self.found.setdefault(_own(node.role), _Role(is_made=True))
        if trees.choice(node, "stmt_type") == "ROLESTMT_USER" and made.is_made:
            made.entries["login"] = "yes"
        self._attributes(_own(node.role), node.options)

    def alter(self, node: Any) -> None:
        """ALTER ROLE, or ALTER GROUP … ADD USER."""
        role = _called(node.role)
        if node.action < 0:
            for option in node.options:
                for member in _listed(option.def_elem):
                    self._leave(member, role)
        else:
            self._attributes(role, node.options)

    def set(self, node: Any) -> None:
        """ALTER ROLE … SET. Settings in one database alone are told of the database."""
        if node.database:
            return
        role = _called(node.role) if node.HasField("role") else "all"
        entries, given = self.of(role).entries, node.setstmt
        kind = trees.choice(given, "kind")
        if kind == "VAR_SET_VALUE":
            entries[f"set {given.name}"] = ", ".join(_value(part) for part in given.args)
        elif kind == "VAR_SET_CURRENT":
            entries[f"set {given.name}"] = "as it was when it was set"
        elif kind == "VAR_RESET_ALL":
            for key in [key for key in entries if key.startswith("set ")]:
                self._reset(role, key)
        else:
            self._reset(role, f"set {given.name}")

    def grant(self, node: Any) -> None:
        """GRANT or REVOKE of a role."""
        options = [option.def_elem for option in node.opt]
        for member in map(_spec, node.grantee_roles):
            for given in node.granted_roles:
                role = _own(given.access_priv.priv_name)
                if node.is_grant:
                    words = [f"{option.defname} {str(_truth(option)).lower()}" for option in options]
                    self.of(member).entries[f"member of {role}"] = f"with {', '.join(sorted(words))}" if words else ""
                elif not options:
                    self._leave(member, role)
                elif f"member of {role}" in self.of(member).entries:
                    self.of(member).entries[f"member of {role}"] = ""

    def drop(self, node: Any) -> None:
        """DROP ROLE."""
        for role in map(_spec, node.roles):
            self.found.pop(role, None)
            for other in self.found.values():
                other.entries.pop(f"member of {role}", None)

    def rename(self, node: Any) -> None:
        """ALTER ROLE … RENAME."""
        if trees.choice(node, "rename_type") != "OBJECT_ROLE" or node.subname not in self.found:
            return
        self.found[node.newname] = self.found.pop(node.subname)
        for role in self.found.values():
            if f"member of {node.subname}" in role.entries:
                role.entries[f"member of {node.newname}"] = role.entries.pop(f"member of {node.subname}")

    def _attributes(self, role: str, options: Any) -> None:
        entries, is_made = self.of(role).entries, self.of(role).is_made
        for option in (part.def_elem for part in options):
            if option.defname in _ATTRIBUTES:
                attribute, value = _ATTRIBUTES[option.defname], "yes" if _truth(option) else "no"
                if is_made and value == _DEFAULTS.get(attribute, "no"):
                    entries.pop(attribute, None)
                else:
                    entries[attribute] = value
            elif option.defname in _LIMITS:
                entries[_LIMITS[option.defname]] = _value(option.arg)
            elif option.defname in ("rolemembers", "adminmembers"):
                for member in _listed(option):
                    with_admin = "with admin true" if option.defname == "adminmembers" else ""
                    self.of(member).entries[f"member of {role}"] = with_admin
            elif option.defname == "addroleto":
                entries |= {f"member of {other}": "" for other in _listed(option)}

    def _leave(self, member: str, role: str) -> None:
        told = self.of(member)
        if told.entries.pop(f"member of {role}", None) is None and not told.is_made:
            told.entries[f"member of {role}"] = "no"

    def _reset(self, role: str, key: str) -> None:
        told = self.of(role)
        if told.entries.pop(key, None) is None and not told.is_made:
            told.entries[key] = "default"


_CHANGES: dict[str, Callable[[_Roles, Any], None]] = {
    "create_role_stmt": _Roles.create,
    "alter_role_stmt": _Roles.alter,
    "alter_role_set_stmt": _Roles.set,
    "grant_role_stmt": _Roles.grant,
    "drop_role_stmt": _Roles.drop,
    "rename_stmt": _Roles.rename,
}


def _made(scripts: Iterable[Script]) -> list[Object]:
    roles = _Roles()
    for script in scripts:
        for statement in migrations.split(script.sql):
            for kind, node in _nodes(statement):
                roles.take(kind, node)
    return [
        Object("role", name(role), dict(sorted(told.entries.items())), partial=not told.is_made)
        for role, told in roles.found.items()
        if not blocks.is_unknown(role)
    ]


def _nodes(statement: Statement) -> Iterator[tuple[str, Any]]:
    """The statement, or what a DO block executes. Most statements have none of the words, and are not parsed."""
    said = set(statement.text.lower().replace('"', ' "').split())
    if said.isdisjoint(_WORDS) and (said.isdisjoint(_GRANTS) or "on" in said):
        return
    for part in trees.parsed(statement.text) or ():
        kind = part.WhichOneof("node")
        if kind == "do_stmt":
            for done in blocks.executed(statement):
                for inner in migrations.split(done.sql) if done.sql is not None else ():
                    yield from _nodes(Statement(inner.text, done.line + inner.line - 1))
        else:
            yield kind, getattr(part, kind)


_WORDS = ("do", "role", "user", "group", "owned")
_GRANTS = ("grant", "revoke")


def _spec(part: Any) -> str:
    return _called(part.role_spec)


def _called(role: Any) -> str:
    kind = trees.choice(role, "roletype")
    return "public" if kind == "ROLESPEC_PUBLIC" else _own(role.rolename) if kind == "ROLESPEC_CSTRING" else OWNER


def _own(role: str) -> str:
    return OWNER if role == "postgres" else role


def _listed(option: Any) -> list[str]:
    return [_spec(part) for part in option.arg.list.items]


def _truth(option: Any) -> bool:
    kind = option.arg.WhichOneof("node") if option.HasField("arg") else None
    if kind == "boolean":
        return bool(option.arg.boolean.boolval)
    if kind == "integer":
        return bool(option.arg.integer.ival)
    if kind == "string":
        return str(option.arg.string.sval).lower() in ("true", "option")
    return True


def _value(node: Any) -> str:
    constant = node.a_const if node.WhichOneof("node") == "a_const" else node
    for field_, inner in (
        ("sval", "sval"),
        ("ival", "ival"),
        ("fval", "fval"),
        ("string", "sval"),
        ("integer", "ival"),
    ):
        if field_ in constant.DESCRIPTOR.fields_by_name and constant.HasField(field_):
            return str(getattr(getattr(constant, field_), inner))
    return "another value"
