"""What follows from catalog and hints before anything is decided: users' columns, and who looks whom up."""

from __future__ import annotations

from typing import Any

from pgassay.catalog import Relation
from pgassay.config import Membership
from pgassay.hints import Column, Facts, Hints
from pgassay.tenancy.memberships import of_tables, opened
from pgassay.tenancy.model import USERS
from pgassay.tenancy.names import TENANTS


class Observed:
    """What follows from catalog and hints before anything is decided."""

    def __init__(self, relations: tuple[Relation, ...], hints: Hints) -> None:
        self.hints = hints
        self.relations = relations
        self.tables = {relation.full_name: relation for relation in relations if relation.kind == "table"}
        self.facts = {name: self._closure(name) for name in hints.policies}
        self.compared = set(hints.elsewhere.callers).union(*(facts.callers for facts in hints.policies.values()))
        self.user_columns = self._user_columns()
        self.routes: dict[Any, dict[str, list[tuple[str, ...]]]] = {}
        self.memberships = tuple(of_tables(self))
        self.shares: tuple[Membership, ...] = tuple(opened(found) for found in self.memberships if found.is_share)

    def unique(self, table: str) -> tuple[frozenset[str], ...]:
        """The columns of each unique key of ``table``."""
        return self.hints.unique.get(table, ())

    def users_of(self, table: str) -> list[str]:
        """The columns of ``table`` that hold the id of a user, in order."""
        return [c.name for c in self.tables[table].columns if Column(table, c.name) in self.user_columns]

    def is_of_users(self, table: str) -> bool:
        """Whether a table has one row a user under the user's own id, as a table of profiles has."""
        return table == USERS or any({name} in self.unique(table) for name in self.users_of(table))

    def direct(self, table: str) -> list[str]:
        """The columns for users of ``table`` that its own policies compare with the caller."""
        own = self.hints.policies.get(table, Facts()).callers
        return [name for name in self.users_of(table) if Column(table, name) in own]

    def owners(self, table: str) -> list[str]:
        """The columns by which users own the rows of ``table``."""
        return [
            name
            for name in self.users_of(table)
            if Column(table, name) in self.compared or Column(table, name) in self.hints.defaults
        ]

    def support(self, column: Column, but: str) -> frozenset[str]:
        """The tables other than ``but`` whose policies look the caller up in ``column``."""
        return frozenset(name for name, facts in self.facts.items() if name != but and column in facts.callers)

    def joined_with(self, column: Column) -> set[Column]:
        """The columns of other tables that have to be equal to ``column`` somewhere, but for those of users."""
        every = [*self.hints.policies.values(), self.hints.elsewhere]
        pairs = [pair for facts in every for pair in facts.joins if column in pair]
        return {
            other
            for pair in pairs
            for other in pair - {column}
            if other.relation in self.tables and other not in self.user_columns
        }

    def key_of(self, table: str) -> str:
        """The one column of its primary key; empty where there are several or none."""
        key = self.tables[table].primary_key if table in self.tables else ()
        return key[0] if len(key) == 1 else ""

    def type_of(self, column: Column) -> str:
        """The type of a column; empty where it is not known."""
        found = self.tables[column.relation].column(column.name) if column.relation in self.tables else None
        return "" if found is None else found.type

    def is_referred_to(self, user_table: str, tenant: str) -> bool:
        """Whether other tables than that of users refer to what looks like a table of tenants."""
        return bool(TENANTS.search(tenant.partition(".")[2])) and any(
            key.target == tenant
            for name, table in self.tables.items()
            if name != user_table and not self.is_of_users(name)
            for key in table.foreign_keys
        )

    def _closure(self, table: str) -> Facts:
        """The facts of a table's policies, and of those of the tables that they read."""
        found, seen, left = Facts(), set(), [table]
        while left:
            name = left.pop()
            if name in seen:
                continue
            seen.add(name)
            facts = self.hints.policies.get(name, Facts())
            found.add(facts)
            left += [column.relation for column in facts.columns]
        return found

    def _user_columns(self) -> set[Column]:
        found: set[Column] = set()
        keys = [(table, key) for table in self.tables.values() for key in table.foreign_keys if len(key.columns) == 1]

        def follow() -> None:
            before = -1
            while before != len(found):
                before = len(found)
                for table, key in keys:
                    ((here, there),) = key.columns
                    target = Column(key.target, there)
                    if key.target == USERS or (target in found and {there} in self.unique(key.target)):
                        found.add(Column(table.full_name, here))

        follow()
        linked = {Column(table.full_name, here) for table, key in keys for here, _ in key.columns}
        bare = {column for column in self.compared | self.hints.defaults if column not in linked}
        bare = {column for column in bare if column.relation in self.tables}
        found |= {column for column in bare if {column.name} not in self.unique(column.relation)}
        tenants = {
            key.target for table, key in keys if key.target not in self._of_users(found) and self._joins(table, found)
        }
        found |= {column for column in bare if column.relation not in tenants}
        follow()
        return found

    def _of_users(self, found: set[Column]) -> set[str]:
        return {USERS, *(c.relation for c in found if {c.name} in self.unique(c.relation))}

    def _joins(self, table: Relation, found: set[Column]) -> bool:
        users = {column.name for column in found if column.relation == table.full_name}
        return any(unique & users and len(unique) > 1 for unique in self.unique(table.full_name))
