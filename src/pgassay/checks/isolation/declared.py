"""What the declaration of roles says of single rows: whether one person may read or change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgassay.checks.isolation.people import Person, owner_column
from pgassay.checks.isolation.rights import Reached, Whose
from pgassay.checks.isolation.world import World
from pgassay.within import Right, Roles


class Declared:
    """The rights of ``roles`` in the declared tables, by row."""

    def __init__(self, world: World, roles: Roles) -> None:
        self._world = world
        self.roles = roles
        self._reached: dict[tuple[str, str], Reached] = {}

    def right(self, person: Person, table: str) -> Right:
        """What a person may do in a declared table."""
        return self.roles.right(person.role, table)

    def whose(self, person: Person, table: str, row: Mapping[str, Any]) -> Whose | None:
        """Whose a row is to a person; None where it names them, but not as the owner."""
        key = (person.actor.name, table)
        if key not in self._reached:
            relation = self._world.relations[table]
            owner = owner_column(self._world, self.roles, relation) if self.roles.has_own(table) else ""
            self._reached[key] = Reached(self._world, relation, owner, person)
        return self._reached[key].whose(row)

    def may_read(self, person: Person, table: str, row: Mapping[str, Any]) -> bool:
        """Whether a person may read a row, or it names them: rows in the own name are no colleague's secret."""
        return "select" in self.right(person, table).operations or self.whose(person, table, row) is not Whose.OTHERS
