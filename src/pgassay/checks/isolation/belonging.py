"""Whose a row is: by the column of the tenancy, by its key, by what it refers to, or by the values in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import sql

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.isolation import costs
from pgassay.checks.isolation.nesting import leaves
from pgassay.config import Claim, Membership
from pgassay.rows import USERS, Row

if TYPE_CHECKING:
    from pgassay.checks.isolation.world import World

LABELS = ("A", "B", "C")
MARKER_LENGTH = 6
"""Shorter values are not taken for a sign of whose row they are from."""
_UUID_LENGTH = 36
"""Values as long as that are looked for within texts, too, and so are others with a number, as words of their own."""


class Belonging:
    """What is known of the rows that were made for the tenants of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._links: dict[str, list[ForeignKey]] = {}

    def forget(self) -> None:
        """Ask anew whose each value and key is, since rows came or went."""
        for cached in ("_by_key", "_values", "_markers", "_generated", "shared"):
            self.__dict__.pop(cached, None)

    def labels(self, row: Sequence[Any], known: frozenset[str] = frozenset(), *, public: bool = False) -> set[str]:
        """Whose values stand in a row, but for those in ``known``, and unless ``public`` for what everybody reads."""
        text = " ".join(map(str, row))
        found = set(leaves(row))
        return {
            label
            for marker, label in (self._values if public else self._markers).items()
            if (marker in found or (marker in text and stands_in(marker, text))) and not self._is_known(marker, known)
        }

    def _is_known(self, marker: str, known: Collection[str]) -> bool:
        """Whether it stands in what is known; of what a column is generated of, each word may stand in it alone."""
        words = marker.split() if marker in self._generated else [marker]
        return all(any(word in value for value in known) for word in words)

    @cached_property
    def _generated(self) -> set[str]:
        """The values of generated columns."""
        columns = {
            (name, column.name)
            for name, relation in self._world.relations.items()
            for column in relation.columns
            if column.generated
        }
        return {str(value) for name, _, row in self.made() for key, value in row.items() if (name, key) in columns}

    def made(self) -> Iterator[tuple[str, str, Row]]:
        """All rows that were made for tenants: relation, label, row."""
        for found in (self._world.tenants.rows, self._world.tenants.others):
            for relation, rows in found.items():
                yield from ((relation, label, row) for label, row in rows.items())
        for further in (self._world.tenants.further, self._world.more):
            for relation, several in further.items():
                yield from ((relation, label, row) for label, row in several)

    @cached_property
    def _markers(self) -> dict[str, str]:
        """`_values` without those that are public."""
        public = self._public_values()
        return {value: label for value, label in self._values.items() if value not in public}

    @cached_property
    def _values(self) -> dict[str, str]:
        """Values that stand in rows of one tenant alone → its label."""
        found: dict[str, set[str]] = {}
        values: list[tuple[str, Any]] = []
        for label in LABELS:
            user = self._world.tenants.users[label]
            values += [(label, self._world.tenants.ids[label]), (label, user), (label, self._world.emails.get(user))]
        for relation, label, row in self.made():
            listed = self._world.maker.listed_of(relation)  # words of the schema are nobody's
            values += [(label, value) for name, value in row.items() if name not in listed]
        for label, value in values:
            if is_marker(value):
                found.setdefault(str(value), set()).add(label)
        return {value: labels.pop() for value, labels in found.items() if len(labels) == 1}

    @cached_property
    def referred(self) -> dict[str, list[tuple[str, str]]]:
        """The columns that those of foreign keys refer to, by the names of these: relation and column, each once."""
        found: dict[str, dict[tuple[str, str], None]] = {}
        for relation in self._world.relations.values():
            for key in relation.foreign_keys:
                for here, there in key.columns:
                    found.setdefault(here, {})[key.target, there] = None
        return {here: list(there) for here, there in found.items()}

    @cached_property
    def shared(self) -> set[str]:
        """Values that stand in rows of several tenants."""
        found: dict[str, set[str]] = {}
        for _, label, row in self.made():
            for value in row.values():
                found.setdefault(str(value), set()).add(label)
        return {value for value, labels in found.items() if len(labels) > 1}

    def _public_values(self) -> set[str]:
        found: set[str] = set()
        for name in sorted(self._world.tenancy.public & self._world.relations.keys()):
            relation = self._world.relations[name]
            statement = sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name))
            with costs.only(name, {}, self._world.go_on):  # as a door, it says itself why it cannot be read
                rows = self._world.connection.attempt(statement)[0].rows
                found.update(value for row in rows for value in leaves(row))
        found.update(value for rows in self._world.opened.values() for row in rows.values() for value in leaves(row))
        return found

    def is_opened(self, name: str, row: Mapping[str, Any]) -> bool:
        """Whether a row, as it is in a `State`, is open to everybody by a link."""
        key = (
            tuple(str(row.get(column)) for column in self._world.relations[name].primary_key)
            if name in self._world.opened
            else ()
        )
        return any(tuple(map(str, opened)) == key for opened in self._world.opened.get(name, ()))

    def whose(self, name: str, row: Mapping[str, Any], known: frozenset[str] = frozenset()) -> set[str]:
        """The tenants that a row of a table belongs to, as it is in a `State`; nobody where that cannot be told.

        Values that stand in ``known`` are no sign of a tenant.
        """
        by_id = {str(tenant_id): label for label, tenant_id in self._world.tenants.ids.items()}
        member = self._world.tenancy.member
        column = self._world.tenancy.column_of(name)
        if isinstance(member, Membership) and name == member.table:
            column = member.tenant
        relation = self._world.relations.get(name)
        if relation is None:  # auth.users
            return {label for label, user in self._world.tenants.users.items() if str(user) == row.get("id")}
        if column in row:
            return {by_id[str(row[column])]} if str(row[column]) in by_id else set()
        key = tuple(str(row.get(part)) for part in relation.primary_key)
        if key and (name, relation.primary_key, key) in self._by_key:
            return {self._by_key[name, relation.primary_key, key]}
        found = set()
        for link in self._telling(relation):
            there = tuple(column for _, column in link.columns)
            values = tuple(str(row.get(column)) for column, _ in link.columns)
            if link.target == USERS:
                found |= {label for label, user in self._world.tenants.users.items() if (str(user),) == values}
            elif (link.target, there, values) in self._by_key:
                found.add(self._by_key[link.target, there, values])
        return found or self.labels(list(row.values()), known)

    def _telling(self, relation: Relation) -> list[ForeignKey]:
        """The foreign keys that tell whose a row is: not those to what everybody reads, unless it is a user."""
        if relation.full_name not in self._links:
            users = set(self._world.maker.users_in(relation))
            self._links[relation.full_name] = [
                key
                for key in relation.foreign_keys
                if key.target not in self._world.tenancy.public or any(here in users for here, _ in key.columns)
            ]
        return self._links[relation.full_name]

    @cached_property
    def _by_key(self) -> dict[tuple[str, tuple[str, ...], tuple[str, ...]], str]:
        """The label of each row by the columns that it is referred to."""
        wanted: dict[str, set[tuple[str, ...]]] = {}
        for relation in self._world.relations.values():
            wanted.setdefault(relation.full_name, set()).add(relation.primary_key)
            for key in relation.foreign_keys:
                wanted.setdefault(key.target, set()).add(tuple(there for _, there in key.columns))
        return {
            (name, columns, tuple(str(row.get(column)) for column in columns)): label
            for name, label, row in self.made()
            for columns in wanted.get(name, ())
            if columns
        }

    def condition(self, name: str) -> str | None:
        """The condition of a policy by which a row of that relation is one of the caller's tenants."""
        relation, member = self._world.relations.get(name), self._world.tenancy.member
        words = self._world.platform.words
        column, caller = self._world.tenancy.column_of(name), sql.SQL(words.user_in_sql)
        if isinstance(member, Membership) and name == member.table:
            return sql.SQL("{} = {}").format(sql.Identifier(member.user), caller).as_string(None)
        if name == self._world.tenancy.tenant and relation is not None and relation.column(column) is None:
            column = relation.primary_key[0]
        if relation is None or relation.column(column) is None:
            return None
        if isinstance(member, Membership):
            schema, _, table = member.table.partition(".")
            return (
                sql.SQL("{} in (select m.{} from {} as m where m.{} = {})")
                .format(
                    *map(sql.Identifier, (column, member.tenant)),
                    sql.Identifier(schema, table),
                    sql.Identifier(member.user),
                    caller,
                )
                .as_string(None)
            )
        if isinstance(member, Claim):
            path = sql.Literal("{" + ",".join(member.path) + "}").as_string(None)
            return f"{sql.Identifier(column).as_string(None)}::text = {words.claim_in_sql(path)}"
        return sql.SQL("{} = {}").format(sql.Identifier(column), caller).as_string(None)


def stands_in(marker: str, text: str) -> bool:
    """Whether a text has such a value within it: a short one with a number, as a word of its own."""
    if len(marker) >= _UUID_LENGTH:
        return True
    numbered = any(character.isdigit() for character in marker)
    return numbered and re.search(rf"(?<!\w){re.escape(marker)}(?!\w)", text) is not None


def is_marker(value: object) -> bool:
    """Whether a value is long enough to be a sign of whose row it is from: a text, or a uuid."""
    return isinstance(value, UUID | str) and len(str(value)) >= MARKER_LENGTH
