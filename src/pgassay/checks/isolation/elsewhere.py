"""Doors other than the declared tables through which a role may do or see more than it is declared to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from pgassay.catalog import Function, Relation
from pgassay.checks.isolation.by_calls import ByCalls
from pgassay.checks.isolation.declared import Declared
from pgassay.checks.isolation.people import Person
from pgassay.checks.isolation.relations import Found
from pgassay.checks.isolation.seen_in import SeenIn
from pgassay.checks.isolation.world import World
from pgassay.identity import Session

Judge = Callable[[Session], list[Found]]


class Elsewhere:
    """Tries views and functions as ``people``, on sessions of the API."""

    def __init__(self, world: World, people: Sequence[Person]) -> None:
        self._world = world
        self._people = people
        self._parts: list[SeenIn | ByCalls] = []

    @property
    def probes(self) -> int:
        """How many probes there were."""
        return sum(part.probes for part in self._parts)

    def doors(self, relations: Iterable[Relation], functions: Iterable[Function]) -> Iterator[tuple[str, Judge]]:
        """The name of each view and function, and what judges it; none where no right is declared."""
        roles = self._world.tenancy.within.roles
        if roles is None or not roles.tables:
            return
        declared = Declared(self._world, roles)
        seen = SeenIn(self._world, declared)
        calls = ByCalls(self._world, self._people, declared, seen)
        self._parts = [seen, calls]
        for relation in filter(seen.is_shown, relations):
            yield relation.full_name, self._of_view(seen, relation)
        for function in functions:
            yield function.signature, self._of_function(calls, function)

    def _of_view(self, seen: SeenIn, view: Relation) -> Judge:
        return lambda api: [*self._seen(seen, api, view)]

    def _seen(self, seen: SeenIn, api: Session, view: Relation) -> Iterator[Found]:
        told: set[str] = set()
        for person in self._people:
            for found in seen.in_view(api, view, person) if person.role not in told else ():
                told.add(person.role)  # who has that role in other tenants, too, sees nothing else
                yield found

    def _of_function(self, calls: ByCalls, function: Function) -> Judge:
        return lambda api: [*calls.try_function(api, function)]
