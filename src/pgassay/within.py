"""Who may what within a tenant, as the configuration declares it: rights of roles, and states of rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pgassay.entries import column, refuse_unknown, relation, text, texts, unquoted
from pgassay.errors import ConfigError

OPERATIONS = ("select", "insert", "update", "delete")
_ROLES_KEYS = ("column", "order", "roles", "tables")
_STATE_KINDS = ("open", "hidden")
_STATE_KEYS = (*_STATE_KINDS, "stays")
_WORDS = (*OPERATIONS, "all", "own", "none")


@dataclass(frozen=True)
class Right:
    """What a role may do in a table: ``operations`` on all rows of its tenant, and everything on its ``own`` rows.

    ``owner`` is the column that names the owner of a row, if the declaration says which.
    """

    operations: frozenset[str] = frozenset()
    own: bool = False
    owner: str = ""

    def __or__(self, other: Right) -> Right:
        return Right(self.operations | other.operations, self.own or other.own, self.owner or other.owner)

    @property
    def written(self) -> str:
        """As the configuration has it."""
        words = [word for word in OPERATIONS if word in self.operations]
        if len(words) == len(OPERATIONS):
            words = ["all"]
        elif self.own:
            words.append(f"own:{self.owner}" if self.owner else "own")
        return ", ".join(words) or "none"


@dataclass(frozen=True)
class Roles:
    """The roles that a membership can have, and what each may do.

    ``columns`` hold the role, each as its table and its name. In ``order``, each role may what those before it may;
    ``others`` stand in no order. ``tables`` are the rights of each role in each declared table.
    """

    columns: tuple[tuple[str, str], ...]
    order: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, Right]] = field(default_factory=dict)

    @property
    def all(self) -> tuple[str, ...]:
        """All roles, those of the order first. A role that a table alone names is one, too."""
        named = (role for rights in self.tables.values() for role in rights)
        return tuple(dict.fromkeys((*self.order, *self.others, *named)))

    def right(self, role: str, table: str) -> Right:
        """What a role may do in a declared table, with the rights of those before it."""
        rights = self.tables[table]
        before = self.order[: self.order.index(role)] if role in self.order else ()
        found = Right()
        for name in (*before, role):
            found |= rights.get(name, Right())
        return found

    def owner_in(self, table: str) -> str:
        """The column that rights of a table name as that of the owner; empty where none does."""
        return next((right.owner for right in self.tables[table].values() if right.owner), "")

    def has_own(self, table: str) -> bool:
        """Whether a right of a table speaks of one's own rows."""
        return any(right.own for right in self.tables[table].values())


@dataclass(frozen=True)
class State:
    """A state of the rows of a table, by an SQL expression: outside of ``open`` a row opens nothing.

    A row in ``hidden`` is nobody's but that of ``service_role``. Instead of an expression, ``hidden`` may have a column
    that refers to another table: a row is hidden with the one that it refers to. ``stays`` are tables whose rows stay
    where they are when one that they refer to is hidden.
    """

    table: str
    kind: str
    expression: str
    stays: tuple[str, ...] = ()


@dataclass(frozen=True)
class Within:
    """Who may what within a tenant: the ``roles``, None where none are declared, and the ``states``."""

    roles: Roles | None = None
    states: tuple[State, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Roles as they were observed, for a person to confirm, and what only a person can say of them."""

    roles: Roles
    questions: tuple[str, ...] = ()


def read_within(table: Mapping[str, Any], where: str) -> Within:
    """What ``roles`` and ``states`` in the table ``[tool.pgassay]`` declare; ``where`` is said in errors."""
    roles = _roles(table["roles"], _inside(where, "roles")) if "roles" in table else None
    return Within(roles, _states(table.get("states", {}), _inside(where, "states")))


def _inside(where: str, key: str) -> str:
    return where.replace("tool.pgassay", f"tool.pgassay.{key}")


def _roles(table: object, where: str) -> Roles:
    table = unquoted(table)
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table.")
    refuse_unknown(table, _ROLES_KEYS, where)
    named = table.get("column")
    columns = [named] if isinstance(named, str) else texts(table, "column", where)
    if not columns:
        raise ConfigError(
            f"{where} lacks column.", hint='Write the column that holds the role, as "public.members.role".'
        )
    order, others = texts(table, "order", where), texts(table, "roles", where)
    twice = [role for role in (*order, *others) if (*order, *others).count(role) > 1]
    if twice:
        raise ConfigError(f"{where} names the role {twice[0]!r} twice.")
    return Roles(
        tuple(column(name, where) for name in columns),
        tuple(order),
        tuple(others),
        _tables(table.get("tables", {}), where),
    )


def _tables(table: object, where: str) -> dict[str, dict[str, Right]]:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: tables must be a table of rights by relation, not {table!r}.")
    found: dict[str, dict[str, Right]] = {}
    for name, rights in table.items():
        if not isinstance(rights, dict):
            raise ConfigError(
                f"{where}: the rights in {name} are {rights!r}.",
                hint='Write what each role may do, as { viewer = "select", admin = "all" }.',
            )
        found[relation(name, where)] = {role: _right(words, name, role, where) for role, words in rights.items()}
        owners = {right.owner for right in found[relation(name, where)].values() if right.owner}
        if len(owners) > 1:
            raise ConfigError(f"{where}: rights in {name} name several owner columns: {', '.join(sorted(owners))}.")
    return found


def _right(words: object, name: str, role: str, where: str) -> Right:
    listed = words.split(",") if isinstance(words, str) else words
    if not isinstance(listed, list) or not listed or not all(isinstance(word, str) for word in listed):
        raise ConfigError(f"{where}: the right of {role} in {name} must be a string or a list, not {words!r}.")
    found = Right()
    for word in map(str.strip, listed):
        what, _, owner = word.partition(":")
        if what not in _WORDS or (owner and what != "own"):
            near = difflib.get_close_matches(word, _WORDS, n=1)
            raise ConfigError(
                f"{where}: the right of {role} in {name} has the unknown word {word!r}.",
                hint=f"Did you mean {near[0]!r}?" if near else f"Words are {', '.join(_WORDS)}, and own:COLUMN.",
            )
        if what == "none" and len(listed) > 1:
            raise ConfigError(f"{where}: the right of {role} in {name} is none and something else.")
        found |= _meant(what, owner)
    return found


def _meant(word: str, owner: str) -> Right:
    if word == "own":
        return Right(own=True, owner=owner)
    return Right(frozenset({"all": OPERATIONS, "none": ()}.get(word, (word,))))


def _states(table: object, where: str) -> tuple[State, ...]:
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table.")
    return tuple(state for name, states in table.items() for state in _states_of(name, states, where))


def _states_of(name: str, states: object, where: str) -> Iterable[State]:
    if not isinstance(states, dict) or not states:
        raise ConfigError(
            f"{where}: the states of {name} are {states!r}.",
            hint='Write a condition on its rows, as { open = "not revoked" } or { hidden = "deleted_at is not null" }.',
        )
    where = f"{where}: {name}"
    refuse_unknown(states, _STATE_KEYS, where)
    stays = tuple(relation(table, where) for table in texts(states, "stays", where))
    if stays and "hidden" not in states:
        raise ConfigError(f"{where} has stays, and no hidden beside it.")
    for kind in states:
        if kind not in _STATE_KINDS:
            continue
        expression = text(states, kind, where) or ""
        if not expression.strip():
            raise ConfigError(f"{where} has an empty {kind}.")
        yield State(relation(name, where), kind, expression.strip(), stays if kind == "hidden" else ())
