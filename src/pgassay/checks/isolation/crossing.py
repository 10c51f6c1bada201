"""Members of A who have another role in another tenant: there it gives rights, and in A it has to give none."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from pgassay.checks.isolation import costs, people
from pgassay.checks.isolation.people import Person, Place
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.within import Roles

_TENANT = "A"
_ELSEWHERE = ("C", "B")
"""The tenants in which somebody has another role, the one with the most rights in the first."""


def make(world: World, members: Iterable[Person]) -> list[Person]:
    """For each role a member of A who has it there, and roles that may more in other tenants.

    There are none where a user is a member of one tenant alone, or a role is one in all tenants.
    """
    roles = world.tenancy.within.roles
    if roles is None or not isinstance(world.tenancy.member, Membership) or not world.joins_several:
        return []
    places = {
        role: place
        for role, place in people.places_of(world, roles).items()
        if people.tenant_column(world, place.relation)
    }
    found = []
    for person in members:
        higher = [role for role in _higher(roles, person.role) if role in places]
        for others in _grouped(higher if person.role in places else []):
            column = places[person.role].column
            there = "; ".join(
                f"in {label}, {places[other].column} {other}" for label, other in zip(_ELSEWHERE, others, strict=False)
            )
            name = f"member of {_TENANT}, {column} {person.role}; {there}"
            with costs.only(name, world.unjudged, world.go_on):
                found += _made(world, name, person.role, others, places)
    return found


def _higher(roles: Roles, role: str) -> Iterator[str]:
    """The roles that may something which a role may not, the last of the order first."""
    for other in reversed(roles.all):
        if other != role and any(_exceeds(roles, other, role, table) for table in roles.tables):
            yield other


def _exceeds(roles: Roles, other: str, role: str, table: str) -> bool:
    more, less = roles.right(other, table), roles.right(role, table)
    return bool(more.operations - less.operations) or (more.own and not less.own)


def _grouped(several: Sequence[str]) -> Iterator[tuple[str, ...]]:
    left = iter(several)
    while group := tuple(itertools.islice(left, len(_ELSEWHERE))):
        yield group


def _made(world: World, name: str, role: str, others: tuple[str, ...], places: dict[str, Place]) -> list[Person]:
    """A new user with these roles; nobody where all tenants share the row that says which role it is.

    That of A comes last, so that what takes the first one takes another tenant's.
    """
    with world.connection.transaction():
        user = world.maker.user()
        for label, other in zip(_ELSEWHERE, others, strict=False):
            people.give(world, user, places[other], label)
        people.give(world, user, places[role], _TENANT)
    relations = [places[one].relation for one in (role, *others)]
    if any(len(people.roles_of(world, relation, user)) < relations.count(relation) for relation in relations):
        return []
    return [Person(role, world.member(_TENANT, name, user), people.membership_of(world, user), others)]
