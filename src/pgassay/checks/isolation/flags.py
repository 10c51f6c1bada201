"""Rows that a policy opens to others once a column of theirs says so: whether that is meant, only the project knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import postgast
import psycopg
from psycopg import sql

from pgassay.catalog import Column
from pgassay.checks.finding import ERROR, QUESTION, Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.openings import closed_values
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.config import Published
from pgassay.identity import Session

_ASKED = """
select
    pg_catalog.concat(n.nspname, '.', c.relname), a.attname::pg_catalog.text, p.polname::pg_catalog.text,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid)
from pg_catalog.pg_policy as p
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = p.polrelid
join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
join pg_catalog.pg_class as c on p.polrelid = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where p.polcmd in ('r', '*', 'w', 'd') and p.polpermissive and a.attgenerated = ''
group by 1, 2, 3, 4
order by 1, 2, 3
"""


@dataclass(frozen=True)
class Opening:
    """A value of a column that policies ask for, with which rows may be open to others."""

    column: Column
    value: Any
    published: Published
    policies: tuple[str, ...]
    is_positive: bool
    """Whether somebody sets it: a flag that is true, a constant, or what the column is not by default.

    Else nothing is against it, as with ``archived = false``.
    """

    @property
    def may_be_set(self) -> bool:
        """Whether the column's default tells if somebody sets it; of a flag only that it is true can be declared."""
        return not self.is_positive and self.column.category != "B"


class Flags:
    """Columns that policies ask for: flags, times, and those that are compared with constants."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.probes = 0

    def try_all(self, target: Target, actors: Iterable[Actor]) -> Iterator[Found]:
        """Give the rows of B each value of such a column, as their owner, and see what somebody else does with them."""
        relation = target.relation
        if relation.full_name in self._world.tenancy.public:
            return
        others = [actor for actor in actors if actor.shown and not actor.may_all and "B" not in actor.own]
        found: set[tuple[str, str]] = set()
        for opening in self.openings(relation.full_name):
            for door in ("select", "update", "delete"):
                if (opening.column.name, door) not in found:
                    tried = self._try(target, opening, door, others)
                    if tried is not None and not self._is_said(tried[0], door):
                        found.add((opening.column.name, door))
                        yield self._finding(target, tried[0], door, *tried[1:])

    def openings(self, name: str) -> Iterator[Opening]:
        """The values to be tried of the columns of a relation."""
        relation = self._world.relations[name]
        linked = {*relation.primary_key, *(here for key in relation.foreign_keys for here, _ in key.columns)}
        for column_name, policies in self._asked.get(name, {}).items():
            column = relation.column(column_name)
            if column is None or column_name in linked:
                continue
            names = tuple(policies)
            listed: list[Any] = self._world.maker.listed_of(name).get(column_name, [])
            if column.category == "B":
                for flag in (True, False):
                    yield Opening(column, flag, Published(name, column_name), names, flag)
            elif column.category == "D":
                for time in ("yesterday", "tomorrow"):  # PostgreSQL's own words
                    yield Opening(column, time, Published(name, column_name), names, False)
            elif column.category in "SE":
                texts = [text for policy in policies.values() for text in _compared(policy, column_name)]
                for value in dict.fromkeys([*listed, *texts]):
                    yield Opening(column, value, Published(name, column_name, value), names, value in texts)

    def closed(self, opening: Opening) -> list[Any]:
        """Values of the column with which rows would not be open."""
        name = opening.published.table
        listed = self._world.maker.listed_of(name).get(opening.column.name, [])
        return closed_values(opening.column, opening.published.value, listed)

    @cached_property
    def _asked(self) -> dict[str, dict[str, dict[str, str]]]:
        found: dict[str, dict[str, dict[str, str]]] = {}
        for relation, column, policy, expression in self._world.ask(_ASKED):
            found.setdefault(relation, {}).setdefault(column, {})[policy] = expression or ""
        return found

    def _is_said(self, opening: Opening, door: str) -> bool:
        return door == "select" and opening.published in self._world.tenancy.published

    def _try(
        self, target: Target, opening: Opening, door: str, actors: Iterable[Actor]
    ) -> tuple[Opening, Actor, list[str]] | None:
        """Who reaches rows of tenants that are not its own, only because of that value in them; and how they got it.

        The opening is positive as well where the default of the column closes the rows again.

        On the session of the rows' owner: what is not committed, no other session would see.
        """
        owner = self._world.connection
        for actor in actors:
            try:
                with owner.transaction(force_rollback=True):
                    if not self._reached(target, door, actor) <= actor.own:
                        return None
                    changes = self._set(target, opening)
                    if changes and not self._reached(target, door, actor) <= actor.own:
                        by_default = opening.may_be_set and bool(self._set(target, opening, by_default=True))
                        is_closed = by_default and self._reached(target, door, actor) <= actor.own
                        return replace(opening, is_positive=opening.is_positive or is_closed), actor, changes
            except psycopg.Error:
                if owner.closed:
                    raise
        return None

    def _reached(self, target: Target, door: str, actor: Actor) -> set[str]:
        self.probes += 1
        with actor.enter(self._world.connection) as session:
            return target.read(session) if door == "select" else target.reaches(door, session, actor)

    def _set(self, target: Target, opening: Opening, *, by_default: bool = False) -> list[str]:
        """The statements by which rows of B got that value, or that of the column's default.

        Those that a constraint or trigger refuses are none.
        """
        changed = []
        for statement in self._changes(target, opening, by_default):
            try:
                with self._world.connection.transaction():
                    if self._world.connection.execute(statement.encode()).rowcount > 0:
                        changed.append(statement)
            except psycopg.Error:
                if self._world.connection.closed:
                    raise
        return changed

    def _changes(self, target: Target, opening: Opening, by_default: bool) -> Iterator[str]:
        """The statements that give the rows of B that value, or the default."""
        relation = target.relation
        statement = sql.SQL("update {} set {} = {} where {}").format(
            sql.Identifier(relation.schema, relation.name),
            sql.Identifier(opening.column.name),
            sql.DEFAULT if by_default else sql.Placeholder(),
            self._world.where(relation.primary_key),
        )
        for made, label, row in self._world.made():
            if made == relation.full_name and label == "B" and relation.primary_key:
                key = [row[name] for name in relation.primary_key]
                yield self._world.connection.bound(statement, key if by_default else [opening.value, *key])

    def _finding(self, target: Target, opening: Opening, door: str, actor: Actor, changes: list[str]) -> Found:
        relation = target.relation
        name, column, value = relation.full_name, opening.column.name, opening.value
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        table = sql.Identifier(relation.schema, relation.name)
        condition = sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))
        statements = {
            "select": sql.SQL("select * from {} where {}").format(table, condition),
            "update": sql.SQL("update {} set {} = {} where {}").format(
                table, sql.Identifier(column), sql.Identifier(column), condition
            ),
            "delete": sql.SQL("delete from {} where {}").format(table, condition),
        }
        is_asked = door == "select" and opening.is_positive
        policies = " and ".join(opening.policies)
        finding = Finding(
            Verdict.LEAKS.rule if door == "select" else Verdict.WRITES_ACROSS.rule,
            name,
            f"{actor.name} can {door} rows of other tenants of which {column} is {shown}",
            f"Hold {policies} to the caller's tenants.",
            QUESTION if is_asked else ERROR if door != "select" else "warning",
            actor.name,
            statements[door].as_string(None),
            door=door,
            culprit=", ".join(f"policy {policy} on {name}" for policy in opening.policies) if is_asked else "",
            expected="no row of another tenant, unless that is what the column says",
        )

        def holds(session: Session) -> bool:
            reached = target.read(session) if door == "select" else target.reaches(door, session, actor)
            return not reached <= actor.own

        before = f"set local role service_role;\n{'; '.join(changes)};\nreset role;\n"
        answer = opening.published if is_asked else None
        return finding, Probe(actor, holds, before, "; ".join(changes), answer=answer)


def _compared(expression: str, column: str) -> list[str]:
    """The constants with which an expression compares a column for equality."""
    try:
        parsed = postgast.parse(f"select {expression}")
    except (postgast.PgQueryError, ValueError):
        return []
    return list(_constants(parsed, column))


def _constants(message: Any, column: str) -> Iterator[str]:
    kinds = (postgast.pg_query_pb2.AEXPR_OP, postgast.pg_query_pb2.AEXPR_OP_ANY, postgast.pg_query_pb2.AEXPR_IN)
    if message.DESCRIPTOR.name == "A_Expr" and message.kind in kinds and message.name[-1].string.sval == "=":
        for one, other in ((message.lexpr, message.rexpr), (message.rexpr, message.lexpr)):
            if _named(one) == column:
                yield from _texts(other)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for below in value if field.is_repeated else [value]:
                yield from _constants(below, column)


def _named(node: Any) -> str:
    while node.WhichOneof("node") == "type_cast":
        node = node.type_cast.arg
    return str(node.column_ref.fields[-1].string.sval) if node.WhichOneof("node") == "column_ref" else ""


def _texts(node: Any) -> Iterator[str]:
    """The texts that are spelled out in a node."""
    if node.DESCRIPTOR.name == "A_Const" and node.HasField("sval"):
        yield node.sval.sval
    for field, value in node.ListFields():
        if field.message_type is not None and field.name != "type_name":
            for below in value if field.is_repeated else [value]:
                yield from _texts(below)
