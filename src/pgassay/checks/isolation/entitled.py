"""Callers for ways that nobody took: members of another kind, and claims that only the platform writes.

Whoever has such a claim has it from the project itself, so all rows are theirs as far as that goes. Where a policy asks
for it within a tenant, it is a right there: the caller is that tenant's member and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.nesting import merged, nested
from pgassay.checks.isolation.truth import Line
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.rows import Unfilled
from pgassay.schema import conditions
from pgassay.schema.conditions import Asked, Special
from pgassay.schema.policies import Branch, Policy

_NEW = 6
"""So many of the new callers try every door for whom nothing of others is open; all are asked what policies say."""
_USERS_OWN = "user_metadata"
_GIVEN = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "email", "phone", "role", "aal", "amr", "session_id", "is_anonymous"}
)
"""Claims that every token has, as the server of the platform makes them."""


@dataclass(frozen=True)
class Caller:
    """A member of the tenant ``label`` whose token has what is ``asked``."""

    actor: Actor
    label: str
    asked: frozenset[Asked]


def callers(ways: Ways) -> list[Caller]:
    """A member of A and of B with what each branch asks for that nobody took."""
    found: dict[str, Caller] = {}
    for policy, branch in _branches(ways):
        forms = () if ways.is_taken(policy, branch) else ways.forms(policy, branch)
        for asked in map(conditions.claims, forms):
            if asked and all(map(_is_the_platforms, asked)):
                for key, caller in _with(ways, policy.relation, asked):
                    found.setdefault(key, caller)
    return _named([*found.values()])


def settled(ways: Ways, made: Iterable[Caller]) -> list[Actor]:
    """Those callers, once the truth tables know them, each with the tenants that it is entitled to."""
    within = {caller.asked for caller in made if _is_within(ways, caller)}
    return [
        replace(caller.actor, own=frozenset({caller.label})) if caller.asked in within else caller.actor
        for caller in made
    ]


def _is_within(ways: Ways, caller: Caller) -> bool:
    """Whether a branch that asks for the same is true for rows of the caller's tenant, and for no others.

    A branch that asks for the caller's own rows says nothing of the tenant.
    """
    for policy, branch in _branches(ways):
        forms = ways.forms(policy, branch) if policy.permissive else ()
        alike = [form for form in forms if frozenset(conditions.claims(form)) == caller.asked]
        wishes = (wish for form in alike for asked in conditions.wishes(form) for wish in asked)
        if not alike or any(wish.value is Special.CALLER for wish in wishes):
            continue
        held = [line.whose for line in ways.truth.held(policy.relation, branch.text, caller.actor)]
        there = any(line.whose and caller.label not in line.whose for line in ways.truth.lines.get(policy.relation, ()))
        if there and held and all(whose == {caller.label} for whose in held):
            return True
    return False


def at_doors(ways: Ways, new: Iterable[Actor]) -> list[Actor]:
    """Those of A among new callers who try every door: all for whom a row of others is open, and a few others."""
    mine = [actor for actor in new if actor.own == {"A"}]
    seeing = [actor for actor in mine if any(True for _ in _of_others(ways, actor))]
    others = [actor for actor in mine if actor not in seeing]
    return seeing + others[: max(0, _NEW - len(seeing))]


def _of_others(ways: Ways, actor: Actor) -> Iterator[Line]:
    """The rows of others for which a branch is true."""
    for policy, branch in _branches(ways):
        if policy.permissive and actor.identity.role in ways.roles_of(policy):
            for line in ways.truth.held(policy.relation, branch.text, actor):
                if line.whose and not line.whose & actor.own:
                    yield line


def _branches(ways: Ways) -> Iterator[tuple[Policy, Branch]]:
    """The branches of policies that hold somebody."""
    for policy in ways.policies:
        if ways.roles_of(policy):
            yield from ((policy, branch) for branches in policy.branches.values() for branch in branches)


def _named(made: list[Caller]) -> list[Caller]:
    """The same with a name of its own for each."""
    counted: dict[str, int] = {}
    found = []
    for caller in made:
        name = caller.actor.name
        number = counted[name] = counted.get(name, 0) + 1
        actor = caller.actor if number == 1 else replace(caller.actor, name=f"{name} ({number})")
        found.append(replace(caller, actor=actor))
    return found


def members(ways: Ways) -> list[Actor]:
    """New members of A and of B, of each kind that a branch asks for that nobody took, as by a role."""
    world, member = ways.world, ways.world.tenancy.member
    if not isinstance(member, Membership) or member.table == world.tenancy.tenant:
        return []
    asked: dict[str, dict[str, Any]] = {}
    for policy, branch in _branches(ways):
        if not ways.is_taken(policy, branch):
            for form in ways.forms(policy, branch):
                asked |= {repr(kind): kind for kind in conditions.asked_of(form, member.table)}
    return [actor for kind in asked.values() for actor in _joined(world, kind)]


def _joined(world: World, kind: dict[str, Any]) -> Iterator[Actor]:
    for label in LABELS[:2]:
        try:
            with world.connection.transaction():
                user = world.maker.user()
                world.maker.join(user, world.tenants.ids[label], **kind)
        except (psycopg.Error, Unfilled):
            if world.connection.closed:
                raise
            continue
        shown = ", ".join(f"{name} {value}" for name, value in kind.items())
        yield replace(world.member(label, f"member of {label}, {shown}", user), shown=False)


def _is_the_platforms(asked: Asked) -> bool:
    return asked.path[0] != _USERS_OWN and asked.path[0] not in _GIVEN


def _with(ways: Ways, relation: str, asked: Collection[Asked]) -> Iterator[tuple[str, Caller]]:
    """A member of A and of B with such claims in their token, each with a key that is the same for the same claims."""
    for label in LABELS[:2]:
        claims: dict[str, Any] = {}
        for claim in asked:
            value = _values(ways, relation, label, claim)
            claims = merged(claims, nested(claim.path, value))
        shown = ", ".join(".".join(claim.path) for claim in asked)
        member = ways.world.member(label, f"member of {label} whose token has {shown}", **claims)
        yield (
            f"{label} {json.dumps(claims, sort_keys=True, default=str)}",
            Caller(replace(member, own=frozenset(LABELS), shown=False), label, frozenset(asked)),
        )


def _values(ways: Ways, relation: str, label: str, claim: Asked) -> Any:
    """What the claim is to be: a constant, or what stands in the rows of the tenant."""
    value = claim.value
    if claim.column:
        lines = [line for line in ways.truth.lines.get(relation, ()) if label in line.whose]
        value = next((line.values[claim.column] for line in lines if line.values.get(claim.column) is not None), None)
    return [value] if claim.is_list else value
