"""Callers for ways that nobody took: members of another kind, and claims that only the platform writes.

Whoever has such a claim has it from the project itself, so all rows are theirs as far as that goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import psycopg

from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.world import LABELS, World, merged, nested
from pgassay.config import Membership
from pgassay.rows import Unfilled
from pgassay.schema import conditions
from pgassay.schema.conditions import Asked

_USERS_OWN = "user_metadata"
_GIVEN = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "email", "phone", "role", "aal", "amr", "session_id", "is_anonymous"}
)
"""Claims that every token has, as the server of the platform makes them."""


def callers(ways: Ways) -> list[Actor]:
    """A member of A and of B with what each branch asks for that nobody took."""
    found: dict[str, Actor] = {}
    for policy in ways.policies:
        if not ways.roles_of(policy):
            continue
        for branches in policy.branches.values():
            for branch in branches:
                forms = () if ways.is_taken(policy, branch) else ways.forms(policy, branch)
                for asked in map(conditions.claims, forms):
                    if asked and all(map(_is_the_platforms, asked)):
                        for key, actor in _with(ways, policy.relation, asked):
                            found.setdefault(key, actor)
    return _named([*found.values()])


def _named(actors: list[Actor]) -> list[Actor]:
    """The same with a name of its own for each."""
    counted: dict[str, int] = {}
    found = []
    for actor in actors:
        number = counted[actor.name] = counted.get(actor.name, 0) + 1
        found.append(actor if number == 1 else replace(actor, name=f"{actor.name} ({number})"))
    return found


def members(ways: Ways) -> list[Actor]:
    """New members of A and of B, of each kind that a branch asks for that nobody took, as by a role."""
    world, member = ways.world, ways.world.tenancy.member
    if not isinstance(member, Membership) or member.table == world.tenancy.tenant:
        return []
    asked: dict[str, dict[str, Any]] = {}
    for policy in ways.policies:
        for branch in (branch for branches in policy.branches.values() for branch in branches):
            if ways.roles_of(policy) and not ways.is_taken(policy, branch):
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


def _with(ways: Ways, relation: str, asked: Iterable[Asked]) -> Iterator[tuple[str, Actor]]:
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
            replace(member, own=frozenset(LABELS), shown=False),
        )


def _values(ways: Ways, relation: str, label: str, claim: Asked) -> Any:
    """What the claim is to be: a constant, or what stands in the rows of the tenant."""
    value = claim.value
    if claim.column:
        lines = [line for line in ways.truth.lines.get(relation, ()) if label in line.whose]
        value = next((line.values[claim.column] for line in lines if line.values.get(claim.column) is not None), None)
    return [value] if claim.is_list else value
