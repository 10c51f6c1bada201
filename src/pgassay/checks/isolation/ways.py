"""Which ways a schema leaves open, and who took each: by the truth tables of its policies, and by what probes saw."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from pgassay.catalog import Function
from pgassay.checks import ways
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import OPERATIONS, Actor
from pgassay.checks.isolation.truth import Line, Truth
from pgassay.checks.isolation.world import World
from pgassay.checks.ways import Way
from pgassay.schema import helpers, policies
from pgassay.schema.policies import CHECK, USING, Branch, Policy
from pgassay.schema.triggers import Trigger

UNTAKEN = "no row and caller were found for which it holds"
OPEN = "rows for which it holds are open to other tenants as well, and no door was tried with them"
UNUSED = "no identity of that role could use it"
UNFIRED = "no statement was found that makes it fire"
_LONGEST = 160
_RIGHTS = """
select
    pg_catalog.concat(n.nspname, '.', c.relname), c.relkind::pg_catalog.text, c.relrowsecurity,
    r.rolname::pg_catalog.text, o
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
cross join pg_catalog.pg_roles as r
cross join pg_catalog.unnest(array['select', 'insert', 'update', 'delete']) as o
where
    c.relkind in ('r', 'p', 'v', 'm')
    and n.nspname not in ('pg_catalog', 'information_schema') and not pg_catalog.starts_with(n.nspname, 'pg_')
    and pg_catalog.pg_has_role(%(login)s, r.oid, 'member') and r.rolname <> %(login)s
    and not (r.rolbypassrls or r.rolsuper)
    and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
    and case
        when o = 'delete' then pg_catalog.has_table_privilege(r.oid, c.oid, o)
        else pg_catalog.has_any_column_privilege(r.oid, c.oid, o)
    end
"""


@dataclass(frozen=True)
class Right:
    """A right of a role, which row level security holds, to do something with a relation."""

    relation: str
    kind: str
    is_held: bool
    role: str
    operation: str


@dataclass
class Ways:
    """The ways of a schema. Probes say what they saw; `found` is what came of it."""

    world: World
    actors: list[Actor]
    truth: Truth = field(default_factory=Truth)
    apart: set[tuple[str, str]] = field(default_factory=set)
    """Tables and conditions for which rows were made that no door is tried with."""
    shown_to: dict[str, set[str]] = field(default_factory=dict)
    """The actors to whom such rows of others were shown, by table."""
    _seen: dict[tuple[str, str], dict[str, Actor]] = field(default_factory=dict)
    _fired: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """Triggers that fired, for whom, and by which statement."""

    def __post_init__(self) -> None:
        self.policies = policies.read(self.world.ask)
        self._rights = [Right(*row) for row in self.world.ask(_RIGHTS, {"login": self.world.platform.roles.login})]
        self._helpers = helpers.read(self.world.sources)
        self._forms: dict[tuple[str, str], tuple[str, ...]] = {}

    def users(self, further: Iterable[Actor] = ()) -> dict[str, list[UUID]]:
        """Users of each tenant: its member, then those who have other roles, the ``further`` ones last."""
        users = self.world.tenants.users
        found = {label: [users[label]] for label in LABELS}
        for actor in (*self.actors, *further):
            for label in LABELS:
                if actor.own == {label} and actor.user is not None and actor.user not in found[label]:
                    found[label].append(actor.user)
        return found

    def saw(self, relation: str, actor: Actor, reached: Mapping[str, Collection[str]]) -> None:
        """Note what somebody reached at a door."""
        for operation, labels in reached.items():
            if labels:
                self._seen.setdefault((relation, operation), {}).setdefault(actor.name, actor)

    def fires(self, table: str, trigger: str, actor: Actor, statement: str) -> None:
        """Note that a trigger of a table fired through a statement of somebody's."""
        self._fired.setdefault((table, trigger), {}).setdefault(actor.name, statement)

    def found(
        self, functions: Iterable[Function], unjudged: Collection[str], seen_open: Collection[str] = ()
    ) -> tuple[Way, ...]:
        """All ways that count, each with who took it. What is ``unjudged`` has its reason there.

        ``seen_open`` are relations of which it was found, or is said, that rows of others are open.
        """
        self.seen_open = seen_open
        return (
            *self._of_policies(unjudged),
            *self._of_rights(unjudged),
            *self._of_views(unjudged),
            *self._of_functions(functions, unjudged),
            *self._of_triggers(unjudged),
        )

    # policies

    def _of_policies(self, unjudged: Collection[str]) -> Iterator[Way]:
        for policy in self.policies:
            if not self.roles_of(policy):
                continue
            for clause, branches in policy.branches.items():
                for branch in branches:
                    yield self._of_branch(policy, clause, branch, len(branches) > 1, unjudged)

    def forms(self, policy: Policy, branch: Branch) -> tuple[str, ...]:
        """The condition of a branch as normalised, and by what the functions in it ask for, in the ways that has."""
        key = (policy.table, branch.key)
        if key not in self._forms:
            followed = self._helpers.forms(branch.key)
            self._forms[key] = tuple(dict.fromkeys((branch.key, *followed)))
        return self._forms[key]

    def is_taken(self, policy: Policy, branch: Branch) -> bool:
        """Whether it is true for a row and an identity that it is meant for."""
        return next(self._held(policy, branch), None) is not None

    def _held(self, policy: Policy, branch: Branch, *, forged: bool = False) -> Iterator[tuple[Actor, Line]]:
        """Who takes it, and by which row first; or who would with claims that are ``forged``."""
        roles = self.roles_of(policy)
        for actor in self.actors:
            if actor.identity.role in roles and actor.forged is forged:
                line = next(self.truth.held(policy.relation, branch.text, actor), None)
                if line is not None:
                    yield actor, line

    def roles_of(self, policy: Policy) -> set[str]:
        """The roles that it holds and that have a right to any of what it is for."""
        return {
            right.role
            for right in self._rights
            if right.relation == policy.relation and right.operation in policy.commands and right.role in policy.roles
        }

    def _of_branch(self, policy: Policy, clause: str, branch: Branch, several: bool, unjudged: Collection[str]) -> Way:
        way = Way(
            ways.POLICY,
            policy.relation,
            f'policy "{policy.name}" on {policy.relation}, {clause}',
            branch.text,
            branch.key,
            several,
        )
        held = [*self._held(policy, branch)]
        if not held and policy.relation in self.seen_open:  # what nobody else can use was found
            held = [*self._held(policy, branch, forged=True)]
        takers = [actor.name for actor, _ in held]
        how = f"true for the row {self._shown(policy.relation, held[0][1])}" if held else ""
        if held and (policy.relation, branch.text) in self.apart and policy.relation not in self.seen_open:
            return _left(way, OPEN, unjudged)
        if not takers:
            takers = [actor.name for actor in self._known_by_writing(policy, clause, several) if not actor.forged]
            how = f"{clause} of a row that was written" if takers else ""
        if takers:
            return replace(way, takers=tuple(takers), how=how)
        errors = self.truth.errors.get((policy.relation, branch.text), {})
        said = f"; it ended with {next(iter(errors.values()))}" if errors else ""
        return _left(way, f"{UNTAKEN}{said}", unjudged)

    def _known_by_writing(self, policy: Policy, clause: str, several: bool) -> Iterator[Actor]:
        """Who wrote a row that nothing but this condition can have let in."""
        if several or not policy.permissive:
            return
        for command in policy.commands:
            is_check = command == "insert" or (command == "update" and policy.check is not None)
            if (clause == CHECK) is not is_check or (clause == USING and command == "select"):
                continue
            for actor in self._seen.get((policy.relation, command), {}).values():
                role = actor.identity.role
                others = self._opening(policy.relation, command, role)
                if others == [policy]:
                    yield actor

    def _shown(self, relation: str, line: Line) -> str:
        """A row as its primary key."""
        known = self.world.relations.get(relation)
        key = [name for name in known.primary_key if name in line.values] if known is not None else []
        shown = json.dumps({name: line.values[name] for name in key or list(line.values)[:1]}, default=str)
        return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…"

    # what is open without policies

    def _of_rights(self, unjudged: Collection[str]) -> Iterator[Way]:
        tables = {name for name, relation in self.world.relations.items() if relation.kind == "table"}
        order = {operation: number for number, operation in enumerate(OPERATIONS)}
        for right in sorted(self._rights, key=lambda right: (right.relation, right.role, order[right.operation])):
            if right.is_held or right.relation not in tables:
                continue
            what = f"{right.operation} on {right.relation} as {right.role}, without row level security"
            yield from self._seen_at(Way(ways.RIGHT, right.relation, what), right.operation, {right.role}, unjudged)

    def _of_views(self, unjudged: Collection[str]) -> Iterator[Way]:
        for relation in self.world.relations.values():
            roles = {
                right.role
                for right in self._rights
                if right.relation == relation.full_name and right.operation == "select"
            }
            if relation.kind in ("view", "materialized view") and roles:
                way = Way(ways.VIEW, relation.full_name, f"{relation.kind} {relation.full_name}")
                yield from self._seen_at(way, "select", roles, unjudged, shown_to_owner=True)

    def _seen_at(
        self,
        way: Way,
        operation: str,
        roles: Collection[str],
        unjudged: Collection[str],
        *,
        shown_to_owner: bool = False,
    ) -> Iterator[Way]:
        seen = self._seen.get((way.object, operation), {}).values()
        takers = [actor.name for actor in seen if actor.identity.role in roles and not actor.forged]
        if takers:
            yield replace(way, takers=tuple(takers), how=operation)
        elif shown_to_owner and way.object not in unjudged:
            yield replace(way, takers=("its owner",), how=operation)
        else:
            yield _left(way, UNUSED, unjudged)

    def _of_functions(self, functions: Iterable[Function], unjudged: Collection[str]) -> Iterator[Way]:
        held: set[Any] = {right.role for right in self._rights}
        for function in functions:
            if function.roles & held:
                way = Way(ways.FUNCTION, function.signature, f"function {function.signature}")
                # it is judged where a call by somebody who is entitled came back without an error
                is_called = function.signature not in unjudged
                yield replace(way, takers=("somebody entitled",), how="call") if is_called else way

    def _of_triggers(self, unjudged: Collection[str]) -> Iterator[Way]:
        """Those that may write to other tables, and fire for what the API offers somebody."""
        for trigger in self.world.triggers:
            if not trigger.writes or not self._is_offered(trigger):
                continue
            way = Way(ways.TRIGGER, trigger.table, f"trigger {trigger.name} on {trigger.table}")
            takers = self._fired.get((trigger.table, trigger.name), {})
            if takers:
                yield replace(way, takers=tuple(takers), how=next(iter(takers.values())))
            else:
                yield _left(way, UNFIRED, unjudged)

    def _is_offered(self, trigger: Trigger) -> bool:
        """Whether a role that row level security holds has the right, and a policy lets something through."""
        for right in self._rights:
            if right.relation != trigger.table or right.operation not in trigger.operations:
                continue
            if right.operation == "update" and trigger.changed and not self._may_change(trigger, right.role):
                continue
            if not right.is_held or self._opening(right.relation, right.operation, right.role):
                return True
        return False

    def _may_change(self, trigger: Trigger, role: str) -> bool:
        relation = self.world.relations.get(trigger.table)
        return relation is None or not {*trigger.changed}.isdisjoint(self.world.granted(relation, role, "update"))

    def _opening(self, relation: str, command: str, role: str) -> list[Policy]:
        """The policies that let a role carry out a command on rows of a relation."""
        return [
            policy
            for policy in self.policies
            if policy.permissive and policy.relation == relation and command in policy.commands and role in policy.roles
        ]


def _left(way: Way, why: str, unjudged: Collection[str]) -> Way:
    """A way that nobody took; why is said of its object where that is not judged as a whole."""
    return way if way.object in unjudged else replace(way, why=why)
