"""Roles within a tenant: what a member of each does in the declared tables, compared with what it may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.finding import ERROR, WARNING, Finding
from pgassay.checks.isolation.matrix import OPERATIONS, Access, Actor, Probe, Reach
from pgassay.checks.isolation.people import Person, owner_column
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.rights import NOT_TRIED, Reached, Tried, Whose
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.within import Right, Roles

RULE = "role-right"
_OWN = "own"
_RAISING = "raising"
_HANDING_OVER = "handing over"
Outcomes = Mapping[tuple[str, Whose], Tried]
"""What came of each operation on rows in the own name and on those of others."""


@dataclass(frozen=True)
class _Place:
    """A declared table, what somebody of a role reaches in it, and what the role may."""

    target: Target
    reached: Reached
    person: Person
    right: Right
    outcomes: Outcomes

    def succeeded(self, operation: str, whose: Whose) -> bool | None:
        return self.outcomes[operation, whose].succeeded


class Rights:
    """Tries what each role may and may not, as ``people``, on ``api``."""

    def __init__(self, world: World, api: Session, people: Iterable[Person], targets: Mapping[str, Target]) -> None:
        self._world = world
        self._api = api
        self._people = [*people]
        self._targets = targets
        self.probes = 0
        self.lines: list[Access] = []
        """Of each role in each table: whether it reaches all rows of its tenant, those in the own name, or none."""

    def judge(self, table: str) -> Iterator[tuple[Finding, Probe | None]]:
        """What roles do in a table and may not; what they may and cannot has no probe."""
        roles = self._world.tenancy.within.roles
        if roles is None or table not in self._targets:
            return
        told: set[tuple[str, str]] = set()
        for place in self._places(roles, self._targets[table]):
            for operation, judged in self._wrong(roles, place):
                if (place.person.role, operation) in told:
                    continue  # whoever has the role alone does that as well
                for finding, probe in judged:
                    if finding.severity == ERROR:
                        told.add((place.person.role, operation))
                    yield finding, probe
            if not place.person.elsewhere:
                self.lines.append(Access(table, place.person.actor.name, {op: _reach(place, op) for op in OPERATIONS}))
                yield from self._missing(place)

    def _wrong(self, roles: Roles, place: _Place) -> Iterator[tuple[str, Iterator[Found]]]:
        """What somebody does and may not, by operation; taking a role is one of its own."""
        for operation in OPERATIONS:
            yield operation, self._judged(place, operation)
        yield _RAISING, self._raised(roles, place)
        yield _HANDING_OVER, self._handed_over(place)

    def _places(self, roles: Roles, target: Target) -> Iterator[_Place]:
        relation = target.relation
        owner = owner_column(self._world, roles, relation) if roles.has_own(relation.full_name) else ""
        public = self._public(relation)
        for person in self._people:
            reached = Reached(self._world, relation, owner, person, public)
            with person.actor.enter(self._api):
                right = roles.right(person.role, relation.full_name)
                tried = [op for op in OPERATIONS if not (person.elsewhere and op in right.operations)]
                outcomes = outcomes_of(target, reached, person.actor, self._api, tried)
            self.probes += reached.probes
            yield _Place(target, reached, person, right, outcomes)

    def _public(self, relation: Relation) -> frozenset[tuple[str, ...]]:
        """The keys of rows that a stranger reads as well, so that no role is needed for that."""
        if not relation.primary_key:
            return frozenset()
        key = sql.SQL(", ").join(map(sql.Identifier, relation.primary_key))
        statement = sql.SQL("select {} from {}").format(key, sql.Identifier(relation.schema, relation.name))
        with self._world.stranger.enter(self._api):
            try:
                rows = self._api.attempt(statement, reading=True)[0].rows
            except psycopg.Error:
                if self._api.closed:
                    raise
                return frozenset()
        return frozenset(tuple(map(str, row)) for row in rows)

    def _judged(self, place: _Place, operation: str) -> Iterator[Found]:
        """What the role may not, and does.

        Rows in one's own name that one may not make are a warning: somebody has to have made them.
        """
        if operation in place.right.operations:
            return
        if place.succeeded(operation, Whose.OTHERS):
            yield self._finding(place, operation, Whose.OTHERS, ERROR)
        elif place.succeeded(operation, Whose.OWN) and not place.right.own:
            yield self._finding(place, operation, Whose.OWN, ERROR if operation == "insert" else WARNING)

    def _finding(self, place: _Place, operation: str, whose: Whose, severity: str) -> Found:
        tried = place.outcomes[operation, whose]
        rows = "rows in its own name" if whose is Whose.OWN else "rows of its tenant"
        if whose is Whose.OTHERS and place.right.own:
            rows = "rows of its colleagues"
        name, actor = place.target.relation.full_name, place.person.actor
        finding = Finding(
            RULE,
            name,
            f"{actor.name} can {operation} {rows}; declared is: {place.right.written}",
            f"{place.person.advice}Hold {operation} on {name} to the roles that may, or declare it in "
            "[tool.pgassay.roles.tables].",
            severity,
            actor.name,
            statement=tried.statement,
            door=operation,
            expected="no row: the role is not declared to",
        )

        def holds(session: Session) -> bool:
            return bool(outcome(place.target, place.reached, actor, session, operation, whose).succeeded)

        return finding, Probe(actor, holds, before=tried.before)

    def _raised(self, roles: Roles, place: _Place) -> Iterator[Found]:
        """A role that somebody takes in the own row, where roles stand that is not theirs to change."""
        relation, person = place.target.relation, place.person
        if "update" in place.right.operations:
            return
        for column in (column for table, column in roles.columns if table == relation.full_name):
            for value in self._higher(roles, relation, column, person.role):
                tried = self._sets(place, column, value)
                if tried.succeeded:
                    yield self._raising(place, column, value, tried)
                    return

    def _higher(self, roles: Roles, relation: Relation, column: str, role: str) -> Iterator[str]:
        """The roles that one of that role does not have, the highest first; as far as the column has the words."""
        listed = self._world.maker.listed_of(relation.full_name).get(column)
        above = roles.order[roles.order.index(role) + 1 :] if role in roles.order else roles.order
        others = [other for other in roles.all if other not in roles.order and other != role]
        for value in (*reversed(above), *others):
            if listed is None or value in listed:
                yield value

    def _sets(self, place: _Place, column: str, value: str) -> Tried:
        with place.person.actor.enter(self._api):
            return place.reached.sets(self._api, column, value)

    def _raising(self, place: _Place, column: str, value: str, tried: Tried) -> Found:
        relation, actor = place.target.relation, place.person.actor
        finding = Finding(
            RULE,
            relation.full_name,
            f"{actor.name} can make itself {value}",
            f"Take the right to update {column} from those whose role it is: grant update on the other columns alone, "
            "or let a trigger refuse it.",
            ERROR,
            actor.name,
            statement=tried.statement,
            door="update",
            expected="no row: nobody gives a role to oneself",
        )

        def again(session: Session) -> bool:
            return bool(place.reached.sets(session, column, value).succeeded)

        return finding, Probe(actor, again, before=tried.before)

    def _handed_over(self, place: _Place) -> Iterator[Found]:
        """A row in the own name that becomes a colleague's, where nobody makes one in a colleague's name."""
        if not place.right.own or "update" in place.right.operations:
            return
        if not place.succeeded("insert", Whose.OWN) or place.succeeded("insert", Whose.OTHERS) is not False:
            return
        for column, value in place.reached.colleagues():
            tried = self._sets(place, column, value)
            if tried.succeeded:
                yield self._handing_over(place, column, value, tried)
                return

    def _handing_over(self, place: _Place, column: str, value: Any, tried: Tried) -> Found:
        name, actor = place.target.relation.full_name, place.person.actor
        finding = Finding(
            RULE,
            name,
            f"{actor.name} can make a row in its own name one of a colleague's, by {column}, and can insert none; "
            f"declared is: {place.right.written}",
            f"Ask for {column} in WITH CHECK of the policy for update on {name} as the one for insert does.",
            ERROR,
            actor.name,
            statement=tried.statement,
            door="update",
            expected="no row: the new one is in somebody else's name",
        )

        def again(session: Session) -> bool:
            return bool(place.reached.sets(session, column, value).succeeded)

        return finding, Probe(actor, again, before=tried.before)

    def _missing(self, place: _Place) -> Iterator[tuple[Finding, None]]:
        """What the role may, and is refused."""
        name, actor = place.target.relation.full_name, place.person.actor
        missing = [
            operation
            for operation in OPERATIONS
            if operation in place.right.operations and self._is_refused(place, operation)
        ]
        own = [place.succeeded(operation, Whose.OWN) for operation in OPERATIONS]
        if place.right.own and True not in own and False in own:
            missing.append(_OWN)
        for operation in missing:
            what = "reach rows in its own name" if operation == _OWN else f"{operation} rows of its tenant"
            yield (
                Finding(
                    RULE,
                    name,
                    f"{actor.name} cannot {what}; declared is: {place.right.written}",
                    f"Let a policy for {operation} on {name} hold for the role, or take the right out of "
                    "[tool.pgassay.roles.tables].",
                    WARNING,
                    actor.name,
                ),
                None,
            )

    def _is_refused(self, place: _Place, operation: str) -> bool:
        tried = [place.succeeded(operation, whose) for whose in Whose]
        if True in tried or False not in tried:
            return False
        actor = place.person.actor
        with actor.enter(self._api):  # with the rows that policies are known to ask for
            return "A" not in place.target.reaches(operation, self._api, actor)


def outcomes_of(
    target: Target, reached: Reached, actor: Actor, api: Session, operations: Iterable[str] = OPERATIONS
) -> Outcomes:
    """What came of each operation, on ``api``, which is the actor."""
    return {
        (operation, whose): outcome(target, reached, actor, api, operation, whose)
        for operation in operations
        for whose in Whose
    }


def outcome(target: Target, reached: Reached, actor: Actor, api: Session, operation: str, whose: Whose) -> Tried:
    """What came of one. Of a view, and of rows without a key, no more is known than whose tenant they are."""
    relation = target.relation
    if target.is_table and relation.primary_key:
        return reached.tries(operation, whose, api)
    if whose is Whose.OWN or not (target.is_table or operation == "select"):
        return NOT_TRIED
    statement = sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name)).as_string(None)
    is_reached = "A" in target.reaches(operation, api, actor)
    return Tried(is_reached, statement if operation == "select" else target.statements.get((operation, "A"), ""))


def _reach(place: _Place, operation: str) -> Reach:
    if place.succeeded(operation, Whose.OTHERS):
        return Reach.ALL
    return Reach.OWN if place.succeeded(operation, Whose.OWN) else Reach.NONE
