"""Members of A who have another role in another tenant: there it gives rights, and in A it has to give none."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from pgassay.checks.isolation import costs, people
from pgassay.checks.isolation.people import Person, Place
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.rows import Unfilled
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
            there = [f"in {label}, {places[one].column} {one}" for label, one in zip(_ELSEWHERE, others, strict=False)]
            name = "; ".join([f"member of {_TENANT}, {places[person.role].column} {person.role}", *there])
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

    That of A comes last, so that what takes the first one takes another tenant's. Raises `Unfilled` where a key lets
    one member of each tenant alone have such a role, and somebody has it.
    """
    try:
        with world.connection.transaction():
            user = world.maker.user()
            given = [*zip(_ELSEWHERE, others, strict=False), (_TENANT, role)]
            for label, one in given:
                people.give(world, user, places[one], label)
            if not all(_is_there(world, user, places[one], label) for label, one in given):
                raise Unfilled("a key lets one member alone have that")
    except _InAll:
        return []
    return [Person(role, world.member(_TENANT, name, user), people.membership_of(world, user), others)]


class _InAll(Exception):
    """The row that gives a role names no tenant."""


def _is_there(world: World, user: UUID, place: Place, label: str) -> bool:
    """Whether the user has a role in that tenant, by a row of its own. Raises `_InAll` where a row is for all."""
    column = people.tenant_column(world, place.relation)
    tenants = [row[column] for row in people.roles_of(world, place.relation, user)]
    if None in tenants:
        raise _InAll
    return str(world.tenants.ids[label]) in map(str, tenants)
