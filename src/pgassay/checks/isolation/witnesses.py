"""Rows of several tables that agree, for ways that nobody took: a role and its permission, a class and its teacher.

What is needed is read out of the condition (`schema.patterns`). It is made for A and for B, in the name of a member who
is as the condition asks: somebody who is there already, or a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg

from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.wanted import Wanted, in_order
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.witness_rows import Rows
from pgassay.config import Membership
from pgassay.rows import Row, Unfilled
from pgassay.schema import conditions
from pgassay.schema.conditions import Special
from pgassay.schema.patterns import AsCaller, Needed, Other, Same

_MOST = 100
"""For so many patterns rows are made."""
_USERS = 8
"""In the names of so many users of a tenant rows are made that are to be the caller's."""
_TIMES = (Special.BEFORE, Special.NOW, Special.AFTER)

Bound = dict[Same, Any]


@dataclass
class Witnesses:
    """Makes them where `World.connection` leads: new ``actors``, and ``rows``."""

    ways: Ways
    actors: list[Actor] = field(default_factory=list)
    _member: Membership | None = None
    _done: dict[tuple[str, UUID, tuple[Needed, ...]], tuple[UUID, Bound]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = Rows(self.ways.world)

    def make(self) -> None:
        """Make them for each way that nobody took."""
        member = self.ways.world.tenancy.member
        if isinstance(member, Membership) and member.table == self.ways.world.tenancy.tenant:
            return
        self._member = member if isinstance(member, Membership) else None
        wanted = Wanted(self.ways)
        of_views = wanted.of_views()
        for pattern in of_views:
            for label in LABELS:  # of each there has to be a row, so that it is seen who sees which
                self._try(pattern, label)
        of_policies = [pattern for pattern in wanted.of_policies() if pattern not in of_views][:_MOST]
        for pattern in sorted(of_policies, key=self._is_anybodys):  # once all are there who are as others ask
            for label in LABELS[:2]:
                self._try(pattern, label)

    # one pattern for one tenant

    def _try(self, pattern: tuple[Needed, ...], label: str) -> None:
        """Make the rows; where they are the caller's, and no membership says whose, once for each of several users."""
        numbers = self._numbers(pattern)
        users = self.ways.users(self.actors)[label]
        for user in users[:_USERS] if self._is_anybodys(pattern) else users[:1]:
            for known in ({}, numbers) if numbers else ({},):
                if self._is_made(pattern, label, user, known):
                    break

    def _is_anybodys(self, pattern: Iterable[Needed]) -> bool:
        """Whether rows are the caller's, of whom no membership is asked."""
        return any(Special.CALLER in dict(needed.values).values() for needed in pattern) and not any(
            map(self._is_the_callers, pattern)
        )

    def _is_made(self, pattern: tuple[Needed, ...], label: str, user: UUID, known: Bound) -> bool:
        world, before = self.ways.world, self.rows.mark
        try:
            with world.connection.transaction():
                self._make(pattern, label, user, known)
        except (psycopg.Error, Unfilled):
            if world.connection.closed:
                raise
            self.rows.go_back(before)
            return False
        return True

    def _numbers(self, pattern: Iterable[Needed]) -> Bound:
        """One, for each number that several rows are to have in common, and by which no row is known."""
        places: dict[Same, list[bool]] = {}
        for needed in pattern:
            relation = self.ways.world.relations[needed.relation]
            keys = {*relation.primary_key, *(here for key in relation.foreign_keys for here, _ in key.columns)}
            for name, value in needed.values:
                if isinstance(value, Same):
                    column = relation.column(name)
                    places.setdefault(value, []).append(
                        name not in keys and column is not None and column.category == "N"
                    )
        return {value: 1 for value, found in places.items() if all(found)}

    def _make(self, pattern: tuple[Needed, ...], label: str, anybody: UUID, known: Bound) -> None:
        first, others = pattern[0], pattern[1:]
        if (label, anybody, others) in self._done:
            user, bound = self._done[label, anybody, others]
            self._row(first, label, user, dict(bound))
            return
        bound = {**known}
        memberships = [needed for needed in pattern if self._is_the_callers(needed)]
        rest = in_order(self.ways.world.relations, (needed for needed in others if needed not in memberships))
        self._bind_tenant(pattern, label, bound)
        # what a membership refers to comes before it, all else after it
        table = self.ways.world.relations.get(self._member.table if self._member else "")
        targets = {key.target for key in table.foreign_keys} if table is not None else set[str]()
        early = [needed for needed in rest if needed.relation in targets and not _asks_the_caller(needed)]
        for needed in early:
            self._row(needed, label, None, bound)
        user, actor = self._somebody(memberships, others, label, bound) if memberships else (anybody, None)
        for needed in rest:
            if needed not in early:
                self._row(needed, label, user, bound)
        if first not in memberships:
            self._row(first, label, user, bound)
            self._done[label, anybody, others] = user, bound
        if actor is not None:
            self.actors.append(actor)

    def _is_the_callers(self, needed: Needed) -> bool:
        member = self._member
        return (
            member is not None
            and needed.relation == member.table
            and dict(needed.values).get(member.user) is Special.CALLER
        )

    def _bind_tenant(self, pattern: Iterable[Needed], label: str, bound: Bound) -> None:
        """What stands for the tenant is its id."""
        world = self.ways.world
        tenant = world.relations.get(world.tenancy.tenant)
        keys = {world.tenancy.tenant: next(iter(tenant.primary_key), "") if tenant is not None else ""}
        if self._member is not None:
            keys[self._member.table] = self._member.tenant
        for needed in pattern:
            column = keys.get(needed.relation, world.tenancy.column)
            value = dict(needed.values).get(column or "")
            if isinstance(value, Same):
                bound[value] = world.tenants.ids[label]

    # rows

    def _row(self, needed: Needed, label: str, user: UUID | None, bound: Bound) -> None:
        """Find the row, or make it; its values are known from then on."""
        world = self.ways.world
        relation = world.relations[needed.relation]
        values = self._known(needed, label, user, bound)
        if needed.relation == world.tenancy.tenant:
            row: Row | None = self.ways.world.maker.first(relation, values)
            is_this_one = not values.keys().isdisjoint(relation.primary_key)
            # what the caller has, as the domain of an address, others have as well: no tenant is made theirs by it
            if row is None and not (is_this_one and _asks_the_caller(needed)):
                row = self.rows.of_tenant(relation, label, values)
        elif self._is_there(needed, label, values):
            row = self.ways.world.maker.first(relation, values)
        else:
            known = self.ways.world.maker.first(relation, values) if needed.relation in world.tenancy.public else None
            row = known or self.rows.new(relation, label, values)
        if row is None:
            raise Unfilled(f"there is no such row of {needed.relation}")
        for name, value in needed.values:
            if isinstance(value, Same):
                bound.setdefault(value, row[name])

    def _is_there(self, needed: Needed, label: str, values: Row) -> bool:
        """Whether any row of the tenant will do, and there is one."""
        world = self.ways.world
        is_the_tenants = values == {world.tenancy.column: world.tenants.ids[label]}
        return is_the_tenants and len(needed.values) == 1 and label in world.tenants.rows.get(needed.relation, {})

    def _known(self, needed: Needed, label: str, user: UUID | None, bound: Bound) -> Row:
        found: Row = {}
        relation = self.ways.world.relations[needed.relation]
        for name, value in needed.values:
            if value is Special.CALLER:
                found[name] = user
            elif isinstance(value, AsCaller):
                if (given := self._as_caller(value, label, user)) is not None:
                    found[name] = given
            elif isinstance(value, Other):
                found[name] = self.ways.world.maker.beside(relation, name, value.value)
            elif value in _TIMES:
                column = relation.column(name)
                found[name] = conditions.time(value, is_range=column is not None and column.category == "R")
            elif isinstance(value, Same):
                if value in bound:
                    found[name] = bound[value]
            elif not isinstance(value, Special):
                found[name] = [self._own(part, user) for part in value] if isinstance(value, tuple) else value
        return found

    def _as_caller(self, value: AsCaller, label: str, user: UUID | None) -> Any:
        """What an expression gives to a member who is signed in; None where it gives nothing, as without its casts.

        Raises `Unfilled` where nobody is signed in.
        """
        world = self.ways.world
        if user is None:
            raise Unfilled("who is signed in is not known as yet")
        try:
            with world.member(label, user=user).enter(world.connection) as session:
                row = session.execute(f"select {value.text}".encode()).fetchone()
        except psycopg.Error:
            if world.connection.closed:
                raise
            return None
        return None if row is None else row[0]

    def _own(self, value: Any, user: UUID | None) -> Any:
        return user if value is Special.CALLER else value

    # callers

    def _somebody(
        self, memberships: list[Needed], others: Iterable[Needed], label: str, bound: Bound
    ) -> tuple[UUID, Actor | None]:
        """A member as the condition asks for: one whom there is, or a new one."""
        world, member = self.ways.world, self._member
        if member is None:
            raise Unfilled("nobody is a member")
        wanted: Row = {}
        for needed in memberships:
            wanted |= self._known(needed, label, None, bound)
        wanted = {name: value for name, value in wanted.items() if name not in (member.tenant, member.user)}
        relation = world.relations[member.table]
        known = dict.fromkeys(
            actor.user
            for actor in (*self.ways.actors, *self.actors)
            if actor.own == {label} and actor.user is not None and not actor.forged
        )
        actor: Actor | None = None
        row: Row | None = None
        for user in known:
            row = self.ways.world.maker.first(relation, {member.tenant: world.tenants.ids[label], member.user: user})
            if row is not None and all(_agrees(row[name], value) for name, value in wanted.items()):
                break
            row = None
        if row is None:
            user = world.maker.user()
            row = world.maker.join(user, world.tenants.ids[label], **wanted)
            if row is None:
                raise Unfilled("nobody can be made a member")
            shown = ", ".join(dict.fromkeys(_shown(others))) or "of another kind"
            taken = {actor.name for actor in (*self.ways.actors, *self.actors)}
            names = (f"member of {label}, {shown}" + (f" ({n})" if n else "") for n in range(_MOST))
            actor = replace(world.member(label, next(name for name in names if name not in taken), user), shown=False)
        for needed in memberships:
            for name, value in needed.values:
                if isinstance(value, Same):
                    bound.setdefault(value, row[name])
        return row[member.user], actor


def _asks_the_caller(needed: Needed) -> bool:
    return any(isinstance(value, AsCaller) for _, value in needed.values)


def _agrees(there: Any, wanted: Any) -> bool:
    """Whether a value is as wanted; what is wanted of a time is that it is to come, or gone."""
    is_to_come = {conditions.time(Special.AFTER): True, conditions.time(Special.BEFORE): False}.get(str(wanted))
    if is_to_come is None:
        return str(there) == str(wanted)
    if isinstance(there, datetime):
        now = datetime.now(there.tzinfo)
        return there > now if is_to_come else there < now
    if isinstance(there, date):
        today = datetime.now(UTC).date()
        return there >= today if is_to_come else there <= today
    return False


def _shown(others: Iterable[Needed]) -> Iterator[str]:
    """What is asked for in words: the constants."""
    for needed in others:
        for name, value in needed.values:
            if not isinstance(value, Same | Special | Other):
                yield f"{name} {str(value[0] if isinstance(value, tuple) else value).lower()}"
