"""The maker: rows of several tenants in every table, with values that the constraints let in."""

from __future__ import annotations

import functools
import itertools
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Column, DataType, Exclusion, ForeignKey, Relation
from pgassay.config import NO_TABLE, Membership, Tenancy
from pgassay.errors import PgassayError, internal_error
from pgassay.identity import Identity
from pgassay.platforms import DEFAULT
from pgassay.rows import callers, patterned, unlisted, values
from pgassay.rows import hints as reading
from pgassay.rows.search import LEFT_OUT, Part, Pools, Row, Search, Unfilled, Variable, check_rules, hints_for
from pgassay.schema import conditions

USERS = DEFAULT.users.table

_GONE = re.compile(
    r"(deleted|archived|removed|revoked|cancell?ed|disabled|banned|suspended|expired|closed)_(at|on|by)$"
)
"""Names of columns that say of a row that it is no longer to be seen."""
_STAFF = re.compile(r"(^|_)(super_?)?(admin|administrator|moderator|operator|superuser|staff)s?($|_)")
_POWERFUL = re.compile(r"admin|owner|super|root|staff|moderator|manager|support|operator|editor|system|service", re.I)
_FRESH = 6
"""So many values of its own a column brings into the search, so that rows can differ."""
_SOLUTIONS = 40
_TRIES = 25
_WIDE_TRIES = 160
_NAMED = 6
_COLLISIONS = 2
_STATES = 6
"""Of so many values to which a column is held that a view uses, each tenant has a row."""
_KEYS_FROM = 1_000_000
"""Where keys begin that are chosen although the table would count them: beyond what its sequence soon reaches."""
_CALLER = f"{DEFAULT.words.user}()"
"""The default of a column that holds whoever made the row."""
_SIGN_UP_TRIGGERS = """
select s.prosrc, pg_catalog.pg_get_functiondef(s.oid)
from pg_catalog.pg_trigger as g
join pg_catalog.pg_proc as s on g.tgfoid = s.oid
where g.tgrelid = pg_catalog.to_regclass(%s) and not g.tgisinternal
"""
_ALTERNATIVES = 6
_CALLS = 3
"""So many rows that are refused, or changed, are tried as the member too."""
_RAISED = "exec_stmt_raise"
"""The function of PostgreSQL's that reports what RAISE says in PL/pgSQL, with whatever SQLSTATE."""


@dataclass
class Tenants:
    """Tenants with a row in every table that could be filled.

    ``ids`` are the tenants' keys by label, ``users`` a member of each; ``rows`` the rows by relation and label, all
    columns read back, ``others`` second rows in which the columns that may be NULL are filled, where that can be;
    ``further`` are rows in each state that views may ask for, with labels; ``unfilled`` says for each table left empty
    why.
    """

    ids: dict[str, Any] = field(default_factory=dict)
    users: dict[str, UUID] = field(default_factory=dict)
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    others: dict[str, dict[str, Row]] = field(default_factory=dict)
    further: dict[str, list[tuple[str, Row]]] = field(default_factory=dict)
    unfilled: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """What follows from whose a row is: ``values``, and keys that columns under a constraint may have.

    Columns in ``left`` are left NULL even where all others are filled. ``by`` is who makes the row where triggers want
    to know who is signed in. A row that ``is_new`` is none that is there already.
    """

    values: Row
    choices: tuple[Row, ...] = ()
    left: frozenset[str] = frozenset()
    by: Identity | None = None
    is_new: bool = False


class Maker:
    """Makes rows through ``connection``, the owner's, for tenants as ``tenancy`` declares them.

    Another ``seed`` makes other ones.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], relations: tuple[Relation, ...], tenancy: Tenancy, seed: int = 0
    ) -> None:
        self._connection = connection
        self._relations = {relation.full_name: relation for relation in relations}
        self._tenancy = tenancy
        self._pools = Pools(connection)
        self._numbers = itertools.count(1 + seed)
        self._turns: dict[str, Iterator[int]] = {}
        self._plans: dict[tuple[Any, ...], list[Part]] = {}
        self._refused: set[tuple[str, bool]] = set()
        self._refusal: Exception | None = None
        self._sent: dict[tuple[str, str], Row] = {}
        self._emails: dict[UUID, str] = {}
        self._nobody: UUID | None = None
        self._memberless: Row | None = None
        self.members_have: Row = {}
        """What columns of a membership have, where nothing else is wanted of them."""
        self._staff: dict[str, UUID] = {}
        self.of_staff = frozenset(
            name for name in self._relations if _STAFF.search(name.partition(".")[2]) and self._is_of_users_alone(name)
        )
        """Tables that list users with rights beyond all tenants: their rows are of no tenant's member."""
        self.past_triggers: Callable[[LiteralString, Sequence[Any]], None] | None = None
        """Carries out a statement with the rights to pass over triggers, where somebody has them."""
        self.refused_users = ""
        """What every user was refused with that signed up, if so: they were made past the triggers."""
        self._random = random.Random(seed)  # noqa: S311 - the same values in every run

    def listed_of(self, relation: str) -> dict[str, list[str]]:
        """The values to which CHECK constraints or enums hold the columns of one relation that rows are made of."""
        return self._listed.get(relation, {})

    @cached_property
    def _listed(self) -> dict[str, dict[str, list[str]]]:
        return {
            name: _listed_values(relation)
            | {column.name: list(column.labels) for column in relation.columns if column.labels}
            for name, relation in self._relations.items()
        }

    @cached_property
    def _harmless(self) -> dict[str, dict[str, list[str]]]:
        """The same, of which members get a row, without those by which a user would get rights beyond all tenants."""
        return {
            name: {
                column: _without_power(self._relations[name], column, listed)
                if self._is_of_users_alone(name)
                else listed
                for column, listed in of_relation.items()
            }
            for name, of_relation in self._listed.items()
        }

    def _is_of_users_alone(self, name: str) -> bool:
        """Whether rows belong to a user, and to nothing of a tenant besides."""
        relation = self._relations[name]
        targets = {key.target for key in relation.foreign_keys}
        has_column = relation.column(self._tenancy.column_of(name)) is not None
        return (
            bool(targets)
            and all(self._is_of_users(target) for target in targets)
            and name not in self._of_the_tenancy()
            and (self._tenancy.tenant == USERS or not has_column)
        )

    @cached_property
    def listed(self) -> dict[str, list[str]]:
        """The values to which CHECK constraints or enums hold columns, by the columns' names."""
        found: dict[str, list[str]] = {}
        for of_relation in self._listed.values():
            for column, listed in of_relation.items():
                found.setdefault(column, []).extend(listed)
        return found

    def use(self, connection: psycopg.Connection[Any]) -> None:
        """Go on through another connection, to a copy of the database."""
        self._connection = connection
        self._pools.connection = connection

    def user(self, email: str | None = None) -> UUID:
        """A new user, with the row by which memberships may know them."""
        user_id = uuid4()
        address = self._emails[user_id] = email or f"{uuid4().hex}@example.org"  # which does not tell the id
        self._sign_up(user_id, address)
        self._sign_in(user_id)
        for target, column in self._profiles():
            if self._existing(target, {column: user_id}) is None:
                to_users = {
                    here: user_id for key in target.foreign_keys if key.target == USERS for here, _ in key.columns
                }
                self._insert(target, _Known({**to_users, column: user_id}, by=self._caller(user_id)))
        return user_id

    def _sign_up(self, user_id: UUID, email: str) -> None:
        """Insert a user; with what triggers read from their metadata, if they refuse one who has none."""
        try:
            with self._connection.transaction():
                self._connection.execute(DEFAULT.users.sign_up, [user_id, email, None, None])
        except psycopg.Error as error:
            with self._connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
                triggers = cursor.execute(_SIGN_UP_TRIGGERS, [USERS]).fetchall()
            sources = " ".join(source for source, _ in triggers)
            trees = [tree for _, definition in triggers for tree in sqltree.body(definition)]
            keys = [key for tree in trees for path in sqltree.keys(tree) for key in path]
            number = next(self._numbers)
            for value in (f"user {number}", f"user{number}", str(number), str(uuid4()), *reading.read([sources]).texts):
                if self._signs_up(user_id, email, dict.fromkeys(keys, value)):
                    return
            if self.past_triggers is None:
                raise
            try:
                self.past_triggers(DEFAULT.users.sign_up, [user_id, email, None, None])
            except psycopg.errors.InsufficientPrivilege:
                raise Unfilled(
                    f"whoever signs up is refused by the triggers of {USERS} ({_said(error)}), and only a superuser "
                    "may pass over them"
                ) from error
            self.refused_users = _said(error)

    def _sign_in(self, user_id: UUID) -> None:
        """What follows when somebody has signed up; where a trigger refuses it, they are a user all the same."""
        for statement in DEFAULT.users.sign_in:
            with suppress(psycopg.DatabaseError), self._connection.transaction():
                self._connection.execute(statement.encode(), [user_id])

    def _signs_up(self, user_id: UUID, email: str, metadata: Row) -> bool:
        phone = f"+43{user_id.int % 10**10:010}"
        try:
            with self._connection.transaction():
                self._connection.execute(DEFAULT.users.sign_up, [user_id, email, phone, values.sql_text(metadata)])
        except psycopg.Error:
            return False
        return True

    def _profiles(self) -> Iterator[tuple[Relation, str]]:
        """Tables with a row a user, which memberships refer to instead of ``auth.users``: with the column they name."""
        member = self._tenancy.member
        if isinstance(member, Membership) and member.table in self._relations:
            for key in self._relations[member.table].foreign_keys:
                for here, there in key.columns:
                    if here == member.user and key.target != USERS and key.target in self._relations:
                        yield self._relations[key.target], there

    def staff(self) -> Iterator[tuple[str, UUID]]:
        """Users with rights beyond all tenants: those listed in tables of such, and one by each role: what, and who."""
        if self.of_staff and self._staff:
            yield "staff", next(iter(self._staff.values()))
        for name, of_relation in self._harmless.items():
            for column, harmless in of_relation.items():
                relation = self._relations[name]
                users = [*self.users_in(relation)]
                for role in self._listed[name][column]:
                    if role in harmless or name in self.of_staff:
                        continue
                    changes: Row = {column: role}
                    try:
                        with self._connection.transaction():
                            user = self.user()
                            existing = self._existing(relation, dict.fromkeys(users, user))
                            if existing is None or self._updated(relation, existing, changes) is None:
                                self._insert(relation, _Known({**dict.fromkeys(users, user), **changes}))
                    except (psycopg.Error, Unfilled):
                        if self._connection.closed:
                            raise
                        continue
                    yield f"{column} {role}", user

    def join(self, user_id: UUID, tenant_id: Any, **more: Any) -> Row | None:
        """Make a user a member of a tenant, where a table says who is one; ``more`` are columns of that table.

        Raises `Unfilled` where the tenant's own row names its only member.
        """
        member = self._tenancy.member
        if not isinstance(member, Membership):
            return None
        if member.table == self._tenancy.tenant:
            raise Unfilled(f"{member.table} has one {member.user} a tenant")
        relation = self._relations[member.table]
        # what else a membership refers to, as a role, is what other members' refer to, those of the tenant first
        others = [sent for (name, _), sent in self._sent.items() if name == relation.full_name]
        there: Row = next((sent for sent in others if sent.get(member.tenant) == tenant_id), {})
        there = there or self.first(relation, {member.tenant: tenant_id}) or next(iter(others), {})
        referred = {here: there[here] for key in relation.foreign_keys for here, _ in key.columns if here in there}
        known = {**referred, **self.members_have, member.tenant: tenant_id, member.user: user_id, **more}
        if relation.primary_key == (member.user,):
            profile = self._existing(relation, {member.user: user_id})
            if profile is not None and profile[member.tenant] is None:  # made at sign-up, and of no tenant as yet
                return self._updated(relation, profile, {**self.members_have, member.tenant: tenant_id, **more})
        return self._insert(relation, _Known(known, by=self._caller(user_id, tenant_id)))

    def fill(self, labels: tuple[str, ...]) -> Tenants:
        """One tenant a label with one member, and a row of it in every table."""
        tenants = Tenants()
        for label in labels:
            tenants.users[label] = self.user()
            if self._tenancy.tenant == USERS:
                tenants.ids[label] = tenants.users[label]
        if self._tenancy.tenant == NO_TABLE:
            tenants.ids.update(zip(labels, self._named(len(labels)), strict=True))
        tables = [relation for relation in self._relations.values() if relation.kind == "table"]
        first = self._needed_by(self._tenancy.tenant), self._needed_by(*self._of_the_tenancy())
        for circle in sorted(
            circles(tables, lambda _, __: True),
            key=lambda circle: sum(not any(r.full_name in needed for r in circle) for needed in first),
        ):
            self._fill_circle(circle, tenants, labels)
        for relation in tables:
            with self._costing([relation], tenants):
                self._fill_for_all(relation, tenants, labels)
        for relation in tables:
            with self._costing([relation], tenants):
                self._put_back(relation, tenants)
        return tenants

    def _named(self, count: int) -> list[Any]:
        """Values that name so many tenants, where no table lists them. Raises `Unfilled` where there are fewer."""
        columns = [*unlisted.columns(self._relations.values(), self._tenancy)]
        for relation, column in columns:
            listed = self._listed.get(relation.full_name, {}).get(column.name)
            known = {value: None for _ in range(count) for value in self._options(relation, column, listed, (), None)}
            if len(known) >= count:
                first, *others = list(known)[:count]
                if all(_is_free(*each) for each in columns):
                    others[:1] = [f"{first}0"]  # begins with the other one, for which a pattern without an end takes it
                return [first, *others]
        raise Unfilled(f"no table has a column {self._tenancy.column} with values for {count} tenants")

    def _fill_circle(self, circle: list[Relation], tenants: Tenants, labels: tuple[str, ...]) -> None:
        """Rows of tables that refer to each other, which are mostly one table."""
        within = [relation.full_name for relation in circle]
        for group in circles(circle, lambda relation, key: self._is_needed(relation, key, {})):
            with self._costing(group, tenants):
                self._fill_group(group, tenants, labels)
        if len(within) > 1:
            for relation in circle:
                with self._costing([relation], tenants):
                    self._close(relation, within, tenants)
        for relation in circle:
            if relation.full_name in tenants.rows and relation.full_name not in self._of_the_tenancy():
                with self._costing([relation], tenants):
                    self._fill_again(relation, tenants, labels)

    @contextmanager
    def _costing(self, relations: Iterable[Relation], tenants: Tenants) -> Iterator[None]:
        """A block that makes rows of these: an exception that nobody expected costs them, unless all hangs on them."""
        names = [relation.full_name for relation in relations]
        try:
            yield
        except (psycopg.Error, PgassayError, Unfilled):
            raise
        except Exception as error:
            if set(names) & set(self._of_the_tenancy()):
                raise
            tenants.unfilled.update(dict.fromkeys(names, internal_error(error)))

    def _put_back(self, relation: Relation, tenants: Tenants) -> None:
        """Give rows the states back in which they were made, where triggers have moved them on, as events do.

        From their last state, nothing moves them any more, so that nobody sees who could. Second rows stay.
        """
        states = [
            column.name
            for column in relation.columns
            if column.name in self.listed_of(relation.full_name) and not column.generated
        ]
        for row in tenants.rows.get(relation.full_name, {}).values() if relation.primary_key else ():
            there = self._existing(relation, {name: row[name] for name in relation.primary_key})
            moved = {} if there is None else {name: row[name] for name in states if there[name] != row[name]}
            if moved:
                self._updated(relation, row, moved)

    def _of_the_tenancy(self) -> list[str]:
        member = self._tenancy.member
        return [self._tenancy.tenant, *([member.table] if isinstance(member, Membership) else [])]

    def _needed_by(self, *names: str) -> set[str]:
        """The tables without a row of which there is none in these: for tenants and members rows are made first."""
        found: set[str] = set()
        left = [self._relations[name] for name in names if name in self._relations]
        while left:
            relation = left.pop()
            if relation.full_name not in found:
                found.add(relation.full_name)
                left += [
                    self._relations[key.target]
                    for key in relation.foreign_keys
                    if key.target in self._relations and self._is_needed(relation, key, {})
                ]
        return found

    def _fill_group(self, group: list[Relation], tenants: Tenants, labels: tuple[str, ...]) -> None:
        """First rows of tables that need each other, which are mostly one table."""
        names = [relation.full_name for relation in group]
        try:
            with self._connection.transaction():
                made = [self._make_group(group, tenants, label) for label in labels]
        except (psycopg.Error, Unfilled) as error:
            if set(names) & set(self._of_the_tenancy()) or self._connection.closed:
                raise
            self._nobody = self._memberless = None  # made in vain, it may be
            tenants.unfilled.update(dict.fromkeys(names, _said(error)))
            return
        for relation in group:
            tenants.rows[relation.full_name] = {
                label: rows[relation.full_name] for label, rows in zip(labels, made, strict=True)
            }

    def _make_group(self, group: list[Relation], tenants: Tenants, label: str) -> dict[str, Row]:
        relation = group[0]
        name = relation.full_name
        given = {self._tenancy.column_of(name): None}
        member = self._tenancy.member
        by = member.user if isinstance(member, Membership) and name == member.table else None
        if len(group) > 1 or any(
            key.target == name and self._is_needed(relation, key, given) for key in relation.foreign_keys
        ):
            made = self._insert_together(group, tenants, label)
        elif by is not None and name != self._tenancy.tenant:
            joined = self.join(tenants.users[label], tenants.ids[label], **self._membership_keys(tenants, label))
            made = {name: joined or {}}
        else:
            optional = name != self._tenancy.tenant
            known = replace(self._known(relation, tenants, label, optional=optional), is_new=not optional)
            if by is not None:
                known.values[by] = tenants.users[label]
            alike = None if optional else self._beginning_alike(relation, known, tenants, label)
            made = {name: alike or self._insert_alike(relation, known, label)}
        if self._tenancy.tenant in made:
            tenant = self._relations[self._tenancy.tenant]
            tenant_id = made[self._tenancy.tenant][tenant.primary_key[0]]
            if tenant_id in (other for known, other in tenants.ids.items() if known != label):
                raise Unfilled(f"no second row of {self._tenancy.tenant} could be made")
            tenants.ids[label] = tenant_id
        return made

    def _beginning_alike(self, relation: Relation, known: _Known, tenants: Tenants, label: str) -> Row | None:
        """A tenant whose key begins with that of the first one; None where there can be none.

        A pattern without an end takes it for the other one, as that for the files of firm 1 does with those of 100.
        """
        first = next(iter(tenants.ids.values()), None)
        if len(tenants.ids) != 1 or len(relation.primary_key) != 1 or type(first) not in (int, str):
            return None
        (key,) = relation.primary_key
        if key in known.values or key in relation.referring:
            return None
        value: Any = int(f"{first}00") if isinstance(first, int) else f"{first}0"
        try:
            return self._insert(
                relation, replace(known, values={**known.values, key: value}), (relation.full_name, label)
            )
        except (psycopg.Error, Unfilled):
            if self._connection.closed:
                raise
            return None

    def _insert_alike(self, relation: Relation, known: _Known, label: str) -> Row:
        """Insert a row with the numbers or names of other tenants' that are unique in one alone, where that can be."""
        name = relation.full_name
        there: Row = next((sent for (other, _), sent in self._sent.items() if other == name), {})
        alike = {column: there[column] for column in self.numbering(relation) if column in there}
        alike = {column: value for column, value in alike.items() if column not in known.values}
        if alike:
            try:
                return self._insert(relation, replace(known, values={**known.values, **alike}), (name, label))
            except Unfilled:
                pass
        return self._insert(relation, known, (name, label))

    def numbering(self, relation: Relation) -> list[str]:
        """Columns that number or name the rows of a tenant: in unique indexes with its column, and in no others."""
        tenant = self._tenancy.column_of(relation.full_name)
        indexes = [index.columns for index in relation.exclusions if not index.exclusion]
        return [
            column.name
            for column in relation.columns
            if column.category in "NS"
            and any(column.name in columns for columns in indexes)
            and all(tenant in columns for columns in indexes if column.name in columns)
            and column.name not in relation.referring
        ]

    def _membership_keys(self, tenants: Tenants, label: str) -> Row:
        """What a membership refers to besides tenant and user, as a role."""
        assert isinstance(self._tenancy.member, Membership)
        relation = self._relations[self._tenancy.member.table]
        own = {self._tenancy.member.tenant: tenants.ids[label], self._tenancy.member.user: tenants.users[label]}
        found: Row = {}
        for key in relation.foreign_keys:
            if self._is_needed(relation, key, {**own, **found}):
                found.update(self._referred(key, tenants, label, None))
        return {name: value for name, value in found.items() if name not in own}

    def _insert_together(self, group: list[Relation], tenants: Tenants, label: str) -> dict[str, Row]:
        """Rows that refer to each other, in one statement: foreign keys are checked at its end."""
        names = [relation.full_name for relation in group]
        known = {
            relation.full_name: dict(self._known(relation, tenants, label, within=names).values) for relation in group
        }
        for relation in group:
            for key in relation.foreign_keys:
                if key.target not in names or not self._is_needed(relation, key, known[relation.full_name]):
                    continue
                target = self._relations[key.target]
                for here, there in key.columns:
                    column = target.column(there)
                    assert column is not None
                    if there not in known[key.target]:
                        value = known[relation.full_name].get(here)
                        known[key.target][there] = self._key(column) if value is None else value
                    known[relation.full_name][here] = known[key.target][there]
        choices = [self._choices(relation, _Known(known[relation.full_name]), None) for relation in group]
        refused: Exception | None = None
        for chosen in itertools.islice(zip(*choices, strict=False), _TRIES):
            try:
                with self._connection.transaction():
                    self._insert_at_once(group, chosen)
            except (psycopg.Error, Unfilled) as error:
                if not _is_refusal(error):
                    raise
                refused = error
                continue
            made = {}
            for relation, row in zip(group, chosen, strict=True):
                found = self._existing(relation, known[relation.full_name])
                if found is None:
                    raise Unfilled(f"a trigger changes the row of {relation.full_name}, or takes it away")
                made[relation.full_name] = found
                self._sent[relation.full_name, label] = row
            return made
        assert refused is not None
        raise Unfilled(_said(refused)) from refused

    def _insert_at_once(self, group: Sequence[Relation], chosen: Sequence[Row]) -> None:
        inserts = [
            sql.SQL("{} as ({})").format(
                sql.Identifier(f"made_{number}"), insert_statement(relation, row, overriding=_overrides(relation, row))
            )
            for number, (relation, row) in enumerate(zip(group, chosen, strict=True))
        ]
        parameters = [value for row in chosen for value in row.values()]
        self._connection.execute(sql.SQL("with {} select 1").format(sql.SQL(", ").join(inserts)), parameters)

    def _key(self, column: Column) -> Any:
        number = next(self._numbers) + (_KEYS_FROM if column.has_default else 0)
        value = values.fresh(column.data_type, column.name, number)
        if value is None:
            raise Unfilled(f"no value is known for {column.name}, which is {column.data_type.declared}")
        return value

    def _close(self, relation: Relation, within: list[str], tenants: Tenants) -> None:
        """Set the references to tables of a circle that were left NULL as long as there was no row there."""
        for label, row in list(tenants.rows.get(relation.full_name, {}).items()):
            for key in relation.foreign_keys:
                there = tenants.rows.get(key.target, {}).get(label)
                if key.target not in within or there is None or not relation.primary_key:
                    continue
                changes = {here: there[name] for here, name in key.columns if row.get(here) is None}
                if changes:
                    updated = self._updated(relation, row, changes)
                    if updated is not None:
                        tenants.rows[relation.full_name][label] = row = updated

    def _updated(self, relation: Relation, row: Row, changes: Row) -> Row | None:
        statement = sql.SQL("update {} set {} where {} returning *").format(
            sql.Identifier(relation.schema, relation.name),
            sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes),
            sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in relation.primary_key),
        )
        parameters = [*changes.values(), *(row[name] for name in relation.primary_key)]
        try:
            with self._connection.transaction(), self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                return cursor.execute(statement, parameters).fetchone()
        except psycopg.Error:
            return None

    def _fill_again(self, relation: Relation, tenants: Tenants, labels: tuple[str, ...]) -> None:
        """Second rows, with every column filled, or as the first ones where a trigger holds rows to how they begin.

        One a tenant may be all that there can be, so none is missed.
        """
        gone = frozenset(
            column.name for column in relation.columns if _GONE.search(column.name) and not column.not_null
        )
        made = self._made_again(relation, tenants, labels, 1, gone) or self._made_again(relation, tenants, labels, None)
        if made is None or any(row == tenants.rows[relation.full_name][label] for label, row in made.items()):
            return
        tenants.others[relation.full_name] = made
        if gone and (ended := self._made_again(relation, tenants, labels, 1)) is not None:
            tenants.further.setdefault(relation.full_name, []).extend(ended.items())
        listed = self._harmless.get(relation.full_name, {})
        asked = [len(listed.get(column.name, ())) for column in relation.columns if _is_asked_for(column, listed)]
        for turn in range(2, min(max(asked, default=0), _STATES) + 1):
            further = self._made_again(relation, tenants, labels, turn)
            if further is None:
                return
            tenants.further.setdefault(relation.full_name, []).extend(further.items())

    def _made_again(
        self,
        relation: Relation,
        tenants: Tenants,
        labels: tuple[str, ...],
        first: int | None,
        left: frozenset[str] = frozenset(),
    ) -> dict[str, Row] | None:
        try:
            with self._connection.transaction():
                made = {}
                for number, label in enumerate(labels):
                    turn = None if first is None else first + number
                    known = replace(self._known(relation, tenants, label, optional=True), left=left)
                    for key in relation.foreign_keys:
                        if key.target == relation.full_name:
                            known.values.update(self._referred(key, tenants, label, None))
                    made[label] = self._insert(relation, known, turn=turn)
        except (psycopg.Error, Unfilled):
            if self._connection.closed:
                raise
            self._nobody = self._memberless = None
            return None
        return made

    def _fill_for_all(self, relation: Relation, tenants: Tenants, labels: tuple[str, ...]) -> None:
        """A row that is nobody's where policies ask for such, and rows of each tenant that refer to it."""
        name = relation.full_name
        column = relation.column(self._tenancy.column_of(name))
        if column is None or column.not_null or not column.null_passes or name in self._of_the_tenancy():
            return
        try:
            with self._connection.transaction():
                shared = self._insert(relation, _Known({column.name: None}))
        except (psycopg.Error, Unfilled):
            if self._connection.closed:
                raise
            return
        for other in self._relations.values():
            for key in other.foreign_keys:
                if key.target != name or other.full_name not in tenants.rows or column.name in dict(key.columns):
                    continue
                try:
                    with self._connection.transaction():
                        made = [
                            (label, self._insert(other, self._referring_to(key, shared, other, tenants, label)))
                            for label in labels
                        ]
                except (psycopg.Error, Unfilled):
                    if self._connection.closed:
                        raise
                    continue
                tenants.further.setdefault(other.full_name, []).extend(made)

    def _referring_to(self, key: ForeignKey, row: Row, relation: Relation, tenants: Tenants, label: str) -> _Known:
        known = self._known(relation, tenants, label)
        return replace(known, values={**known.values, **{here: row[there] for here, there in key.columns}})

    def further(self, relation: Relation, tenants: Tenants, label: str, wanted: Row, *, is_new: bool = False) -> Row:
        """Make a further row of a tenant that has these values. Raises `Unfilled` where there can be none.

        Where its key is taken, it is the row that has the key, unless it has to be a new one.
        """
        for name, value in wanted.items():
            column = relation.column(name)
            if column is not None and not self._pools.reads(column.data_type, value):
                raise Unfilled(f"{value!r} is no value of {name}, which is {column.data_type.declared}")
        plain = self._further(relation, tenants, label, wanted, optional=False, is_new=is_new)
        try:
            return self._insert(relation, plain)
        except Unfilled:
            wide = self._further(relation, tenants, label, wanted, optional=True, is_new=is_new)
            if not wide.choices:  # by which a CHECK has one key of several
                raise
            return self._insert(relation, wide)

    def _further(
        self, relation: Relation, tenants: Tenants, label: str, wanted: Row, *, optional: bool, is_new: bool
    ) -> _Known:
        known = self._known(relation, tenants, label, optional=optional)
        values = {**known.values, **_callers(relation, tenants.users.get(label)), **wanted}
        values |= self._completed(relation, tenants, label, values, wanted)
        choices = tuple(
            left for choice in known.choices if (left := {n: v for n, v in choice.items() if n not in wanted})
        )
        return replace(known, values=values, choices=choices, is_new=is_new)

    def _completed(self, relation: Relation, tenants: Tenants, label: str, values: Row, wanted: Row) -> Row:
        """The rest of keys of which a part is wanted, from a row that has this part; a new one where there is none."""
        found: Row = {}
        own = self._tenancy.column_of(relation.full_name)
        for key in relation.foreign_keys:
            target = self._relations.get(key.target)
            part = {there: wanted[here] for here, there in key.columns if here in wanted and here != own}
            whole = {there: values.get(here) for here, there in key.columns}
            if target is None or target is relation or None in whole.values() or not 0 < len(part) < len(whole):
                continue
            if self._existing(target, whole) is None:
                tenant = {there: values[here] for here, there in key.columns if here == own}
                row = self._existing(target, {**part, **tenant}) or self.further(target, tenants, label, part)
                found |= {here: row[there] for here, there in key.columns if here not in wanted}
        return found

    def anew(
        self, relation: Relation, tenants: Tenants, label: str, refused: Unfilled, kept: Collection[str] = ()
    ) -> tuple[Row, list[tuple[Relation, Row]]]:
        """Other references of a row that was refused since another row refers to the same, and only one may.

        They are to new rows, which are given as well, and to new users. What is ``kept`` is not changed.
        """
        index = _violated(relation, refused.__cause__) if isinstance(refused.__cause__, psycopg.Error) else None
        names = set(index.columns) if index is not None and not index.exclusion else set()
        owner = self._tenancy.column_of(relation.full_name)
        found: Row = {}
        made: list[tuple[Relation, Row]] = []
        for key in relation.foreign_keys:
            here = {name for name, _ in key.columns}
            if not names & here or here & {*kept}:
                continue
            if key.target == USERS and owner not in here:
                found |= dict.fromkeys(here, self.user())
            elif key.target in self._relations:
                target = self._relations[key.target]
                row = self.further(target, tenants, label, {}, is_new=True)
                found |= {name: row[there] for name, there in key.columns}
                made.append((target, row))
        return found, made

    def values(self, relation: Relation, tenants: Tenants, label: str, user: UUID | None = None) -> Row:
        """Values for a further row of a tenant: of its tenant column, and of what has no default and is not nullable.

        ``user`` stands where it refers to a user; the tenant's member does by default. Raises `Unfilled` when a
        column's type is one for which no value is known.
        """
        known = self._known(relation, tenants, label, user)
        there = self._sent.get((relation.full_name, label), {})
        if not there or any(index.exclusion for index in relation.exclusions):
            there = {**there, **next(self._choices(relation, known, None))}
        # as in the row that there is, whose constraints let that in, but where no other row may have the same
        checked = {name for check in relation.check_constraints for name in check.columns}
        unique = {name for index in relation.exclusions for name in index.columns} - checked - relation.referring
        return {
            **{
                name: (self.another(relation, name) if name in unique else None) or value
                for name, value in there.items()
                if (column := relation.column(name)) is not None
                and ((column.not_null and not column.has_default) or name in checked)
            },
            **({} if user is not None else _callers(relation, tenants.users.get(label))),
            **known.values,
        }

    def another(self, relation: Relation, name: str) -> Any:
        """A value that no row has in that column, as far as constraints on its values are not asked; None for none."""
        column = relation.column(name)
        return None if column is None or column.generated else self._fresh(column)

    def beside(self, relation: Relation, name: str, value: Any) -> Any:
        """Another value for a column: of those to which it is held, where there are such."""
        column = relation.column(name)
        if isinstance(value, bool) or (column is not None and column.category == "B"):
            return not value
        listed = self.listed_of(relation.full_name).get(name)
        return next((other for other in listed if other != value), None) if listed else self.another(relation, name)

    def alternatives(self, relation: Relation, row: Row, columns: Collection[str]) -> Iterator[Row]:
        """Other values for these columns of a row, which go with the rest of it as far as is known."""
        known = _Known({name: value for name, value in row.items() if name not in columns})
        try:
            for other in itertools.islice(self._choices(relation, known, None), _ALTERNATIVES):
                found = {name: other[name] for name in columns if name in other}
                for name in columns:
                    if name not in found and (value := self.another(relation, name)) is not None:
                        found[name] = value
                if found:
                    yield found
        except Unfilled:
            return

    def links(self, relation: Relation, tenants: Tenants, label: str, user: UUID | None = None) -> Row:
        """What ties a further row of a tenant to it: the tenant column, and the keys of rows that it needs."""
        return self._known(relation, tenants, label, user).values

    def _known(
        self,
        relation: Relation,
        tenants: Tenants,
        label: str,
        user: UUID | None = None,
        *,
        optional: bool = False,
        within: Collection[str] = (),
    ) -> _Known:
        """What follows from whose the row is: the tenant column, and keys of rows that it refers to.

        With ``optional``, keys too of rows that it need not refer to. Tables ``within`` a circle have no row yet.
        """
        known: Row = {}
        choices: list[Row] = []
        column = self._tenancy.column_of(relation.full_name)
        if relation.full_name in self.of_staff:
            if label not in self._staff:
                self._staff[label] = self.user()
            user = user or self._staff[label]
            if relation.column(column) is not None:
                known[column] = user
        elif relation.column(column) is not None and label in tenants.ids:
            known[column] = tenants.ids[label]
        member = self._tenancy.member
        if isinstance(member, Membership) and relation.full_name == member.table:
            known |= dict.fromkeys({member.user} - relation.referring, user or tenants.users[label])
        checked = {name for check in relation.check_constraints for name in check.columns}
        for key in relation.foreign_keys:
            needed = self._is_needed(relation, key, known)
            if key.target in within or not (needed or (optional and not self._is_given(relation, key, known))):
                continue
            try:
                referred = self._referred(key, tenants, label, user)
            except Unfilled:
                if needed:
                    raise
                continue
            if not needed and any(known.get(name, value) != value for name, value in referred.items()):
                continue
            if needed and self._may_differ(relation, key, referred, known):
                referred = self._second(key, tenants, label, user) or referred
            if not needed and checked & set(referred):
                choices.append({name: value for name, value in referred.items() if name not in known})
            else:
                known.update(referred)
        if optional or within:  # nobody is the caller where rows are made for all
            known = {**_callers(relation, user or tenants.users[label]), **known}
        by = user or tenants.users.get(label)
        return _Known(known, tuple(choices), by=self._caller(by, tenants.ids.get(label)) if by else None)

    def _caller(self, user: UUID, tenant_id: Any = None) -> Identity:
        return callers.caller(user, self._emails.get(user), self._tenancy, tenant_id)

    def _may_differ(self, relation: Relation, key: ForeignKey, referred: Row, known: Row) -> bool:
        """Whether a CHECK speaks of the key and of another one to the same row, as where nothing blocks itself."""
        here = {name for name, _ in key.columns}
        same = {
            name
            for other in relation.foreign_keys
            if other.target == key.target or (self._is_of_users(other.target) and self._is_of_users(key.target))
            for name, _ in other.columns
            if name not in here and name in known and known[name] in referred.values()
        }
        return any(here & set(check.columns) and same & set(check.columns) for check in relation.check_constraints)

    def _second(self, key: ForeignKey, tenants: Tenants, label: str, user: UUID | None) -> Row | None:
        """A reference to a second row of the tenant, to a tenant or to a user of nobody's; None where there is none."""
        if self._is_of_users(key.target):
            other = tenants.users[label] if user is not None else self._somebody(key.target)
            return None if other is None else {here: other for here, _ in key.columns}
        row = tenants.others.get(key.target, {}).get(label)
        if row is None and key.target == self._tenancy.tenant:
            row = self.further_tenant(tenants, label)
        return None if row is None else {here: row[there] for here, there in key.columns}

    def further_tenant(self, tenants: Tenants, label: str) -> Row | None:
        """A tenant with no members, to which a row of another one may refer; None where none can be made."""
        if self._memberless is None:
            relation = self._relations[self._tenancy.tenant]
            known = self._known(relation, tenants, label, self.user())
            own = {name: value for name, value in known.values.items() if name not in relation.primary_key}
            try:
                with self._connection.transaction():
                    self._memberless = self._insert(relation, replace(known, values=own))
            except (psycopg.Error, Unfilled):
                return None
        return self._memberless

    def _somebody(self, target: str) -> UUID | None:
        """A user who is no member of any tenant, with a row in that table of profiles; None where none can be made."""
        if self._nobody is None:
            self._nobody = self.user()
        relation = self._relations.get(target)
        if relation is not None:
            (column,) = relation.primary_key
            try:
                with self._connection.transaction():
                    if self._existing(relation, {column: self._nobody}) is None:
                        self._insert(relation, _Known({column: self._nobody}))
            except (psycopg.Error, Unfilled):
                return None
        return self._nobody

    def _is_given(self, relation: Relation, key: ForeignKey, known: Mapping[str, Any]) -> bool:
        return key.target == relation.full_name or all(here in known for here, _ in key.columns)

    def _is_needed(self, relation: Relation, key: ForeignKey, known: Mapping[str, Any]) -> bool:
        here = [relation.column(name) for name, _ in key.columns]
        return any(
            column is not None
            and column.not_null
            # a user is the caller by default, and here there is none
            and (not column.has_default or self._is_of_users(key.target))
            and column.name not in known
            for column in here
        )

    def _is_of_users(self, target: str) -> bool:
        """Whether it is the table of users, or one that has a row for each under the user's own id."""
        relation = self._relations.get(target)
        return target == USERS or (
            relation is not None
            and any(
                tuple(here for here, _ in key.columns) == relation.primary_key and key.target == USERS
                for key in relation.foreign_keys
            )
        )

    def users_in(self, relation: Relation) -> Iterator[str]:
        """The columns that refer to users, or to their profiles; of memberships that of the user without a key, too."""
        member = self._tenancy.member
        if isinstance(member, Membership) and relation.full_name == member.table:
            yield from {member.user} - relation.referring
        for key in relation.foreign_keys:
            if self._is_of_users(key.target):
                yield from (here for here, _ in key.columns)

    def _referred(self, key: ForeignKey, tenants: Tenants, label: str, user: UUID | None) -> Row:
        if key.target == USERS:
            return {here: user or tenants.users[label] for here, _ in key.columns}
        if key.target not in tenants.rows or label not in tenants.rows[key.target]:
            reason = tenants.unfilled.get(key.target)
            raise Unfilled(
                f"it refers to {key.target}, for which no row could be made" + (f": {reason}" if reason else "")
            )
        row = tenants.rows[key.target][label]
        return {here: row[there] for here, there in key.columns}

    # one row

    def _insert(
        self, relation: Relation, known: _Known, remembered: tuple[str, str] | None = None, turn: int | None = None
    ) -> Row:
        """Insert a row with what is known and what it needs besides, which is searched where it is refused."""
        refused: Exception | None = None
        collided: dict[str, int] = {}
        for number, row in enumerate(self._choices(relation, known, turn)):
            by = known.by if relation.triggers and number < _CALLS else None
            try:
                made = callers.make(
                    self._connection, functools.partial(self._inserted, relation, row), known.values, by
                )
            except (psycopg.Error, Unfilled) as error:
                if not _is_refusal(error):
                    raise
                self._refusal = error
                refused = refused or error
                if isinstance(error, psycopg.errors.ForeignKeyViolation):
                    break
                if isinstance(error, psycopg.errors.UniqueViolation) and not known.is_new:
                    # made by a trigger, as a profile is at sign-up
                    existing = self._existing(relation, _taken(relation, known.values, error) or known.values)
                    if existing is not None:
                        return existing
                if _collides_again(relation, row, known.values, error, collided):
                    break
            else:
                if remembered is not None:
                    self._sent[remembered] = row
                return made
        assert refused is not None
        raise Unfilled(_reason(relation, refused)) from refused

    def _choices(self, relation: Relation, known: _Known, turn: int | None) -> Iterator[Row]:
        """Rows to try, one after the other: the likeliest first, then any that the CHECK constraints let in."""
        if (relation.full_name, turn is None) not in self._refused:
            chosen = {name: value for choice in known.choices for name, value in choice.items()}
            for shown in (True, False)[turn is None :]:
                plain = self._plain(relation, known, turn, chosen, shown=shown)
                if plain is not None:
                    yield {**plain, **chosen, **known.values}
                    if shown and isinstance(self._refusal, psycopg.errors.CheckViolation):
                        break  # a search finds what goes with it
            self._refused.add((relation.full_name, turn is None))
        parts = self._parts(relation, known, turn)
        step = next(self._turns.setdefault(relation.full_name, itertools.count()))
        for attempt in range(_TRIES):
            row: Row = {}
            for part in parts:
                place = step + attempt if part.is_light else attempt
                row.update(part.solutions[place % len(part.solutions)])
            searched = {name for part in parts for variable in part.variables for name in variable.columns}
            plain = self._plain(relation, known, turn, searched) or {}
            yield {**plain, **row, **known.values}
            if attempt == _TRIES // 2:
                parts = self._searched(relation, known, turn)  # what was found for another row may not do for this one
        if turn is not None:
            return
        wide = self._search(relation, known).parts(self._variables(relation, known, turn, wide=True), 200)
        for attempt in range(_WIDE_TRIES):
            row = {}
            for part in wide:  # what the triggers name comes first in it
                most = _NAMED if attempt < _WIDE_TRIES // 2 else None
                row.update(self._random.choice(part.solutions[:most]))
            yield {**row, **known.values}

    def _parts(self, relation: Relation, known: _Known, turn: int | None) -> list[Part]:
        """What was found for the columns under constraints; once for all rows of which the same columns are known."""
        chosen = tuple(tuple(choice) for choice in known.choices)
        key = (relation.full_name, frozenset(known.values), chosen, turn, known.left)
        if known.choices or key not in self._plans or patterned.is_held(relation):
            self._plans[key] = self._searched(relation, known, turn)
        return self._plans[key]

    def _searched(self, relation: Relation, known: _Known, turn: int | None) -> list[Part]:
        return self._search(relation, known).parts(self._variables(relation, known, turn), _SOLUTIONS)

    def _search(self, relation: Relation, known: _Known) -> Search:
        return Search(self._pools, relation, known.values, check_rules(relation))

    def _variables(self, relation: Relation, known: _Known, turn: int | None, *, wide: bool = False) -> list[Variable]:
        """The columns to be searched: those under constraints, or all that can be given values.

        Of those that views ask for, which come first, the likeliest value goes before that of others.
        """
        listed = self._harmless.get(relation.full_name, {})
        rules = check_rules(relation)
        checked = {name for rule in rules for name in rule.columns}
        if any((column := relation.column(name)) is not None and column.generated for name in checked):
            checked = {column.name for column in relation.columns}
        taken = set(known.values)
        referring = relation.referring
        found = []
        for choice in known.choices:
            names = tuple(name for name in choice if name not in taken)
            if names:
                taken |= set(names)
                keys = tuple(choice[name] for name in names)
                found.append(Variable(names, [keys, tuple(LEFT_OUT for _ in names)], heavy=True))
        more = [trigger.source for trigger in relation.triggers] if wide else []
        for column in sorted(relation.columns, key=lambda column: not _is_asked_for(column, listed)):
            if column.name in taken or column.name in known.left or column.generated or column.identity:
                continue
            if not column.not_null and column.name in referring:
                continue
            shown = turn is not None and _is_asked_for(column, listed)
            needs_search = shown or column.name in checked or bool(column.data_type.domains)
            needs_value = column.not_null and not column.has_default
            if not (wide or needs_search or (needs_value and self._fresh(column) is None)):
                continue
            if not (
                wide or shown or column.name in checked or needs_value or (turn is not None and not column.has_default)
            ):
                continue
            options = self._options(relation, column, listed.get(column.name), more, turn)
            if column.category == "S" and column.name in checked:
                fitting = patterned.texts(self._pools, relation, column.name, known.values)
                options = [*self._pools.let_in(column.data_type, fitting), *options]
            filled = turn is not None and not column.has_default
            heavy = not (needs_value or filled) or column.name in listed or column.category == "B"
            if not needs_value:
                if shown and column.category == "B":
                    options = [True, *options]  # views show more often what is flagged
                options = [*options, LEFT_OUT] if filled or shown else [LEFT_OUT, *options]
            found.append(Variable((column.name,), [(option,) for option in options], heavy))
        return found

    def _options(
        self, relation: Relation, column: Column, listed: list[str] | None, more: Iterable[str], turn: int | None
    ) -> list[Any]:
        if listed and column.data_type.base.kind in ("base", "enum"):
            shift = (turn or 0) % len(listed)
            preferred: list[Any] = [*listed[shift:], *listed[:shift]]
        else:
            preferred = [value for _ in range(_FRESH) if (value := self._fresh(column)) is not None]
        named = values.hinted(column.data_type, reading.read(more), self._pools.valid)
        suggested = self._pools.valid(column.data_type, hints_for(relation, column.name))
        return self._pools.let_in(column.data_type, [*named, *preferred, *suggested])

    def _fresh(self, column: Column) -> Any:
        if column.data_type.base.name == "xml" or _has_checks(column.data_type):
            return None
        return values.fresh(column.data_type, column.name, next(self._numbers))

    def _plain(
        self,
        relation: Relation,
        known: _Known,
        turn: int | None,
        searched: Collection[str] = (),
        *,
        shown: bool = False,
    ) -> Row | None:
        """Values that no constraint was asked about, for the columns that need them, with a ``turn`` for all.

        If it is to be ``shown``, also for flags that views may ask for. None where a value can only be had by a search.
        """
        listed = self._harmless.get(relation.full_name, {})
        referring = relation.referring
        decided = {*searched, *known.values, *known.left}
        found: Row = {}
        for column in relation.columns:
            if column.name in decided or column.generated or column.identity:
                continue
            labels = listed.get(column.name, []) if column.data_type.base.kind in ("base", "enum") else []
            if column.has_default:
                if shown and turn is not None and _is_asked_for(column, labels and listed):
                    found[column.name] = labels[turn % len(labels)] if labels else True
                elif shown and turn is not None and (_is_summed(column) or _is_over(column)):
                    found[column.name] = self._fresh(column)
            elif column.not_null or (turn is not None and column.name not in referring):
                found[column.name] = labels[(turn or 0) % len(labels)] if labels else self._fresh(column)
                if found[column.name] is None:
                    return None
        return found

    def _inserted(self, relation: Relation, row: Row) -> Row:
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            statement = insert_statement(relation, row, returning=True, overriding=_overrides(relation, row))
            made = cursor.execute(statement, list(row.values())).fetchone()
        if made is None:
            raise Unfilled("a trigger refuses the row without an error")
        return made

    def _existing(self, relation: Relation, known: Row) -> Row | None:
        """The one row with those values, if there is one and no more."""
        if not known:
            return None
        statement = sql.SQL("select * from {} where {}").format(
            sql.Identifier(relation.schema, relation.name),
            sql.SQL(" and ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in known),
        )
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            rows = cursor.execute(statement, list(known.values())).fetchall()
        return rows[0] if len(rows) == 1 else None

    def first(self, relation: Relation, known: Mapping[str, Any]) -> Row | None:
        """Of the rows with those values the first by its key."""
        asked = [
            sql.SQL("{} is not distinct from {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in known.items()
        ]
        statement = sql.SQL("select * from {} where {} order by {} limit 1").format(
            sql.Identifier(relation.schema, relation.name),
            sql.SQL(" and ").join(asked or [sql.Composed([sql.SQL("true")])]),
            sql.SQL(", ").join(map(sql.Identifier, relation.primary_key or [relation.columns[0].name])),
        )
        with self._connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(statement).fetchone()


def circles(relations: Sequence[Relation], follows: Any) -> list[list[Relation]]:
    """The relations in groups that refer to each other in a circle, each after those that it refers to.

    ``follows(relation, key)`` says which foreign keys count.
    """
    targets = {
        relation.full_name: {key.target for key in relation.foreign_keys if follows(relation, key)}
        for relation in relations
    }
    reached = {name: _reached(name, targets) for name in targets}
    groups: dict[frozenset[str], list[Relation]] = {}
    for relation in relations:
        name = relation.full_name
        members = frozenset(other for other in reached[name] if name in reached[other])
        groups.setdefault(members, []).append(relation)
    # who refers to another one reaches all that that one reaches, and more
    return sorted(groups.values(), key=lambda group: len(reached[group[0].full_name]))


def _reached(name: str, targets: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        current = left.pop()
        if current not in found:
            found.add(current)
            left += [target for target in targets[current] if target in targets]
    return found


def _callers(relation: Relation, user: UUID | None) -> Row:
    """The columns that name the caller by default, for rows that nobody signed in makes."""
    return {} if user is None else {column.name: user for column in relation.columns if column.default == _CALLER}


def _is_asked_for(column: Column, listed: Collection[str]) -> bool:
    """Whether what views and functions give may hang on its value: a flag, or one of those that are ``listed``.

    Of flags that functions ask for, many say that a row is for everybody: those are left as they are by default.
    """
    if column.name in listed:
        return column.viewed or column.named
    return column.viewed and column.category == "B"


def _is_summed(column: Column) -> bool:
    """Whether it is an amount that functions or views read, of which sums tell nothing where it stays as it begins."""
    return column.category == "N" and (column.viewed or column.named) and _is_zero(column.default)


def _is_zero(default: str | None) -> bool:
    value = sqltree.constant(sqltree.expression(default)) if default is not None else None
    return value is not None and not isinstance(value, bool) and str(value).strip("0") in ("", ".")


def _is_over(column: Column) -> bool:
    """Whether it is a date that views or functions read, which lies in the past but not by default."""
    return column.category == "D" and (column.viewed or column.named) and not column.type.startswith("time ")


def _without_power(relation: Relation, name: str, listed: list[str]) -> list[str]:
    """The values of a role that give none: the default, else those whose names say so."""
    if not any(_POWERFUL.search(value) for value in listed):
        return listed
    column = relation.column(name)
    default = sqltree.constant(sqltree.expression(column.default)) if column is not None and column.default else None
    if default in listed:
        return [str(default)]
    return [value for value in listed if not _POWERFUL.search(value)] or listed[-1:]


def _has_checks(data_type: DataType) -> bool:
    parts = [part for part in (data_type.part, *(attribute for _, attribute in data_type.attributes)) if part]
    return bool(data_type.checks) or any(map(_has_checks, parts))


def _is_refusal(error: psycopg.Error | Unfilled) -> bool:
    """Whether other values may avoid it."""
    if isinstance(error, psycopg.errors.IntegrityError | psycopg.errors.DataError | Unfilled):
        return True
    return error.diag.source_function == _RAISED


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _reason(relation: Relation, error: Exception) -> str:
    """What PostgreSQL said, with the definition of the constraint that it names."""
    said = _said(error)
    name = error.diag.constraint_name if isinstance(error, psycopg.Error) else None
    definitions = {check.name: check.definition for check in relation.check_constraints}
    definitions |= {index.name: index.definition for index in relation.exclusions}
    definition = definitions.get(name or "")
    return f"{said} ({definition})" if definition else said


def _violated(relation: Relation, error: Exception) -> Exclusion | None:
    """The unique index or exclusion constraint that an error names."""
    name = error.diag.constraint_name if isinstance(error, psycopg.Error) else None
    return next((index for index in relation.exclusions if index.name == name), None)


def _taken(relation: Relation, known: Row, error: psycopg.Error) -> Row | None:
    """The key that is there already, where all of it is known."""
    index = _violated(relation, error)
    if index is None or not set(index.columns) <= known.keys():
        return None
    return {column: known[column] for column in index.columns}


def _collides_again(relation: Relation, row: Row, known: Row, error: Exception, collided: dict[str, int]) -> bool:
    """Whether the values that are there already are all known, or were tried before: no others are to be expected."""
    index = _violated(relation, error)
    if index is None:
        return False
    key = repr([index.name, *(row.get(column) for column in index.columns)])
    collided[key] = collided.get(key, 0) + 1
    return collided[key] > _COLLISIONS or set(index.columns) <= set(known)


def _overrides(relation: Relation, row: Row) -> bool:
    return any(column.identity == "always" and column.name in row for column in relation.columns)


def insert_statement(
    relation: Relation, values: Row, *, returning: bool = False, overriding: bool = False
) -> sql.Composed:
    """The INSERT of ``values`` with a placeholder for each; ``overriding`` lets keys be given that a table counts."""
    table = sql.Identifier(relation.schema, relation.name)
    if not values:
        statement = sql.SQL("insert into {} default values").format(table)
    else:
        statement = sql.SQL("insert into {} ({}) {}values ({})").format(
            table,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL("overriding system value " if overriding else ""),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
    return statement + sql.SQL(" returning *") if returning else statement


def _listed_values(relation: Relation) -> dict[str, list[str]]:
    """For each column that a CHECK holds to a list of texts: that list."""
    found: dict[str, list[str]] = {}
    for check in relation.check_constraints:
        if not check.partitioned:
            found = conditions.listed(check.expression) | found
    return found


def _is_free(relation: Relation, column: Column) -> bool:
    """Whether a column takes any text."""
    checked = {name for check in relation.check_constraints for name in check.columns}
    return column.type == "text" and column.name not in checked
