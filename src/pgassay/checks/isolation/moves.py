"""Moves: rows of one's own that become another tenant's, or point to theirs, and theirs that become one's own."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.writes import Write, Writes
from pgassay.config import Membership
from pgassay.identity import Session
from pgassay.rows import USERS, Row, insert_statement

if TYPE_CHECKING:
    from pgassay.checks.isolation.relations import Found, Target

_ROWS = 4
"""With so many rows of another tenant it is tried whether these show what refers to them."""


class Moves:
    """Updates and inserts that cross the line between two tenants in ``target``."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._world = target.world
        self._relation = target.relation
        self._table = sql.Identifier(target.relation.schema, target.relation.name)
        self._column = target.column

    def try_all(self, api: Session, actor: Actor) -> Iterator[Found]:
        """Move a row of one's own to B, and point one's foreign keys to rows of B."""
        (own,) = actor.own
        tenants, tenancy = self._world.tenants, self._world.tenancy
        name = self._relation.full_name
        if self._target.is_table and own not in tenants.rows.get(name, {}):
            return
        granted = set(self._world.granted(self._relation, actor.identity.role, "update"))
        if self._target.failures.is_endless("update", actor):
            return
        for changes in self._taking(own, granted):
            taken = self.takes(api, actor, changes)
            if taken is not None:
                what = "takes rows of another tenant"
                yield self.crossed(actor, api, taken, self.takes, changes, what, Verdict.WRITES_ACROSS)
                break
        member = tenancy.member
        if isinstance(member, Membership) and member.table == tenancy.tenant == name and member.user in granted:
            changes = {member.user: tenants.users["B"]}
            if (given := self.changes_with(api, actor, changes)) is not None:
                what = "moves its own tenant to another user"
                yield self.crossed(actor, api, given, self.changes_with, changes, what)
        if self._column in granted and self._relation.column(self._column) is not None:
            for changes in self._ways(granted):
                moved = self._moves(api, actor, changes)
                if moved is not None:
                    what = "moves a row of its own to another tenant"
                    yield self.crossed(actor, api, moved, self._moves, changes, what)
                    break
        for key in self._relation.foreign_keys:
            columns = [column for column, _ in key.columns]
            if not set(columns) <= granted or self._column in columns:
                continue
            if key.target in {USERS, tenancy.tenant, *tenancy.public}:
                continue
            for there in self._theirs(key.target):
                changes = {column: there[target] for column, target in key.columns}
                pointed = self.changes_with(api, actor, changes)
                if pointed is not None:
                    what = f"points {', '.join(columns)} of a row of its own to a row of another tenant"
                    worse = tenancy.tables.get(name, "").split(".")[0] == columns[0] or self._writes_across(
                        api, actor, pointed.statement, pointed.values
                    )
                    worse = worse or self._appears(api, key, {})
                    severity = "error" if worse else "warning"
                    yield self.crossed(actor, api, pointed, self.changes_with, changes, what, severity=severity)
                    self._target.pointed.add(tuple(columns))
                    break
        yield from self._point(api, actor, own)

    def _theirs(self, target: str) -> list[Row]:
        """Rows of B to which something may be made to refer: the first, and another one, to which nothing does yet."""
        made = (self._world.tenants.rows, self._world.tenants.others)
        return [rows[target]["B"] for rows in made if "B" in rows.get(target, {})]

    def _taking(self, own: str, granted: Collection[str]) -> Iterator[Row]:
        """What has to be changed for rows of others to be one's own: the tenant, and what would not fit then.

        Last what policies ask of a new row, as it stands in one's own.
        """
        mine = self._world.tenants.rows.get(self._relation.full_name, {}).get(own, {})
        if self._column in granted and self._relation.column(self._column) is not None:
            yield from self._with_tenant(own, mine, granted)
        asked = {
            name
            for one in self._world.sources.conditions
            if one.relation == self._relation.full_name
            for tree in one.trees
            for *_, name in sqltree.columns(tree)
        }
        asked &= {*mine} & {*granted} - {*self._relation.primary_key}
        if asked - {self._column}:
            yield {name: mine[name] for name in sorted(asked)}

    def _with_tenant(self, own: str, mine: Row, granted: Collection[str]) -> Iterator[Row]:
        alone = {self._column: self._world.tenants.ids[own]}
        yield alone
        unique = {
            name for index in self._relation.exclusions if self._column in index.columns for name in index.columns
        }
        linked = self._relation.referring
        new = {
            name: value
            for name in sorted((unique - linked - {self._column}) & set(granted))
            if (value := self._world.maker.another(self._relation, name)) is not None
        }
        tied = {
            here for key in self._relation.foreign_keys for here, _ in key.columns if self._column in dict(key.columns)
        }
        together = {name: mine[name] for name in sorted(tied & {*granted} & {*mine})}
        for changes in (
            {**alone, **new},
            {**alone, **together},
            {**alone, **together, **new},
            {**self._nothing(granted), **alone},
            {**self._nothing(granted), **alone, **new},
        ):
            if changes != alone:
                yield changes

    def _nothing(self, granted: Collection[str]) -> Row:
        """NULL for each reference that may be NULL."""
        linked = self._relation.referring & set(granted)
        return {
            column.name: None
            for column in self._relation.columns
            if column.name in linked and not column.not_null and column.name != self._column
        }

    def _ways(self, granted: Collection[str]) -> Iterator[Row]:
        """What has to be changed for a row to be B's: the tenant, what refers to rows of a tenant, what may be NULL."""
        tenants = self._world.tenants
        alone = {self._column: tenants.ids["B"]}
        yield alone
        together = dict(alone)
        for key in self._relation.foreign_keys:
            there = tenants.rows.get(key.target, {}).get("B")
            if there is not None and self._column in [here for here, _ in key.columns]:
                together.update({here: there[target] for here, target in key.columns})
        filled = tenants.others.get(self._relation.full_name, {}).get("A", {})
        further = {
            column.name: json.dumps(filled[column.name]) if column.type in ("json", "jsonb") else filled[column.name]
            for column in self._relation.columns
            if not column.not_null and not column.generated and filled.get(column.name) is not None
        }
        nothing = self._nothing(granted)
        for changes in (together, {**further, **together}, {**nothing, **alone}, {**nothing, **together}):
            if changes != alone and changes.keys() <= set(granted):
                yield changes

    def _point(self, api: Session, actor: Actor, own: str) -> Iterator[Found]:
        """Insert rows of one's own of which a foreign key, that does not say whose they are, points to a row of B."""
        tenancy, name = self._world.tenancy, self._relation.full_name
        owning = tenancy.tables.get(name, "").split(".")[0]
        if not self._target.is_table or (not owning and self._relation.column(self._column) is None):
            return
        for key in self._relation.foreign_keys:
            columns = tuple(column for column, _ in key.columns)
            if {self._column, owning} & set(columns) or key.target in {USERS, tenancy.tenant, *tenancy.public}:
                continue
            for values, there in itertools.product(self._target.insertable(own, actor), self._theirs(key.target)):
                row = {**values, **{column: there[target] for column, target in key.columns}}
                if self._target.counted(api, insert_statement(self._relation, row), list(row.values())):
                    found = self._pointing(api, actor, columns, row, self._appears(api, key, values))
                    is_error = found[0].severity == "error"
                    if columns not in self._target.pointed or is_error:
                        yield found
                    self._target.pointed.add(columns)
                    if is_error:
                        break

    def _appears(self, api: Session, key: ForeignKey, values: Row) -> bool:
        """Whether a member of B reads one's own row then, for a row of theirs that one cannot even read.

        It is a new row with these values, or without any that which there is.
        """
        target = self._world.relations[key.target]
        made = (row for name, label, row in self._world.made() if (name, label) == (key.target, "B"))
        for there in itertools.islice(made, _ROWS) if target.primary_key else ():
            row = {**values, **{column: there[other] for column, other in key.columns}}
            statement, given = (insert_statement(self._relation, row), [*row.values()]) if values else self._move(row)
            if not self._is_read(api, target, there) and self._shows(api, statement, given):
                return True
        return False

    def _is_read(self, api: Session, relation: Relation, row: Row) -> bool:
        table = sql.Identifier(relation.schema, relation.name)
        statement = sql.SQL("select from {} where {}").format(table, self._world.where(relation.primary_key))
        self._target.probes += 1
        try:
            return api.attempt(statement, [row[name] for name in relation.primary_key], reading=True)[0].count > 0
        except psycopg.Error:
            if api.closed:
                raise
            return False

    def _shows(self, api: Session, statement: sql.Composed, values: Sequence[Any]) -> bool:
        """Whether a member of B reads anything here after a statement that was not there before."""
        member = self._world.member("B")
        reading = self._world.reading(self._relation, member.identity.role)
        if reading is None:
            return False
        self._target.probes += 2
        try:
            with api.transaction(force_rollback=True):
                with member.enter(api):
                    before = Counter(map(repr, api.execute(reading).fetchall()))
                api.execute(statement, values)
                with member.enter(api):
                    return bool(Counter(map(repr, api.execute(reading).fetchall())) - before)
        except psycopg.Error:
            if api.closed:
                raise
            return False

    def _pointing(self, api: Session, actor: Actor, columns: Sequence[str], row: Row, appears: bool) -> Found:
        statement, values = insert_statement(self._relation, row), list(row.values())
        severity = "error" if appears or self._writes_across(api, actor, statement, values) else "warning"
        finding = Finding(
            Verdict.MOVES_ACROSS.rule,
            self._relation.full_name,
            f"{actor.name} inserts a row of its own of which {', '.join(columns)} points to a row of another tenant",
            f"Hold the new row's links to rows of the same tenant in WITH CHECK of the policy for insert on "
            f"{self._relation.full_name}, or by a composite foreign key.",
            severity,
            actor.name,
            api.bound(statement, values),
            door="insert",
            expected="an error: new row violates row-level security policy",
        )
        return finding, Probe(actor, lambda session: bool(self._target.counted(session, statement, values)))

    def _writes_across(self, api: Session, actor: Actor, statement: sql.Composed, values: Sequence[Any]) -> bool:
        """Whether triggers change rows of other tenants on that occasion, or copy values of theirs."""
        known = frozenset(map(str, values))
        try:
            touched = self._world.touched_by(api, statement, values, known)
        except psycopg.Error:
            if api.closed:
                raise
            return False
        return any(
            whose
            and (not whose & actor.own or (there and self._world.labels([*row.values()], known) - actor.own - whose))
            for _, row, whose, there in touched
        )

    def takes(self, api: Session, actor: Actor, changes: Row) -> Write | None:
        """The change of rows of others that makes them one's own."""
        if not self._target.is_table:
            return None
        count = self._target.counted(api, *self._move(changes))
        if count is not None or not self._target.is_by_chance:
            return Write(*self._move(changes)) if (count or 0) > (self._target.count_of(api, actor.own) or 0) else None
        return self._one(api, actor, changes, lambda whose, there: not there and bool(whose) and not whose & actor.own)

    def _moves(self, api: Session, actor: Actor, changes: Row) -> Write | None:
        count = self._target.counted(api, *self._move(changes))
        if count is not None or not self._target.is_by_chance:
            return Write(*self._move(changes)) if count and self._target.lands(api, "B", *self._move(changes)) else None
        return self._one(api, actor, changes, lambda whose, there: there and "B" in whose)

    def changes_with(self, api: Session, actor: Actor, changes: Row) -> Write | None:
        """The change of rows of one's own."""
        count = self._target.counted(api, *self._move(changes))
        if count is not None or not self._target.is_by_chance:
            return Write(*self._move(changes)) if count else None
        return self._one(api, actor, changes, lambda _, there: there)

    def _one(self, api: Session, actor: Actor, changes: Row, asked: Callable[[set[str], bool], bool]) -> Write | None:
        """The change of a single row that does what is asked, where that of all is refused by chance."""
        if not self._target.is_table:
            return None
        writes = Writes(self._world, self._relation, api, actor)
        for write, touched in writes.one_by_one(*self._move(changes)):
            if any(name == self._relation.full_name and asked(whose, there) for name, _, whose, there in touched):
                return write
        self._target.probes += writes.probes
        return None

    def _move(self, changes: Row) -> tuple[sql.Composed, list[Any]]:
        """Without WHERE: that needs no right to read, so that policies for select are not asked of the new row."""
        assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes)
        return sql.SQL("update {} set {}").format(self._table, assignments), list(changes.values())

    def crossed(
        self,
        actor: Actor,
        api: Session,
        write: Write,
        again: Callable[[Session, Actor, Row], Write | None],
        changes: Row,
        what: str,
        verdict: Verdict = Verdict.MOVES_ACROSS,
        severity: str = "error",
    ) -> Found:
        """The finding of a change that went through; ``again`` tries it anew."""
        finding = Finding(
            verdict.rule,
            self._relation.full_name,
            f"{actor.name} {what}",
            f"Hold the new row to the caller's tenants in WITH CHECK of the policy for update on "
            f"{self._relation.full_name}, and links to rows of the same tenant by a composite foreign key.",
            severity,
            actor.name,
            api.bound(write.statement, write.values),
            door="move",
            expected="no row is changed",
        )
        return finding, Probe(actor, lambda session: again(session, actor, changes) is not None, before=write.before)
