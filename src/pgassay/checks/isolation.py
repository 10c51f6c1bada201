"""Isolation by experiment: who reaches whose rows, through every table, view and function of the API.

Rows are made for two tenants, A and B, and for one that nobody here belongs to, so that *own* and *all* differ for a
member of both. Every probe is a statement, run as an identity on a session that logged in as the API does, and what it
reached is compared with whose rows they are. Each has its negative control: somebody who is entitled to the row must
reach it the same way, or nothing is proved.
"""

from __future__ import annotations

import enum
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from pgassay.catalog import Argument, Function, Relation
from pgassay.checks.finding import Finding
from pgassay.config import Claim, Membership, Tenancy
from pgassay.errors import PgassayError
from pgassay.identity import Clone, Databases, Identity, Session
from pgassay.rows import USERS, Maker, Row, Tenants, Unfilled, insert_statement
from pgassay.templates import Template

RULE = "tenant-isolation"
API_ROLES = ("anon", "authenticated", "service_role")
OPERATIONS = ("select", "insert", "update", "delete")
_LABELS = ("A", "B", "C")
_MARKER_LENGTH = 6
"""Shorter values are not taken for a sign of whose row they are from."""
_UUID_LENGTH = 36
"""Values as long as that are looked for within texts, too."""
_CALLS = 24
"""How many combinations of arguments a function is tried with."""
_PRIVILEGES = """
select a.attname::text
from pg_catalog.pg_attribute as a
where
    a.attrelid = pg_catalog.to_regclass(%(relation)s)
    and a.attnum > 0
    and not a.attisdropped
    and pg_catalog.has_column_privilege(%(role)s, a.attrelid, a.attnum, %(privilege)s)
"""


class Reach(enum.Enum):
    """Whose rows an identity reaches. `SOME` are others' than its own, but not everybody's."""

    NONE = "none"
    OWN = "own"
    ALL = "all"
    SOME = "some"


@dataclass(frozen=True)
class Actor:
    """Who tries: somebody who belongs to the tenants ``own``. ``shown`` has a column of its own in the matrix."""

    name: str
    own: frozenset[str]
    identity: Identity
    user: UUID | None = None
    may_all: bool = False
    shown: bool = True

    def enter(self, session: Session) -> AbstractContextManager[Session]:
        """Be this actor on ``session`` within the block."""
        return session.acting_as(self.identity)


@dataclass(frozen=True)
class Access:
    """One line of the matrix: for a relation and an identity, the reach of each operation."""

    relation: str
    identity: str
    reach: dict[str, Reach]


@dataclass(frozen=True)
class Matrix:
    """The whole matrix, the findings, what could not be judged (object → reason), and how many probes were run.

    ``vacuous`` names the doors at which there was nothing to be found, ``skipped`` those that were not tried.
    """

    lines: tuple[Access, ...]
    findings: tuple[Finding, ...]
    unjudged: dict[str, str]
    probes: int
    vacuous: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def identities(self) -> list[str]:
        """The identities in the order in which they were tried."""
        return list(dict.fromkeys(line.identity for line in self.lines))


def observe(
    databases: Databases,
    template: Template,
    relations: tuple[Relation, ...],
    functions: tuple[Function, ...],
    tenancy: Tenancy,
) -> Matrix:
    """Fill a clone of ``template`` with rows, and try every door of the API in copies of it.

    Raises `PgassayError` where the tenants themselves cannot be made.
    """
    filled = databases.clone(template)
    world = _World(filled.connect(), relations, tenancy)
    _refresh(filled, relations)
    actors = world.actors()
    filled.close()
    world_template = Template(filled.name)
    clone = databases.clone(world_template)
    try:
        world.connection = clone.connect()
        world.maker.use(world.connection)
        with clone.connect_as_authenticator() as api:
            check = _Check(world, api, actors)
            check.relations(relations)
            check.functions(functions, _Committed(databases, world_template, world, relations))
        return check.matrix()
    finally:
        clone.close()
        databases.drop_later(clone)
        databases.drop_later(filled)


def _refresh(clone: Clone, relations: Iterable[Relation]) -> None:
    """Refresh materialized views, as superuser: who owns them, and whether in the order of reference, is not known."""
    with clone.connect_as_admin() as admin:
        for relation in relations:
            if relation.kind == "materialized view":
                admin.execute(
                    sql.SQL("refresh materialized view {}").format(sql.Identifier(relation.schema, relation.name))
                )


class _World:
    """The tenants and their rows, and whose a row is that comes back from a door."""

    def __init__(self, connection: Session, relations: tuple[Relation, ...], tenancy: Tenancy) -> None:
        self.connection = connection
        self.tenancy = tenancy
        self.maker = Maker(connection, relations, tenancy)
        try:
            self.tenants: Tenants = self.maker.fill(_LABELS)
            self._both = self._stranger = self.maker.user()
            if tenancy.member is not None and not isinstance(tenancy.member, Claim):
                self._both = self.maker.user()
                for label in "AB":
                    self.maker.join(self._both, self.tenants.ids[label])
        except (psycopg.Error, Unfilled) as error:
            raise PgassayError(
                f"No tenants could be made to try it with: {str(error).strip()}",
                hint="Rows of the tenants and of their memberships are needed, by which [tool.pgassay.tenancy] says "
                "who belongs to whom.",
            ) from error
        self._markers = _markers(self.tenants)

    def actors(self) -> list[Actor]:
        """Everybody who tries, and last those who are entitled."""
        member = self.tenants.users["A"]
        some_tenant = str(self.tenants.ids["B"])
        forged = {"user_metadata": {self.tenancy.column: some_tenant, "role": "admin"}, "role": "service_role"}
        if isinstance(self.tenancy.member, Claim):
            forged["user_metadata"] = _nested(self.tenancy.member.path[1:], some_tenant)
        found = [
            Actor("anon", frozenset(), Identity.anon()),
            Actor("stranger", frozenset(), Identity.user(self._stranger), self._stranger),
            Actor(
                "forged claims",
                frozenset(),
                Identity("authenticated", json.dumps({**forged, "sub": str(self._stranger)})),
                self._stranger,
                shown=False,
            ),
            self.member("A", "member of A", member),
        ]
        if self._both != self._stranger:
            found.append(Actor("member of both", frozenset("AB"), Identity.user(self._both), self._both))
        found += self._by_role()
        return [*found, Actor("service_role", frozenset(), Identity.service_role(), may_all=True)]

    def _by_role(self) -> list[Actor]:
        """Members of A by each value to which a column of their membership is held, as ``role`` is."""
        membership = self.tenancy.member
        if not isinstance(membership, Membership):
            return []
        found = []
        for column, values in self.maker.listed_of(membership.table).items():
            for value in values if column not in (membership.tenant, membership.user) else ():
                user = self.maker.user()
                self.maker.join(user, self.tenants.ids["A"], **{column: value})
                name = f"member of A, {column} {value}"
                found.append(Actor(name, frozenset("A"), Identity.user(user), user, shown=False))
        return found

    def member(self, label: str, name: str, user: UUID) -> Actor:
        """A member of one tenant."""
        claims: dict[str, Any] = {}
        if isinstance(self.tenancy.member, Claim):
            claims = _nested(self.tenancy.member.path, str(self.tenants.ids[label]))
        return Actor(name, frozenset(label), Identity.user(user, **claims), user)

    def labels(self, row: Sequence[Any], known: frozenset[str] = frozenset()) -> set[str]:
        """Whose values stand in a row, but for those in ``known``."""
        text = " ".join(map(str, row))
        found = set(_leaves(row))
        return {
            label
            for marker, label in self._markers.items()
            if (marker in found or (len(marker) >= _UUID_LENGTH and marker in text))
            and not any(marker in value for value in known)
        }


def _leaves(value: Any) -> Iterator[str]:
    """The values in a row, and in what is JSON or an array in it."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        yield str(value)
        return
    for part in value:
        yield from _leaves(part)


def _markers(tenants: Tenants) -> dict[str, str]:
    """Values that stand in rows of one tenant alone → its label."""
    found: dict[str, set[str]] = {}
    for label in _LABELS:
        values = [tenants.ids[label], tenants.users[label]]
        for made in (tenants.rows, tenants.others):
            values += [value for rows in made.values() if label in rows for value in rows[label].values()]
        for value in values:
            if isinstance(value, UUID | str) and len(str(value)) >= _MARKER_LENGTH:
                found.setdefault(str(value), set()).add(label)
    return {value: labels.pop() for value, labels in found.items() if len(labels) == 1}


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


class _Check:
    """All probes, and what came of them."""

    def __init__(self, world: _World, api: Session, actors: list[Actor]) -> None:
        self._world = world
        self._api = api
        self._actors = actors
        self._lines: list[Access] = []
        self._findings: list[Finding] = []
        self._unjudged: dict[str, str] = {}
        self._probes = 0
        self._vacuous: list[str] = []
        self._skipped: list[str] = []

    def matrix(self) -> Matrix:
        """Everything that was observed."""
        lines = tuple(line for line in self._lines if line.relation not in self._unjudged)
        findings = tuple(finding for finding in self._findings if finding.object not in self._unjudged)
        return Matrix(lines, findings, self._unjudged, self._probes, tuple(self._vacuous), tuple(self._skipped))

    # tables and views

    def relations(self, relations: Iterable[Relation]) -> None:
        """Select, insert, update, delete, move and refer, as everybody, in all that the API reaches."""
        for relation in relations:
            if not self._is_reachable(relation):
                self._skipped.append(relation.full_name)
                continue
            try:
                target = _Target(self._world, relation)
            except Unfilled as error:
                self._unjudged[relation.full_name] = str(error)
                continue
            for actor in self._actors:
                with self._api.example(), actor.enter(self._api):
                    reached = {name: _reach(labels, actor) for name, labels in target.try_all(self._api, actor).items()}
                    if actor.shown:
                        self._lines.append(Access(relation.full_name, actor.name, reached))
                    self._findings += _judge(relation, actor, reached, target, self._world.tenancy)
                    if relation.kind == "table" and len(actor.own) == 1:
                        self._findings += target.try_crossing(self._api, actor)
            for label in _LABELS:  # the negative control of select: a member finds the rows
                member = self._world.member(label, f"member of {label}", self._world.tenants.users[label])
                with self._api.example(), member.enter(self._api):
                    target.try_select(self._api)
            vacuous = target.vacuous()
            if vacuous is not None:
                self._unjudged[relation.full_name] = vacuous
                self._vacuous.append(relation.full_name)
            self._probes += target.probes

    def _is_reachable(self, relation: Relation) -> bool:
        row = self._world.connection.execute(
            "select pg_catalog.bool_or(pg_catalog.has_schema_privilege(r, %s, 'usage')) "
            "from pg_catalog.unnest(%s::pg_catalog.text[]) as r",
            [relation.schema, list(API_ROLES)],
        ).fetchone()
        return row is not None and bool(row[0])

    # functions

    def functions(self, functions: Iterable[Function], committed: _Committed) -> None:
        """Call every function with the ids of B, as those who are not of B."""
        entitled = self._world.member("B", "member of B", self._world.tenants.users["B"])
        for function in functions:
            if not function.roles & {"anon", "authenticated"} or function.immutable:
                self._skipped.append(function.signature)
                continue
            errors: list[str] = []
            calls = [call for call in _calls(function, self._world) if self._succeeds(entitled, call, errors)]
            if not calls:
                self._unjudged[function.signature] = f"no call succeeded for a member: {errors[0]}"
                continue
            for actor in self._actors:
                if actor.may_all or "B" in actor.own or actor.identity.role not in function.roles:
                    continue
                tried = itertools.chain(calls, _mixed(function, self._world))
                finding = next(filter(None, (self._call(function, actor, call, committed) for call in tried)), None)
                if finding is not None:
                    self._findings.append(finding)
                    break

    def _succeeds(self, actor: Actor, call: _Call, errors: list[str]) -> bool:
        self._probes += 1
        try:
            with self._api.example(), actor.enter(self._api):
                self._api.execute(call.statement, call.values)
        except psycopg.Error as error:
            errors.append(str(error).strip().splitlines()[0])
            return False
        return True

    def _call(self, function: Function, actor: Actor, call: _Call, committed: _Committed) -> Finding | None:
        """The finding of one call, if there is one: what it gave back, or what it changed."""
        severity = "error"
        answer = self._answer(actor, call, call.values)
        rows = answer if isinstance(answer, list) else []
        known = frozenset(map(str, call.values))
        seen = [row for row in rows if self._world.labels(row, known) - actor.own]
        if seen:
            what = f"{actor.name} is given values of another tenant: {_shortened(seen[0])}"
        elif self._tells(actor, call, answer):
            what = f"{actor.name} is told whether there is a row of another tenant: {_shortened(answer)}"
            severity = "error" if isinstance(answer, list) else "warning"
        elif isinstance(answer, list) and function.volatile and (changed := committed.changed_by(actor, call)):
            what = f"{actor.name} changes rows of another tenant in {changed}"
        else:
            return None
        return Finding(
            RULE,
            function.signature,
            what,
            f"Check in {function.schema}.{function.name} that the caller belongs to the tenant, with one answer for "
            "what is foreign and what is not there, and revoke execute from roles that do not need it.",
            severity,
            actor.name,
            call.shown(self._api),
        )

    def _answer(self, actor: Actor, call: _Call, values: Sequence[Any]) -> list[Any] | str:
        """The rows that a call gives, or the words of its error. It is undone."""
        self._probes += 1
        try:
            with self._api.example(), actor.enter(self._api):
                cursor = self._api.execute(call.statement, values)
                return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            return f"{error.sqlstate} {error.diag.message_primary}"

    def _tells(self, actor: Actor, call: _Call, answer: list[Any] | str) -> bool:
        """Whether the answer is another one than for ids that nobody has."""
        foreign = [
            value for value in call.values if isinstance(value, UUID) and self._world.labels([value]) - actor.own
        ]
        nobodys = {str(value): uuid4() for value in foreign}
        if not nobodys:
            return False
        values = [nobodys.get(str(value), value) for value in call.values]
        others = repr(self._answer(actor, call, values))
        for value, stand_in in nobodys.items():
            others = others.replace(str(stand_in), value)
        return others != repr(answer)


@dataclass(frozen=True)
class _Call:
    """A call of a function with values for its arguments."""

    statement: sql.Composed
    values: list[Any]

    def shown(self, session: Session) -> str:
        return psycopg.ClientCursor(session).mogrify(self.statement, self.values)


def _calls(function: Function, world: _World) -> Iterator[_Call]:
    """Calls with the ids of B: an argument gets the key that its name says, or each of those of its type."""
    wanted = _wanted(function)
    pools = [_candidates(argument, world, "B") for argument in wanted]
    for values in itertools.islice(itertools.product(*pools), _CALLS):
        yield _Call(_call_statement(function, wanted), list(values))


def _mixed(function: Function, world: _World) -> Iterator[_Call]:
    """Calls that only a stranger tries: values of A and of B together, NULL for all, texts that stand in rows of B."""
    wanted = _wanted(function)
    if not wanted:
        return
    statement = _call_statement(function, wanted)
    pools = [[_candidates(argument, world, label)[0] for label in "AB"] for argument in wanted]
    for chosen in itertools.islice(itertools.product(*pools), _CALLS):
        yield _Call(statement, list(chosen))
    yield _Call(statement, [None] * len(wanted))
    texts = [value for rows in world.tenants.rows.values() if "B" in rows for value in rows["B"].values()]
    texts = ["", "%", *(value for value in texts if isinstance(value, str)), f"{world.tenants.users['B']}@example.org"]
    for number, argument in enumerate(wanted):
        if argument.type in ("text", "character varying"):
            for text in texts:
                values = [text if n == number else pool[0] for n, pool in enumerate(pools)]
                yield _Call(statement, values)


def _wanted(function: Function) -> list[Argument]:
    return [argument for argument in function.arguments if not argument.has_default or argument.type == "uuid"]


def _call_statement(function: Function, wanted: list[Argument]) -> sql.Composed:
    arguments = [
        sql.SQL("{} => {}").format(sql.Identifier(argument.name), sql.Placeholder())
        if argument.name
        else sql.Placeholder()
        for argument in wanted
    ]
    verb = sql.SQL("call {}({})" if function.procedure else "select * from {}({})")
    return verb.format(sql.Identifier(function.schema, function.name), sql.SQL(", ").join(arguments))


def _candidates(argument: Argument, world: _World, label: str) -> list[Any]:
    """Values of the tenant's rows that the argument may stand for, the likeliest first."""
    name = argument.name.removeprefix("p_").strip("_").lower()
    tenants = world.tenants
    rows = {relation: made[label] for relation, made in tenants.rows.items() if label in made}
    named: list[Any] = []
    for relation, row in rows.items():
        table = relation.partition(".")[2]
        named += [
            row["id"]
            for noun in (table, table.removesuffix("s"), table.removesuffix("es"))
            if name in (f"{noun}_id", f"{noun}id", noun) and "id" in row
        ]
    if name in (world.tenancy.column, "tenant_id", "org_id", "organization_id"):
        named.append(tenants.ids[label])
    if name in ("user_id", "uid", "owner_id", "member_id", "profile_id"):
        named.append(tenants.users[label])
    named += [row[name] for row in rows.values() if row.get(name) is not None and name != "id"]
    if argument.type in ("uuid", "bigint", "integer"):
        kind: type | tuple[type, ...] = UUID if argument.type == "uuid" else int
        keys = [row["id"] for row in rows.values() if "id" in row]
        keys += [made[label]["id"] for made in tenants.others.values() if "id" in made[label]]
        keys += [tenants.ids[label], tenants.users[label]]
        named += [key for key in keys if not any(key == known for known in named)]
        named = [value for value in named if isinstance(value, kind)]
        return named or [1]
    listed = [value for column, values in world.maker.listed.items() if name.endswith(column) for value in values]
    if listed or named:
        return [json.dumps(value) if isinstance(value, dict | list) else value for value in [*listed, *named[:2]]]
    return [_SAMPLES.get(argument.type)]


_SAMPLES: Mapping[str, Any] = {
    "text": "sample", "character varying": "sample", "boolean": True, "jsonb": "{}", "json": "{}", "numeric": 1,
    "double precision": 1, "real": 1, "smallint": 1, "date": "2025-11-03", "timestamp with time zone": "2025-11-03",
    "timestamp without time zone": "2025-11-03", "interval": "1 day",
}  # fmt: skip


class _Committed:
    """What a call changes once it is committed, seen in a copy of the world that is thrown away."""

    def __init__(self, databases: Databases, template: Template, world: _World, relations: Iterable[Relation]) -> None:
        self._databases = databases
        self._template = template
        self._world = world
        self._tables = [relation for relation in relations if relation.kind == "table"]

    def changed_by(self, actor: Actor, call: _Call) -> str | None:
        """The first table in which rows of tenants that are not the actor's own are others afterwards."""
        texts = frozenset(value for value in call.values if isinstance(value, str))  # which may be in a row of its own
        clone = self._databases.clone(self._template)
        try:
            before = self._rows(clone, actor.own, texts)
            with clone.connect_as_authenticator() as api, actor.enter(api):
                api.execute(call.statement, call.values)
            after = self._rows(clone, actor.own, texts)
        except psycopg.Error:
            return None
        finally:
            clone.close()
            self._databases.drop_later(clone)
        return next((name for name in before if before[name] != after[name]), None)

    def _rows(self, clone: Clone, own: frozenset[str], texts: frozenset[str]) -> dict[str, list[str]]:
        with clone.connect_as_admin() as admin:
            return {
                relation.full_name: sorted(
                    repr(row)
                    for row in admin.execute(
                        sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name))
                    ).fetchall()
                    if self._world.labels(row, texts) - own
                )
                for relation in self._tables
            }


@dataclass
class _Target:
    """One relation to be tried, and whose each of its rows is. Raises `Unfilled` when that cannot be told."""

    world: _World
    relation: Relation
    probes: int = 0
    statements: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._table = sql.Identifier(self.relation.schema, self.relation.name)
        self.select = sql.SQL("select * from {}").format(self._table).as_string(None)
        self._key, self._label_of = self._find_rows()
        self._done: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._seen = self._read(self.world.connection)

    def _find_rows(self) -> tuple[tuple[str, ...], dict[Any, str]]:
        """By what a row is told to be whose: the tenant column, or the primary key; nothing where its values tell."""
        relation, tenants, tenancy = self.relation, self.world.tenants, self.world.tenancy
        if relation.full_name in tenants.unfilled:
            raise Unfilled(f"no row could be made: {tenants.unfilled[relation.full_name]}")
        by_id = {(tenant_id,): label for label, tenant_id in tenants.ids.items()}
        if isinstance(tenancy.member, Membership) and relation.full_name == tenancy.member.table:
            return (tenancy.member.tenant,), by_id
        if relation.column(tenancy.column) is not None:
            return (tenancy.column,), by_id
        if relation.primary_key and relation.full_name in tenants.rows:
            return relation.primary_key, {
                tuple(row[column] for column in relation.primary_key): label
                for made in (tenants.rows, tenants.others)
                for label, row in made.get(relation.full_name, {}).items()
            }
        if relation.kind == "table":
            raise Unfilled(f"whose its rows are is not known: it has no column {tenancy.column} and no primary key")
        return (), {}

    def try_all(self, api: Session, actor: Actor) -> dict[str, set[str]]:
        """The tenants whose rows each operation reaches for ``actor``, whom ``api`` is. Leaves nothing behind."""
        reached = {
            "select": self.try_select(api),
            "insert": {label for label in _LABELS if self._inserts(api, label, actor)},
            "update": self._update(api, self._granted(actor, "update")),
            "delete": {label for label, where, key in self._each_row() if self._deletes(api, label, where, key)},
        }
        for operation in ("update", "delete"):
            if reached[operation] <= actor.own and self._takes_too_many(api, actor, operation):
                reached[operation] = set(_LABELS)
        self._done |= {name for name, labels in reached.items() if labels}
        return reached

    def try_crossing(self, api: Session, actor: Actor) -> Iterator[Finding]:
        """Move a row of one's own to B, and point one's foreign keys to rows of B."""
        (own,) = actor.own
        tenants, tenancy = self.world.tenants, self.world.tenancy
        if own not in tenants.rows.get(self.relation.full_name, {}):
            return
        granted = set(self._granted(actor, "update"))
        if tenancy.column in granted and self.relation.column(tenancy.column) is not None:
            changes = {tenancy.column: tenants.ids[own]}
            if (self._counted(api, *self._move(changes)) or 0) > (self._count_of(api, actor.own) or 0):
                yield self._crossed(api, actor, changes, "takes rows of another tenant", "error")
            changes = {tenancy.column: tenants.ids["B"]}
            if self._changes(api, changes):
                yield self._crossed(api, actor, changes, "moves a row of its own to another tenant", "error")
        for key in self.relation.foreign_keys:
            there = tenants.rows.get(key.target, {}).get("B")
            columns = [column for column, _ in key.columns]
            if there is None or not set(columns) <= granted or tenancy.column in columns:
                continue
            if key.target in (USERS, tenancy.tenant):
                continue
            changes = {column: there[target] for column, target in key.columns}
            if self._changes(api, changes):
                what = f"points {', '.join(columns)} of a row of its own to a row of another tenant"
                yield self._crossed(api, actor, changes, what, "warning")

    def _takes_too_many(self, api: Session, actor: Actor, operation: str) -> bool:
        """Whether a statement without WHERE changes more rows than are the actor's own.

        It needs no right to read, so that policies for select do not hide the rows from it.
        """
        statement = sql.SQL("delete from {}").format(self._table)
        values: list[Any] = []
        if operation == "update":
            mine = self._row_like()
            fixed = {self.world.tenancy.column, *self.relation.primary_key}
            linked = {here for key in self.relation.foreign_keys for here, _ in key.columns}
            columns = [name for name in self._granted(actor, "update") if name not in fixed | linked]
            if not columns:
                return False
            text = next((name for name in columns if isinstance(mine.get(name), str)), columns[0])
            statement = sql.SQL("update {} set {} = %s").format(self._table, sql.Identifier(text))
            value = mine.get(text)
            values = [json.dumps(value) if isinstance(value, dict | list) else value]
        count = self._counted(api, statement, values)
        own = self._count_of(api, actor.own)
        if count is None or own is None or count <= own:
            return False
        for label in set(_LABELS) - actor.own:
            self.statements[operation, label] = psycopg.ClientCursor(api).mogrify(statement, values)
        return True

    def _row_like(self) -> Row:
        """Values for the columns of the relation: of a row of it, or of a table that has columns of these names."""
        rows = self.world.tenants.rows
        own = rows.get(self.relation.full_name, {}).get("A")
        if own is not None:
            return own
        names = {column.name for column in self.relation.columns}
        return max(
            (
                {name: value for name, value in made["A"].items() if name in names}
                for made in rows.values()
                if "A" in made
            ),
            key=len,
            default={},
        )

    def _count_of(self, api: Session, own: frozenset[str]) -> int | None:
        """How many rows there are of these tenants; None for a view of which that cannot be told."""
        if self.relation.kind == "table":
            rows = self._rows(self.world.connection)
            return sum(1 for row in rows if self._label_of.get(tuple(row)) in {*own, None})
        try:
            with api.transaction(force_rollback=True):
                return len(self._rows(api))  # what it shows is judged by select
        except psycopg.errors.InsufficientPrivilege:
            rows = self._rows(self.world.connection)
            return sum(1 for row in rows if self.world.labels(row) <= own) if rows else None
        except psycopg.Error:
            if api.closed:
                raise
            return None

    def _rows(self, session: Session) -> list[Any]:
        columns = sql.SQL(", ").join(map(sql.Identifier, self._key)) if self._key else sql.SQL("*")
        return session.execute(sql.SQL("select {} from {}").format(columns, self._table)).fetchall()

    def _counted(self, api: Session, statement: sql.Composed, values: Sequence[Any]) -> int | None:
        """How many rows a statement changes; None where it fails. It is undone."""
        self.probes += 1
        try:
            with api.transaction(force_rollback=True):
                return api.execute(statement, values).rowcount
        except psycopg.Error:
            if api.closed:
                raise
            return None

    def vacuous(self) -> str | None:
        """Why these probes prove nothing, if so: what nobody managed to do, for another reason than a missing right."""
        if self._seen != set(_LABELS):
            return "there is no row of each tenant in it"
        for operation, reason in self._refusals.items():
            if operation not in self._done:
                return f"no identity could {operation}, and the reason was no missing right: {reason}"
        return None

    def try_select(self, api: Session) -> set[str]:
        """The tenants whose rows ``api`` sees."""
        self.probes += 1
        try:
            with api.transaction(force_rollback=True):
                labels = self._read(api)
        except psycopg.errors.InsufficientPrivilege:
            return set()
        except psycopg.Error as error:
            if api.closed:
                raise
            self._refusals["select"] = str(error).strip().splitlines()[0]
            return set()
        self._seen |= labels
        return labels

    def _read(self, session: Session) -> set[str]:
        rows = self._rows(session)
        if not self._key:
            return set().union(*(self.world.labels(row) for row in rows))
        return {self._label_of[tuple(row)] for row in rows if tuple(row) in self._label_of}

    def _inserts(self, api: Session, label: str, actor: Actor) -> bool:
        """Whether a row of that tenant can be inserted: one in its member's name, or in the actor's own."""
        if self.relation.kind != "table":
            return False
        for user in dict.fromkeys([None, actor.user]):
            values = self.world.maker.values(self.relation, self.world.tenants, label, user)
            statement = insert_statement(self.relation, values)
            if self._succeeds(api, "insert", label, statement, list(values.values())) and not self._is_taken(
                api, label, statement, list(values.values())
            ):
                return True
        return False

    def _is_taken(self, api: Session, label: str, statement: sql.Composed, values: Sequence[Any]) -> bool:
        """Whether the inserted row turns out to be another tenant's, as where a trigger sets the owner."""
        column = self.world.tenancy.column
        if self.relation.column(column) is None:
            return False
        try:
            with api.transaction(force_rollback=True):
                returning = sql.SQL("{} returning {}").format(statement, sql.Identifier(column))
                row = api.execute(returning, values).fetchone()
        except psycopg.Error:
            if api.closed:
                raise
            return False
        return row is not None and row[0] != self.world.tenants.ids[label]

    def _update(self, api: Session, columns: list[str]) -> set[str]:
        """Rows of which a column, any of those granted, can be set to what it is."""
        reached = set()
        for label, where, key in self._each_row():
            for column in map(sql.Identifier, columns):
                statement = sql.SQL("update {} set {} = {} where {}").format(self._table, column, column, where)
                if self._succeeds(api, "update", label, statement, key):
                    reached.add(label)
                    break
        return reached

    def _deletes(self, api: Session, label: str, where: sql.Composed, key: list[Any]) -> bool:
        statement = sql.SQL("delete from {} where {}").format(self._table, where)
        return self._succeeds(api, "delete", label, statement, key)

    def _each_row(self) -> Iterator[tuple[str, sql.Composed, list[Any]]]:
        if not self._key:
            return
        where = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self._key)
        for key, label in self._label_of.items():
            yield label, where, list(key)

    def _changes(self, api: Session, changes: Row) -> bool:
        return bool(self._counted(api, *self._move(changes)))

    def _move(self, changes: Row) -> tuple[sql.Composed, list[Any]]:
        """Without WHERE: that needs no right to read, so that policies for select are not asked of the new row."""
        assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes)
        return sql.SQL("update {} set {}").format(self._table, assignments), list(changes.values())

    def _crossed(self, api: Session, actor: Actor, changes: Row, what: str, severity: str) -> Finding:
        return Finding(
            RULE,
            self.relation.full_name,
            f"{actor.name} {what}",
            f"Hold the new row to the caller's tenants in WITH CHECK of the policy for update on "
            f"{self.relation.full_name}, and links to rows of the same tenant by a composite foreign key.",
            severity,
            actor.name,
            psycopg.ClientCursor(api).mogrify(*self._move(changes)),
        )

    def _succeeds(
        self, api: Session, operation: str, label: str, statement: sql.Composed, values: Sequence[Any]
    ) -> bool:
        """Whether the statement changes a row. It is undone."""
        self.probes += 1
        try:
            with api.transaction(force_rollback=True):
                reached = api.execute(statement, values).rowcount > 0
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.errors.UniqueViolation:
            reached = operation == "insert"  # policies are asked before unique indexes: the row was let in
        except psycopg.errors.ForeignKeyViolation:
            reached = operation == "delete"  # and before foreign keys that refer to it
            if not reached:
                self._refusals[operation] = "a foreign key"
        except psycopg.Error as error:
            if api.closed:
                raise
            if self.relation.kind != "table":
                return False  # a view that cannot be written to is refused before any right is looked at
            self._refusals[operation] = str(error).strip().splitlines()[0]
            return False
        if reached:
            self.statements[operation, label] = psycopg.ClientCursor(api).mogrify(statement, values)
        return reached

    def _granted(self, actor: Actor, privilege: str) -> list[str]:
        rows = self.world.connection.execute(
            _PRIVILEGES,
            {"relation": self._table.as_string(None), "role": actor.identity.role, "privilege": privilege},
        )
        return [name for (name,) in rows]


def _reach(labels: set[str], actor: Actor) -> Reach:
    if not labels:
        return Reach.NONE
    if labels == set(_LABELS):
        return Reach.ALL
    return Reach.OWN if labels <= actor.own else Reach.SOME


def _judge(
    relation: Relation, actor: Actor, reached: Mapping[str, Reach], target: _Target, tenancy: Tenancy
) -> Iterator[Finding]:
    if actor.may_all:
        return
    name = relation.full_name
    for operation, reach in reached.items():
        if reach not in (Reach.ALL, Reach.SOME) or (operation == "select" and name in tenancy.public):
            continue
        whose = "every tenant's rows" if reach is Reach.ALL else "rows of tenants that it is no member of"
        foreign = [
            text for (what, label), text in target.statements.items() if what == operation and label not in actor.own
        ]
        yield Finding(
            RULE,
            name,
            f"{actor.name} can {operation} {whose}",
            f"Enable row level security on {name} with a policy for {operation} that holds it to the caller's tenants, "
            f"and revoke {operation} from roles that do not need it.",
            identity=actor.name,
            statement=foreign[-1] if foreign else target.select,
        )


def _shortened(answer: object) -> str:
    text = str(answer)
    return text if len(text) <= 200 else text[:200] + "…"
