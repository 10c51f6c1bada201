"""Rows for ways that nobody took: each with values for which the branch of the policy may be true.

They are made in a copy of the world, which is the world from then on, so that every door is tried with them. Rows whose
flags show them to others are taken out again, since `Flags` asks whether that is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.catalog import Relation
from pgassay.checks.isolation import changes, openings
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.truth import Tables, Truth
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.witnesses import Witnesses
from pgassay.rows import Row, Unfilled
from pgassay.schema import conditions
from pgassay.schema.conditions import Special, Wish
from pgassay.schema.policies import Branch, Policy

_LEAST: dict[str, Any] = {"A": [], "B": False, "D": "-infinity", "N": 0, "R": "empty", "S": ""}
_GREATEST: dict[str, Any] = {"B": True, "D": "infinity", "N": 32767, "R": "(,)"}
"""Values at the ends of types, by their category: of a range, none at all and all there are."""
_MOST = 8
"""So many rows of a tenant are made for a branch, each once or for so many users."""
_USERS = 5
"""In the names of so many users of a tenant a row is made where it is to be the caller's."""
Key = tuple[str, tuple[str, ...]]
"""A table, and the primary key of a row."""
_Shown = set[tuple[str, str, str, Key]]
"""What is open across tenants: a table, a condition, an actor, and the row of others for which it is true."""


@dataclass(frozen=True)
class _Made:
    """Rows of each tenant that were made for the same branch."""

    relation: Relation
    text: str
    rows: dict[str, Row]
    is_flagged: bool
    """Whether they have a flag, a state or a time, which `Flags` sets in the rows of others."""

    @property
    def keys(self) -> set[Key]:
        """Which rows these are."""
        return {_key(self.relation.full_name, self.relation.primary_key, row) for row in self.rows.values()}


class Making:
    """Makes rows where the ``tables`` are, to which `World.connection` leads.

    What callers may see of others who were made for ways, as these ``claiming`` ones, is told at the doors.
    """

    def __init__(self, tables: Tables, ways: Ways, witnesses: Witnesses, claiming: Iterable[Actor]) -> None:
        self._world = ways.world
        self._claiming = list(claiming)
        self._witnesses = witnesses
        self._tables = tables
        self._ways = ways

    def make(self, *, needed: bool) -> bool:
        """Make rows for the ways that nobody took; whether that database is to be the world from then on.

        It is ``needed`` for something else that was made there.
        """
        wanted = [*self._wanted()]
        if not wanted and not self._witnesses.rows.made:
            self._tables.remove()
            return needed
        before = self._shown(self._ways.truth)
        self._ways.actors += self._witnesses.actors
        groups = [_Made(relation, "", {label: row}, True) for relation, label, row in self._witnesses.rows.made]
        groups += [group for policy, branch in wanted for group in self._made(policy, branch)]
        self._know(groups)
        try:
            return self._judged(before, groups)
        except Exception:
            self._forget(groups)  # they are nowhere
            raise

    def _judged(self, before: _Shown, groups: list[_Made]) -> bool:
        """Ask again with these rows, and whether they may stay."""
        self._ways.truth = self._tables.fill(self._ways.actors)
        shown = self._shown(self._ways.truth) - before
        shown_keys = {key for *_, key in shown}
        apart = [group for group in groups if group.is_flagged and not shown_keys.isdisjoint(group.keys)]
        changed = [
            (relation, row, values, _key(relation.full_name, relation.primary_key, row))
            for relation, row, values in self._witnesses.rows.changed
        ]
        mine = {key for group in groups for key in group.keys} | {key for *_, key in changed}
        put_back = [(relation, row, values) for relation, row, values, key in changed if key in shown_keys]
        # a row that names a user may have given them rights that nobody is to have here
        grants = any(True for group in groups for _ in self._world.maker.users_in(group.relation))
        is_sound = (not grants or shown_keys <= mine) and self._taken_out(apart, put_back)
        gone = apart if is_sound else groups
        self._forget(gone)
        keys = {key for group in gone for key in group.keys} | {key for *_, key in changed}
        self._ways.apart = {(group.relation.full_name, group.text) for group in gone}
        self._ways.apart |= {(table, text) for table, text, _, key in shown if key in keys}  # what no door will show
        for table, _, name, key in shown:
            if key in keys:
                self._ways.shown_to.setdefault(table, set()).add(name)
        self._tables.remove()
        return is_sound

    def _wanted(self) -> Iterator[tuple[Policy, Branch]]:
        """The branches of policies that hold somebody, and for which there is no row and caller."""
        for policy in self._ways.policies:
            if policy.schema == "realtime":  # whose a message is, its topic says, which a condition does not
                continue
            if policy.permissive and policy.relation in self._world.relations and self._ways.roles_of(policy):
                for branches in policy.branches.values():
                    yield from ((policy, branch) for branch in branches if not self._ways.is_taken(policy, branch))

    def _made(self, policy: Policy, branch: Branch) -> list[_Made]:
        """Rows of each tenant, as many as the condition has ways to be asked for; none where they are refused.

        Where it asks for nothing of the row, any row will do, if there is none.
        """
        relation = self._world.relations[policy.relation]
        any_row = [] if branch.reads_row or self._ways.truth.lines.get(policy.relation) else [()]
        found = []
        asked = [wishes for form in self._ways.forms(policy, branch) for wishes in conditions.wishes(form)]
        for wishes in list(dict.fromkeys(asked))[:_MOST] or any_row:
            known = [wish for wish in wishes if self._is_possible(relation, wish)]
            is_the_callers = any(wish.value is Special.CALLER for wish in known)
            for turn in range(_USERS if is_the_callers else 1):
                rows, beside = self._of_each(relation, known, turn)
                if rows and relation.primary_key:
                    flagged = any(self._is_flag(relation, wish) for wish in known)
                    found += [*beside, _Made(relation, branch.text, rows, flagged)]
        return found

    def _is_possible(self, relation: Relation, wish: Wish) -> bool:
        column = relation.column(wish.path[0])
        if column is None or wish.value not in (Special.LEAST, Special.GREATEST):
            return column is not None
        linked = {*relation.primary_key, *relation.referring}
        return column.category in (_LEAST if wish.value is Special.LEAST else _GREATEST) and column.name not in linked

    def _is_flag(self, relation: Relation, wish: Wish) -> bool:
        column = relation.column(wish.path[0])
        is_plain = len(wish.path) == 1 and not wish.is_element and wish.value is not Special.CALLER
        is_set = wish.is_other or wish.value is not None
        return column is not None and is_plain and is_set and column.category in "BDSE"

    def _of_each(self, relation: Relation, wishes: list[Wish], turn: int) -> tuple[dict[str, Row], list[_Made]]:
        """A row of each tenant, in the name of that user of its own; without those that are refused.

        And the rows that were made for these to refer to.
        """
        rows: dict[str, Row] = {}
        beside: list[_Made] = []
        for label in LABELS:
            users = self._users[label]
            if turn < len(users):
                try:
                    with self._world.connection.transaction():
                        row, more = self._one(relation, label, wishes, users[turn])
                except (psycopg.Error, Unfilled):
                    if self._world.connection.closed:
                        raise
                else:
                    rows[label] = row
                    beside += more
        return rows, beside

    def _one(self, relation: Relation, label: str, wishes: list[Wish], user: UUID) -> tuple[Row, list[_Made]]:
        """The row, and new rows that it refers to where those that there are have another one already."""
        world, maker = self._world, self._world.maker
        try:
            return self._row(relation, label, wishes, user, {}), []
        except Unfilled as refused:
            references, made = maker.anew(relation, world.tenants, label, refused)
            if not references:
                raise
            beside = [_Made(target, "", {label: other}, False) for target, other in made]
            return self._row(relation, label, wishes, user, references), beside

    @cached_property
    def _users(self) -> dict[str, list[UUID]]:
        return self._ways.users()

    def _row(self, relation: Relation, label: str, wishes: Iterable[Wish], user: UUID, references: Row) -> Row:
        plain: Row = {**references}
        parts: list[tuple[sql.Composed, Any]] = []
        for wish in wishes:
            value = self._known(relation, wish, user)
            value = self._world.maker.beside(relation, wish.path[0], value) if wish.is_other else value
            value = [value] if wish.is_element else value
            if len(wish.path) == 1:
                plain[wish.path[0]] = value
            else:
                parts.append((sql.SQL(".").join(map(sql.Identifier, wish.path)), value))
        row = self._world.maker.further(relation, self._world.tenants, label, plain, is_new=True)
        if not parts:
            return row
        statement = sql.SQL("update {} set {} where {} returning *").format(
            sql.Identifier(relation.schema, relation.name),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(name) for name, _ in parts),
            self._world.where(relation.primary_key),
        )
        values = [value for _, value in parts] + [row[name] for name in relation.primary_key]
        with self._world.connection.cursor(row_factory=dict_row) as cursor:
            changed = cursor.execute(statement, values).fetchone()
        if changed is None:
            raise Unfilled("a trigger refuses the change without an error")
        return changed

    def _known(self, relation: Relation, wish: Wish, user: UUID) -> Any:
        """The value that is asked for, for a row in the name of that user."""
        column = relation.column(wish.path[0])
        category = "" if column is None else column.category
        match wish.value:
            case Special.CALLER:
                return user
            case Special.BEFORE | Special.NOW | Special.AFTER:
                return conditions.time(wish.value, is_range=category == "R")
            case Special.LEAST:
                return _LEAST[category]
            case Special.GREATEST:
                return _GREATEST[category]
        return wish.value

    def _taken_out(self, groups: Iterable[_Made], changed: Iterable[tuple[Relation, Row, Row]]) -> bool:
        """Whether all of these rows could be taken out again, and those that were ``changed`` be as they were."""
        try:
            with self._world.connection.transaction():
                for relation, row, values in changed:
                    change = changes.update(self._world, relation, row, {name: row[name] for name in values})
                    self._world.connection.execute(change.statement, change.values)
                for group in groups:
                    relation = group.relation
                    table = sql.Identifier(relation.schema, relation.name)
                    where = self._world.where(relation.primary_key)
                    statement = sql.SQL("delete from {} where {}").format(table, where)
                    there = sql.SQL("select from {} where {}").format(table, where)
                    for row in group.rows.values():
                        key = [row[name] for name in relation.primary_key]
                        self._world.connection.execute(statement, key)  # it may have gone with another one already
                        if self._world.connection.execute(there, key).fetchone() is not None:
                            return False
        except psycopg.Error:
            if self._world.connection.closed:
                raise
            return False
        return True

    def _know(self, groups: Iterable[_Made]) -> None:
        for group in groups:
            self._world.more.setdefault(group.relation.full_name, []).extend(group.rows.items())
            for row in group.rows.values():
                openings.note(self._world, group.relation, row)
        self._world.forget_what_is_known()

    def _forget(self, groups: Iterable[_Made]) -> None:
        for group in groups:
            left = self._world.more[group.relation.full_name]
            gone = [id(row) for row in group.rows.values()]
            left[:] = [(label, row) for label, row in left if id(row) not in gone]
        self._world.forget_what_is_known()

    def _shown(self, truth: Truth) -> _Shown:
        """What is true for a row of tenants that the actor is not of."""
        new = {actor.name for actor in (*self._witnesses.actors, *self._claiming)}
        return {
            (table, text, actor.name, _key(table, self._primary_key(table), line.values))
            for table, text in truth.values
            for actor in self._ways.actors
            if actor.name not in new
            for line in truth.held(table, text, actor)
            if line.whose and not line.whose & actor.own
        }

    def _primary_key(self, table: str) -> tuple[str, ...]:
        known = self._world.relations.get(table)
        return known.primary_key if known is not None else ()


def _key(table: str, columns: Iterable[str], row: Any) -> Key:
    return table, tuple(str(row.get(name)) for name in columns)
