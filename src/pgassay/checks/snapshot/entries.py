"""Entries of a snapshot as parse trees: what a policy, trigger, constraint, column or query says.

What cannot be read is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pgassay import sqltree
from pgassay.checks.snapshot import layout
from pgassay.sqltree import canonical, selects, trees, words

_COMMANDS = frozenset(("select", "insert", "update", "delete"))
TRUE = sqltree.expression("true")
_NEVER_FIRES = ("disabled", "enabled for replicas only")
_FIRES = (*_NEVER_FIRES, "enabled always")


@dataclass(frozen=True)
class Policy:
    """A policy. A condition that is not written holds for all rows, one that cannot be read is None."""

    restrictive: bool
    command: str
    roles: frozenset[str]
    using: sqltree.Node | None
    check: sqltree.Node | None

    @property
    def commands(self) -> frozenset[str]:
        """The commands that it is for."""
        return _COMMANDS if self.command == "all" else frozenset((self.command,))


def policy(text: str) -> Policy | None:
    """The policy that an entry says."""
    found = layout.clauses(text, ("for",), ("to",), ("using",), ("with", "check"))
    if not {"for", "to"} <= set(found):
        return None
    using = sqltree.expression(found["using"]) if "using" in found else TRUE
    return Policy(
        restrictive=found[""] == "as restrictive",
        command=found["for"],
        roles=frozenset(layout.parts(found["to"])),
        using=using,
        check=sqltree.expression(found["with check"]) if "with check" in found else using,
    )


@dataclass(frozen=True)
class Event:
    """A statement on which a trigger fires; an update perhaps only of some ``columns``."""

    bit: int
    columns: frozenset[str] = frozenset()

    def covers(self, other: Event) -> bool:
        """Whether it is there on all that is the other one."""
        if self.bit != other.bit:
            return False
        return not self.columns or (bool(other.columns) and other.columns <= self.columns)


@dataclass(frozen=True)
class Trigger:
    """A trigger, and whether it fires in sessions of clients."""

    node: Any
    fires: str

    @property
    def is_off(self) -> bool:
        """Whether no statement of a client makes it fire."""
        return self.fires in _NEVER_FIRES

    @cached_property
    def events(self) -> list[Event]:
        """The statements on which it fires."""
        columns = frozenset(trees.names(self.node.columns))
        bits = [1 << place for place in range(self.node.events.bit_length()) if self.node.events >> place & 1]
        return [Event(bit, columns if bit == _UPDATE else frozenset()) for bit in bits]

    @property
    def does(self) -> str | None:
        """All but on what it fires and under which condition."""
        rest = type(self.node)()
        rest.CopyFrom(self.node)
        for field in ("columns", "when_clause", "replace"):
            rest.ClearField(field)
        rest.events = _UPDATE
        return trees.written(rest)

    @property
    def when(self) -> sqltree.Node | None:
        """The condition under which it fires."""
        return sqltree.unwrapped(self.node.when_clause) if self.node.HasField("when_clause") else TRUE


_UPDATE = 1 << 4
"""As PostgreSQL keeps it (TRIGGER_TYPE_UPDATE)."""


def trigger(text: str) -> Trigger | None:
    """The trigger that an entry says."""
    definition, _, last = text.rpartition("\n")
    fires = last if definition and last in _FIRES else ""
    definition = definition if fires else text
    kind = "constraint trigger" if definition.startswith("constraint ") else "trigger"
    node = trees.only(f"create {kind} t {definition.removeprefix('constraint ')}", "CreateTrigStmt")
    return None if node is None else Trigger(node, fires)


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table or domain."""

    node: Any

    @property
    def kind(self) -> str:
        """As ``CONSTR_CHECK``."""
        return trees.choice(self.node, "contype")

    @property
    def is_valid(self) -> bool:
        """Whether it is known to hold for the rows that are there."""
        return not self.node.skip_validation or not self.node.is_enforced

    @property
    def is_enforced(self) -> bool:
        """Whether it refuses rows."""
        return bool(self.node.is_enforced) or self.kind not in _ENFORCED

    @property
    def condition(self) -> sqltree.Node | None:
        """What a CHECK asks for."""
        return sqltree.unwrapped(self.node.raw_expr) if self.node.HasField("raw_expr") else None

    @property
    def keys(self) -> frozenset[str]:
        """The columns of a unique or primary key."""
        return frozenset(trees.names(self.node.keys))

    @property
    def nulls_differ(self) -> bool:
        """Whether a unique key lets in NULL more than once."""
        return not self.node.nulls_not_distinct

    @property
    def reference(self) -> tuple[object, ...]:
        """What a foreign key wants to be there, whatever happens when that goes."""
        to = self.node.pktable
        columns = [tuple(trees.names(parts)) for parts in (self.node.fk_attrs, self.node.pk_attrs)]
        return *columns, to.schemaname, to.relname, self.node.fk_matchtype


_ENFORCED = ("CONSTR_CHECK", "CONSTR_FOREIGN")
"""The kinds that can be there and refuse nothing."""


def constraint(text: str) -> Constraint | None:
    """The constraint that an entry says."""
    altered = trees.only(f"alter table t add constraint c {text}", "AlterTableStmt")
    if altered is None or len(altered.cmds) != 1:
        return None
    node = sqltree.unwrapped(getattr(altered.cmds[0].alter_table_cmd, "def"))
    return Constraint(node) if sqltree.kind(node) == "Constraint" else None


@dataclass(frozen=True)
class Column:
    """A column: its type as it is written, and what is asked of it."""

    type: str
    is_not_null: bool
    has_default: bool
    is_generated: bool


def column(text: str) -> Column:
    """The column that an entry says."""
    found = layout.clauses(text, ("collate",), ("not", "null"), ("default",), ("generated",))
    return Column(found[""], "not null" in found, "default" in found, "generated" in found)


@dataclass(frozen=True)
class Query:
    """A SELECT in its one form: what it reads, each thing that it gives, and its condition."""

    source: str | None
    targets: frozenset[str | None]
    condition: sqltree.Node


def query(text: str) -> Query | None:
    """The query of a view; None where it is several."""
    select = trees.only(text, "SelectStmt")
    if select is None or trees.choice(select, "op") != "SETOP_NONE" or not len(select.from_clause):
        return None
    select = canonical.canonical(select)
    condition = sqltree.unwrapped(select.where_clause) if select.HasField("where_clause") else TRUE
    given = frozenset(map(sqltree.deparsed, selects.targets(select)))
    for field in ("target_list", "distinct_clause", "where_clause"):
        select.ClearField(field)
    return Query(trees.written(select), given, condition)


def calls(text: str) -> Iterator[str]:
    """The names before a parenthesis, as functions are called by; in constant texts too, which may be executed."""
    found = words.said(text)
    for n, word in enumerate(found):
        if word.is_text:
            yield from calls(word.value)
        elif word.text == "(" and n:
            start = n - 1
            while start >= 2 and found[start - 1].text == ".":
                start -= 2
            yield "".join(part.text for part in found[max(start, n - 3) : n])
