"""Members of A by each declared role, and rows in the name of each where a right speaks of one's own rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.catalog import Relation
from pgassay.checks.isolation import changes, costs, openings
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.errors import ConfigError
from pgassay.rows import Row, Unfilled
from pgassay.within import Roles

WHERE = "[tool.pgassay.roles]"
_TENANT = "A"
_OTHER = "B"
_ENTITLED = 4
"""So many roles of the other tenant are given to somebody who is to get something by functions there."""
NUMBERS = 7_300_000
"""From here on are numbers by which a row is known, since nothing counts so far."""


@dataclass(frozen=True)
class Person:
    """A member with a role; ``membership`` is the row that makes them one, empty where a claim does.

    ``elsewhere`` are the roles that they have in other tenants, which give them nothing in this one.
    """

    role: str
    actor: Actor
    membership: Row
    elsewhere: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to look for first where somebody like that may do too much: nothing for a member of one tenant."""
        if not self.elsewhere:
            return ""
        return f"Ask for the role in the tenant of the row: {' or '.join(self.elsewhere)} is one in another tenant. "

    def named_in(self, world: World, relation: Relation, column: str) -> Any:
        """The value by which a column names this person: the key of the membership, or the user."""
        member = world.tenancy.member
        for key in relation.foreign_keys:
            if isinstance(member, Membership) and key.target == member.table and key.target != relation.full_name:
                there = dict(key.columns).get(column)
                if there is not None and self.membership:
                    return self.membership[there]
        return self.actor.user


@dataclass(frozen=True)
class Place:
    """Where a role is written down: the table, its column, and the value there."""

    relation: Relation
    column: str
    value: Any


def make(world: World, actors: list[Actor]) -> list[Person]:
    """A member of each declared role, who is then shown among ``actors``. Raises `ConfigError` for unknown names."""
    roles = world.tenancy.within.roles
    if roles is None:
        return []
    if world.tenancy.member is None:
        raise ConfigError(f'{WHERE} is for tenants with members, and here each user is one: member = "self".')
    _refuse_unknown(world, roles)
    places = places_of(world, roles)
    found = []
    for role, place in places.items():
        name = _name(_TENANT, role, place)
        with costs.only(name, world.unjudged, world.go_on):
            person = _known(world, actors, name, role) or _made(world, name, role, place)
            actors[:] = [actor for actor in actors if actor.name != name]
            actors.insert(-1, person.actor)
            found.append(person)
            world.unjudged.pop(name, None)
    _fill(world, roles, found)
    world.entitled[:0] = _of_other(world, roles, places)
    return found


def _name(label: str, role: str, place: Place) -> str:
    return f"member of {label}, {place.column}{'' if role == place.column else f' {role}'}"


def _of_other(world: World, roles: Roles, places: Mapping[str, Place]) -> list[Actor]:
    """Members of B by those roles of which there is none as yet, the highest first."""
    known = {actor.name for actor in world.entitled}
    wanted = {_name(_OTHER, role, places[role]): places[role] for role in (*roles.order[::-1], *roles.others)}
    found = []
    for name in [name for name in wanted if name not in known][:_ENTITLED]:
        try:
            with world.connection.transaction():
                user = world.maker.user()
                give(world, user, wanted[name], _OTHER)
        except (psycopg.Error, Unfilled):  # then functions are tried without, which costs no verdict
            world.go_on()
            continue
        found.append(replace(world.member(_OTHER, name, user), shown=False))
    return found


def places_of(world: World, roles: Roles) -> dict[str, Place]:
    """Where each declared role is written down."""
    return {role: _place(world, roles, role) for role in roles.all}


def _refuse_unknown(world: World, roles: Roles) -> None:
    for table, column in roles.columns:
        relation = world.relations.get(table)
        if relation is None:
            raise ConfigError(f"{WHERE}: column names {table}, which the migrations do not make.")
        if relation.column(column) is None:
            raise ConfigError(f"{WHERE}: {table} has no column {column}.")
    for table in roles.tables:
        relation = world.relations.get(table)
        if relation is None:
            raise ConfigError(f"{WHERE}: tables names {table}, which the migrations do not make.")
        if (column := roles.owner_in(table)) and relation.column(column) is None:
            raise ConfigError(f"{WHERE}: own:{column} in {table}, which has no such column.")
        if roles.has_own(table):
            owner_column(world, roles, relation)


def owner_column(world: World, roles: Roles, relation: Relation) -> str:
    """The column that names the owner of a row. Raises `ConfigError` where that is not settled."""
    name, member = relation.full_name, world.tenancy.member
    if declared := roles.owner_in(name):
        return declared
    if isinstance(member, Membership) and name == member.table:
        return member.user
    found = dict.fromkeys(world.maker.users_in(relation))
    if len(found) != 1:
        which = f"{' and '.join(found)} name users" if found else "no column is known to name a user"
        raise ConfigError(f"{WHERE}: own in {name}, where {which}.", hint="Write the column, as own:author_id.")
    return next(iter(found))


def _place(world: World, roles: Roles, role: str) -> Place:
    """The first of the columns that can have the role, or that is a flag which is called like it."""
    had: list[str] = []
    for table, column in roles.columns:
        relation = world.relations[table]
        listed = world.maker.listed_of(table).get(column)
        looked_up = _looked_up(world, relation, column) or _truths(relation, column)
        if role == column and _truths(relation, column) is not None:
            return Place(relation, column, True)
        if looked_up is not None:
            listed = [word for word, _ in looked_up]
        if listed is None and role in (*roles.order, *roles.others):
            return Place(relation, column, role)
        if role in (listed or ()):
            value = dict(looked_up)[role] if looked_up is not None else role
            return Place(relation, column, value)
        had += listed or []
    columns = " or ".join(".".join(column) for column in roles.columns)
    raise ConfigError(
        f"{WHERE} names the role {role!r}, which {columns} cannot have.",
        hint=f"Its values are {', '.join(dict.fromkeys(had))}." if had else "Name it in order or roles as well.",
    )


def _looked_up(world: World, relation: Relation, column: str) -> list[tuple[str, Any]] | None:
    """The words that rows of a lookup table have, each with the row's key; None where the column refers to none.

    The last of a row is the key itself, as text.
    """
    for key in relation.foreign_keys:
        target = world.relations.get(key.target)
        if [here for here, _ in key.columns] != [column] or target is None:
            continue
        with world.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                sql.SQL("select * from {}").format(sql.Identifier(target.schema, target.name))
            ).fetchall()
        there = key.columns[0][1]
        return [
            (value, row[there])
            for row in rows
            for value in [*(value for value in row.values() if isinstance(value, str)), str(row[there])]
        ]
    return None


def _truths(relation: Relation, column: str) -> list[tuple[str, Any]] | None:
    """The words for the values of a flag; None where the column is none."""
    found = relation.column(column)
    return [("false", False), ("true", True)] if found is not None and found.category == "B" else None


def words_of(world: World, relation: Relation, column: str) -> list[str]:
    """The words that a lookup table has for the values of a column, one a row; none where there is no such table."""
    first: dict[Any, str] = {}
    for word, key in _looked_up(world, relation, column) or ():
        first.setdefault(key, word)
    return [*first.values()]


def _known(world: World, actors: list[Actor], name: str, role: str) -> Person | None:
    """Somebody of that role whom there is already."""
    actor = next((actor for actor in actors if actor.name == name and actor.user is not None), None)
    if actor is None or actor.user is None:
        return None
    return Person(role, replace(actor, shown=True), membership_of(world, actor.user))


def _made(world: World, name: str, role: str, place: Place) -> Person:
    """A new member of that role; the one whom there is, where a key lets one alone have it."""
    try:
        with world.connection.transaction():
            user = world.maker.user()
            give(world, user, place, _TENANT)
    except (psycopg.Error, Unfilled):
        user = world.tenants.users[_TENANT]
        row = _row_of(world, _known_by(world, place.relation, user, _TENANT), place.relation)
        if world.connection.closed or row is None or str(row[place.column]) != str(place.value):
            raise
    return Person(role, world.member(_TENANT, name, user), membership_of(world, user))


def give(world: World, user: UUID, place: Place, label: str) -> None:
    """Make a user a member of a tenant with that role, wherever it is written down."""
    member, tenant_id = world.tenancy.member, world.tenants.ids[label]
    relation, wanted = place.relation, {place.column: place.value}
    is_here = isinstance(member, Membership) and member.table == relation.full_name
    world.maker.join(user, tenant_id, **(wanted if is_here else {}))
    known = _known_by(world, relation, user, label)
    row = _row_of(world, known, relation)
    if row is None:
        row = world.maker.further(relation, world.tenants, label, {**dict(known), **wanted})
    if str(row[place.column]) != str(place.value):
        statement = sql.SQL("update {} set {} = %s where {}").format(
            sql.Identifier(relation.schema, relation.name),
            sql.Identifier(place.column),
            world.where(name for name, _ in known),
        )
        world.connection.execute(statement, [place.value, *(value for _, value in known)])
        row = _row_of(world, known, relation)
    if row is None or str(row[place.column]) != str(place.value):
        raise Unfilled(f"{relation.full_name} does not keep the role {place.value}")


def _user_column(world: World, relation: Relation) -> str:
    """The column of a table that holds roles which names whose role it is."""
    member = world.tenancy.member
    if isinstance(member, Membership) and member.table == relation.full_name:
        return member.user
    column = next(iter(world.maker.users_in(relation)), "")
    if not column:
        raise ConfigError(f"{WHERE}: column names {relation.full_name}, in which no column is known to name a user.")
    return column


def tenant_column(world: World, relation: Relation) -> str:
    """The column of a table that holds roles which names the tenant in which it is one; empty where none does."""
    member = world.tenancy.member
    if isinstance(member, Membership) and member.table == relation.full_name:
        return member.tenant
    column = world.tenancy.column_of(relation.full_name)
    return column if relation.column(column) is not None else ""


def _known_by(world: World, relation: Relation, user: UUID, label: str) -> list[tuple[str, Any]]:
    """The values by which the row is known that gives a user a role in a tenant, or in none that is named."""
    column, tenant = _user_column(world, relation), tenant_column(world, relation)
    is_in_all = tenant in ("", column) or any(row[tenant] is None for row in roles_of(world, relation, user))
    return [(column, user), *([] if is_in_all else [(tenant, world.tenants.ids[label])])]


def roles_of(world: World, relation: Relation, user: UUID) -> list[Row]:
    """All rows of a table that give a user a role."""
    return changes.rows_of(world, relation, [(_user_column(world, relation), user)])


def membership_of(world: World, user: UUID) -> Row:
    """The row that makes a user a member of A; empty where a claim does."""
    member = world.tenancy.member
    if not isinstance(member, Membership):
        return {}
    relation = world.relations[member.table]
    rows = changes.rows_of(world, relation, [(member.user, user)])
    tenant_id = str(world.tenants.ids[_TENANT])
    return next((row for row in rows if str(row[member.tenant]) == tenant_id), {})


def _row_of(world: World, known: list[tuple[str, Any]], relation: Relation) -> Row | None:
    return next(iter(changes.rows_of(world, relation, known)), None)


def _fill(world: World, roles: Roles, people: list[Person]) -> None:
    """A row in the name of each where a right speaks of one's own, and in each table one that nothing refers to."""
    for table in roles.tables:
        relation = world.relations[table]
        for wanted in _wanted(world, roles, relation, people):
            try:
                with world.connection.transaction():
                    row = world.maker.further(relation, world.tenants, _TENANT, wanted)
            except (psycopg.Error, Unfilled):  # then that is not tried, which costs no verdict
                world.go_on()
                continue
            if all(str(row.get(name)) == str(value) for name, value in wanted.items()):
                world.more.setdefault(table, []).append((_TENANT, row))
    for number, (table, label, row) in enumerate([*world.made()]):
        if table in roles.tables and label == _TENANT:
            _tell(world, world.relations[table], row, number)
    openings.close(world)
    world.forget_what_is_known()


def _tell(world: World, relation: Relation, row: Row, number: int) -> None:
    """Give a row texts where it has none, by which it is known wherever it is shown; numbers where it can have none."""
    left = {*relation.referring, *relation.primary_key, *world.maker.listed_of(relation.full_name)}
    if not any(column.category == "S" and column.name not in left for column in relation.columns):
        for place, column in enumerate(relation.columns):
            if column.category == "N" and column.name not in left and not column.generated:
                openings.set_values(world, relation, row, {column.name: NUMBERS + 97 * number + place})
    for column in relation.columns:
        if column.category == "S" and not column.not_null and column.name not in left and row.get(column.name) is None:
            openings.set_values(world, relation, row, {column.name: world.maker.another(relation, column.name)})


def _wanted(world: World, roles: Roles, relation: Relation, people: list[Person]) -> Iterator[Row]:
    member, name = world.tenancy.member, relation.full_name
    is_membership = isinstance(member, Membership) and name == member.table
    if relation.kind != "table" or is_membership or name == world.tenancy.tenant:
        return
    yield {}
    if roles.has_own(name):
        column = owner_column(world, roles, relation)
        for person in people:
            yield {column: person.named_in(world, relation, column)}
