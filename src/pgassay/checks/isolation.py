"""The access matrix: who can do what to whose rows, as observed with rows of several tenants.

Rows are made for two tenants, A and B, and for one that nobody here belongs to, so that *own* and *all* differ for a
member of both. Every cell is an experiment: the statement is run as that identity on a session that logged in as the
API does, and what it reached is compared with whose rows they are.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.finding import Finding
from pgassay.config import Tenancy
from pgassay.errors import PgassayError
from pgassay.identity import Clone, Session
from pgassay.rows import Maker, Tenants, Unfilled, insert_statement

RULE = "tenant-isolation"
OPERATIONS = ("select", "insert", "update", "delete")
_TENANTS = ("A", "B", "C")
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
class Identity:
    """Who tries: a member of the tenants ``own``, or a caller without any."""

    name: str
    own: frozenset[str]
    enter: Callable[[Session], Any]
    role: str
    may_all: bool = False


@dataclass(frozen=True)
class Access:
    """One line of the matrix: for a relation and an identity, the reach of each operation."""

    relation: str
    identity: str
    reach: dict[str, Reach]


@dataclass(frozen=True)
class Matrix:
    """The whole matrix, the findings in it, and what could not be judged: relation → reason."""

    lines: tuple[Access, ...]
    findings: tuple[Finding, ...]
    unjudged: dict[str, str]

    @property
    def identities(self) -> list[str]:
        """The identities in the order in which they were tried."""
        return list(dict.fromkeys(line.identity for line in self.lines))


def observe(clone: Clone, relations: tuple[Relation, ...], tenancy: Tenancy) -> Matrix:
    """Fill ``clone`` with rows and try every operation on every relation of a schema that the API roles can use.

    Raises `PgassayError` where the tenants themselves cannot be made.
    """
    owner = clone.connect()
    maker = Maker(owner, relations, tenancy)
    try:
        tenants = maker.fill(_TENANTS)
        member_of_a, member_of_both, member_of_c = (maker.user() for _ in range(3))
        for user, labels in ((member_of_a, "A"), (member_of_both, "AB"), (member_of_c, "C")):
            for label in labels:
                maker.join(user, tenants.ids[label])
        _refresh(clone, relations)
    except (psycopg.Error, Unfilled) as error:
        raise PgassayError(
            f"No tenants could be made to try it with: {str(error).strip()}",
            hint=f"Rows of {tenancy.tenant} and {tenancy.member_table} are needed, by which [tool.pgassay.tenancy] "
            "says who belongs to whom.",
        ) from error

    unjudged = {}
    targets = []
    for relation in relations:
        if _is_reachable(owner, relation):
            try:
                targets.append(_Target(owner, maker, relation, tenancy, tenants))
            except Unfilled as error:
                unjudged[relation.full_name] = str(error)
    identities = (
        Identity("anon", frozenset(), lambda s: s.as_anon(), "anon"),
        Identity("member of A", frozenset("A"), lambda s: s.as_user(member_of_a), "authenticated"),
        Identity("member of both", frozenset("AB"), lambda s: s.as_user(member_of_both), "authenticated"),
        Identity("service_role", frozenset(), lambda s: s.as_service_role(), "service_role", may_all=True),
    )
    lines = []
    with clone.connect_as_authenticator() as api:
        for identity in identities:
            with api.example(), identity.enter(api):
                for target in targets:
                    reached = {name: _reach(labels, identity) for name, labels in target.try_all(api, identity).items()}
                    lines.append(Access(target.relation.full_name, identity.name, reached))
    for target in targets:
        vacuous = target.vacuous()
        if vacuous is not None:
            unjudged[target.relation.full_name] = vacuous
    lines = [line for line in lines if line.relation not in unjudged]
    by_name = {identity.name: identity for identity in identities}
    findings = [finding for line in lines for finding in _judge(line, by_name[line.identity], tenancy)]
    return Matrix(tuple(lines), tuple(findings), unjudged)


def _is_reachable(owner: Session, relation: Relation) -> bool:
    row = owner.execute(
        "select pg_catalog.bool_or(pg_catalog.has_schema_privilege(r, %s, 'usage')) "
        "from pg_catalog.unnest(array['anon', 'authenticated', 'service_role']) as r",
        [relation.schema],
    ).fetchone()
    return row is not None and bool(row[0])


def _refresh(clone: Clone, relations: Iterable[Relation]) -> None:
    """Refresh materialized views, as superuser: who owns them, and whether in the order of reference, is not known."""
    with clone.connect_as_admin() as admin:
        for relation in relations:
            if relation.kind == "materialized view":
                admin.execute(
                    sql.SQL("refresh materialized view {}").format(sql.Identifier(relation.schema, relation.name))
                )


class _Target:
    """One relation to be tried, and whose each of its rows is. Raises `Unfilled` when that cannot be told."""

    def __init__(self, owner: Session, maker: Maker, relation: Relation, tenancy: Tenancy, tenants: Tenants) -> None:
        self.relation = relation
        self._owner = owner
        self._maker = maker
        self._tenants = tenants
        self._table = sql.Identifier(relation.schema, relation.name)
        self._key, self._label_of = self._find_rows(tenancy)
        self._done: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._seen: set[str] = set(self._read(owner))

    def _find_rows(self, tenancy: Tenancy) -> tuple[tuple[str, ...], dict[Any, str]]:
        """By what a row is told to be whose: the tenant column where there is one, else the primary key."""
        relation, tenants = self.relation, self._tenants
        if relation.full_name in tenants.unfilled:
            raise Unfilled(f"no row could be made: {tenants.unfilled[relation.full_name]}")
        by_id = {(tenant_id,): label for label, tenant_id in tenants.ids.items()}
        if relation.full_name == tenancy.member_table:
            return (tenancy.member_tenant,), by_id
        if relation.column(tenancy.column) is not None:
            return (tenancy.column,), by_id
        if relation.primary_key and relation.full_name in tenants.rows:
            return relation.primary_key, {
                tuple(row[column] for column in relation.primary_key): label
                for label, row in tenants.rows[relation.full_name].items()
            }
        raise Unfilled(f"whose its rows are is not known: it has no column {tenancy.column} and no primary key")

    def try_all(self, api: Session, identity: Identity) -> dict[str, set[str]]:
        """The tenants whose rows each operation reaches for ``identity``, whom ``api`` is. Leaves nothing behind."""
        reached = {
            "select": self._select(api),
            "insert": {label for label in _TENANTS if self._inserts(api, label)},
            "update": self._update(api, self._granted(identity, "update")),
            "delete": {label for label, where, key in self._each_row() if self._deletes(api, where, key)},
        }
        self._done |= {name for name, labels in reached.items() if labels}
        return reached

    def vacuous(self) -> str | None:
        """Why these probes prove nothing, if so: what nobody managed to do, for another reason than a missing right."""
        if self._seen != set(_TENANTS):
            return "there is no row of each tenant in it"
        for operation, reason in self._refusals.items():
            if operation not in self._done:
                return f"no identity could {operation}, and the reason was no missing right: {reason}"
        return None

    def _select(self, api: Session) -> set[str]:
        try:
            with api.transaction(force_rollback=True):
                labels = set(self._read(api))
        except psycopg.errors.InsufficientPrivilege:
            return set()
        self._seen |= labels
        return labels

    def _read(self, session: Session) -> Iterator[str]:
        columns = sql.SQL(", ").join(map(sql.Identifier, self._key))
        for row in session.execute(sql.SQL("select {} from {}").format(columns, self._table)).fetchall():
            yield self._label_of[tuple(row)]

    def _inserts(self, api: Session, label: str) -> bool:
        if self.relation.kind != "table":
            return False
        values = self._maker.values(self.relation, self._tenants, label)
        return self._succeeds(api, "insert", insert_statement(self.relation, values), list(values.values()))

    def _update(self, api: Session, columns: list[str]) -> set[str]:
        """Rows of which a column, any of those granted, can be set to what it is."""
        reached = set()
        for label, where, key in self._each_row():
            for column in map(sql.Identifier, columns):
                statement = sql.SQL("update {} set {} = {} where {}").format(self._table, column, column, where)
                if self._succeeds(api, "update", statement, key):
                    reached.add(label)
                    break
        return reached

    def _deletes(self, api: Session, where: sql.Composed, key: list[Any]) -> bool:
        return self._succeeds(api, "delete", sql.SQL("delete from {} where {}").format(self._table, where), key)

    def _each_row(self) -> Iterator[tuple[str, sql.Composed, list[Any]]]:
        where = sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self._key)
        for key, label in self._label_of.items():
            yield label, where, list(key)

    def _succeeds(self, api: Session, operation: str, statement: sql.Composed, values: Sequence[Any]) -> bool:
        """Whether the statement changes a row. It is undone."""
        try:
            with api.transaction(force_rollback=True):
                return api.execute(statement, values).rowcount > 0
        except psycopg.errors.InsufficientPrivilege:
            return False
        except psycopg.Error as error:
            if api.closed:
                raise
            if self.relation.kind != "table":
                return False  # a view that cannot be written to is refused before any right is looked at
            self._refusals[operation] = str(error).strip().splitlines()[0]
            return False

    def _granted(self, identity: Identity, privilege: str) -> list[str]:
        rows = self._owner.execute(
            _PRIVILEGES,
            {"relation": self._table.as_string(None), "role": identity.role, "privilege": privilege},
        )
        return [name for (name,) in rows]


def _reach(labels: set[str], identity: Identity) -> Reach:
    if not labels:
        return Reach.NONE
    if labels == set(_TENANTS):
        return Reach.ALL
    return Reach.OWN if labels <= identity.own else Reach.SOME


def _judge(line: Access, identity: Identity, tenancy: Tenancy) -> Iterator[Finding]:
    if identity.may_all:
        return
    for operation, reach in line.reach.items():
        if reach not in (Reach.ALL, Reach.SOME) or (operation == "select" and line.relation in tenancy.public):
            continue
        whose = "every tenant's rows" if reach is Reach.ALL else "rows of tenants that it is no member of"
        yield Finding(
            RULE,
            line.relation,
            f"{identity.name} can {operation} {whose}",
            f"Enable row level security on {line.relation} with a policy for {operation} that holds it to the caller's "
            f"tenants, and revoke {operation} from roles that do not need it.",
        )
