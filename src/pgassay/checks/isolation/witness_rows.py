"""The rows that witnesses need, found where they are there, else made."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgassay.catalog import Relation
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.world import World
from pgassay.rows import Row, Unfilled


@dataclass
class Rows:
    """Finds rows and makes them where `World.connection` leads: ``made``, with their table and tenant.

    ``changed`` are tenants' own rows as they were, each with the values that it was given.
    """

    world: World
    made: list[tuple[Relation, str, Row]] = field(default_factory=list)
    changed: list[tuple[Relation, Row, Row]] = field(default_factory=list)

    @property
    def mark(self) -> tuple[int, int]:
        """How much there is, to which `go_back` leads."""
        return len(self.made), len(self.changed)

    def go_back(self, mark: tuple[int, int]) -> None:
        """Forget what is not there any more, since it was rolled back."""
        del self.made[mark[0] :], self.changed[mark[1] :]

    def of_tenant(self, relation: Relation, label: str, values: Row) -> Row | None:
        """The tenant's own row, once it has these values; None where its key would be another one."""
        world = self.world
        row = world.tenants.rows.get(relation.full_name, {}).get(label)
        if row is None or any(str(row[name]) != str(values[name]) for name in relation.primary_key if name in values):
            return None
        values = {name: value for name, value in values.items() if name not in relation.primary_key}
        if not values:
            return None
        change = changes.update(world, relation, row, values)
        world.connection.execute(change.statement, change.values)
        self.changed.append((relation, row, values))
        return self.world.maker.first(relation, {name: row[name] for name in relation.primary_key})

    def new(self, relation: Relation, label: str, values: Row) -> Row:
        """A new row; the one that is there, or one that refers to new rows, where its key is taken."""
        try:
            return self._further(relation, label, values)
        except Unfilled as refused:
            found = self.world.maker.first(relation, values)
            if found is not None:
                return found
            if (other := self._of_another(relation, label, values)) is not None:
                return self._further(relation, label, {**other, **values})
            if self._referred(relation, label, values):
                return self._further(relation, label, values)
            world = self.world
            references, made = world.maker.anew(relation, world.tenants, label, refused, values)
            self.made += [(target, label, row) for target, row in made]
            if not references:
                raise
            return self._further(relation, label, {**references, **values})

    def _of_another(self, relation: Relation, label: str, values: Row) -> Row | None:
        """What makes a row of a tenant without members, where the wanted one names this tenant as another party."""
        world = self.world
        column, name = world.tenancy.column_of(relation.full_name), world.tenancy.tenant
        parties = {here for key in relation.foreign_keys if key.target == name for here, _ in key.columns}
        is_named = any(values.get(here) == world.tenants.ids[label] for here in parties - {column})
        tenant = (
            world.maker.further_tenant(world.tenants, label) if is_named and column in parties - {*values} else None
        )
        if tenant is None:
            return None
        found: Row = {column: tenant[world.relations[name].primary_key[0]]}
        for key in relation.foreign_keys:
            there = dict(key.columns).get(column)
            if there is not None and key.target != name:
                target = world.relations[key.target]
                row = world.maker.further(target, world.tenants, label, {there: found[column]})
                found |= {here: row[other] for here, other in key.columns}
        return found

    def _referred(self, relation: Relation, label: str, values: Row) -> bool:
        """Make the rows to which these values refer, as a cart of the user's; whether any was lacking."""
        before, world = len(self.made), self.world
        for key in relation.foreign_keys:
            target = world.relations.get(key.target)
            there = {other: values[here] for here, other in key.columns if values.get(here) is not None}
            if target is not None and len(there) == len(key.columns) and self.world.maker.first(target, there) is None:
                self._further(target, label, there)
        return len(self.made) > before

    def _further(self, relation: Relation, label: str, values: Row) -> Row:
        world = self.world
        row = world.maker.further(relation, world.tenants, label, values, is_new=True)
        self.made.append((relation, label, row))
        return row
