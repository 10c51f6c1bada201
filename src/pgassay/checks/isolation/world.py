"""The world of the probes: the tenants and their rows, who tries, and whose a row is that turns up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay import migrations
from pgassay.catalog import Relation
from pgassay.checks.isolation import costs, own_roles
from pgassay.checks.isolation.belonging import LABELS, Belonging
from pgassay.checks.isolation.bodies import Bodies
from pgassay.checks.isolation.identities import BOTH, Identities
from pgassay.checks.isolation.matrix import Actor
from pgassay.config import Claim, Membership, Tenancy
from pgassay.errors import ConfigError, NoTenants
from pgassay.identity import Clone, Identity, Session
from pgassay.migrations import Script
from pgassay.rows import USERS, Maker, Row, Tenants, Unfilled
from pgassay.schema import sources, triggers
from pgassay.schema.sources import Sources
from pgassay.schema.triggers import Trigger

KEYS: Mapping[str, type] = {"uuid": UUID, "bigint": int, "integer": int}
"""Types that keys of rows have, by what they are read as."""
_PRIVILEGES = """
select c.oid::pg_catalog.regclass::pg_catalog.text, r, p, a.attname::pg_catalog.text
from pg_catalog.pg_class as c
join pg_catalog.pg_attribute as a on c.oid = a.attrelid
cross join pg_catalog.unnest(%(roles)s::pg_catalog.text[]) as r
cross join pg_catalog.unnest(%(privileges)s::pg_catalog.text[]) as p
where
    c.oid = pg_catalog.to_regclass(%(relation)s)
    and a.attnum > 0
    and not a.attisdropped
    and pg_catalog.has_column_privilege(r, c.oid, a.attnum, p)
order by a.attnum
"""
_OTHER_EQUALS = """
select exists (
    select from pg_operator as o
    where
        o.oprname = '='
        and o.oprnamespace <> 'pg_catalog'::regnamespace
        and not exists (
            select from pg_depend as d
            where d.classid = 'pg_operator'::regclass and d.objid = o.oid and d.deptype = 'e'
        )
)
"""
_OTHERWISE_FIRED = """
select pg_catalog.format('%I.%I', n.nspname, c.relname), f.kind, f.name, f.enabled
from (
    select t.tgrelid, 'trigger', t.tgname, t.tgenabled from pg_catalog.pg_trigger as t where not t.tgisinternal
    union all
    select w.ev_class, 'rule', w.rulename, w.ev_enabled from pg_catalog.pg_rewrite as w where w.ev_type <> '1'
) as f (relation, kind, name, enabled)
join pg_catalog.pg_class as c on f.relation = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where f.enabled in ('A', 'R')
"""
# What was there before has nothing of the tenants that were made.
_PLACES = sql.SQL("""
select t.tableoid::pg_catalog.int8, t.ctid::pg_catalog.text, pg_catalog.to_jsonb(t.*)
from {} as t
where pg_catalog.age(t.xmin) operator(pg_catalog.<) pg_catalog.age({}::pg_catalog.xid)
""")
_LINES = sql.SQL("""
create schema pgassay_probe;
grant usage on schema pgassay_probe to {login};
create function pgassay_probe.lines(whole pg_catalog.bool)
returns table (relation pg_catalog.text, line pg_catalog.text)
language plpgsql security definer set search_path = pg_catalog as {body};
create function pgassay_probe.remove_key(relation pg_catalog.text, key pg_catalog.text) returns pg_catalog.void
language plpgsql security definer set search_path = pg_catalog set lock_timeout = '1s' as {remove};
revoke all on all functions in schema pgassay_probe from public, {roles};
grant execute on all functions in schema pgassay_probe to {login}
""")
# What was there before the first row was made is told in a number, unless all is asked for: it can be a lot.
_LINES_OF = sql.SQL("""
select {name}, pg_catalog.to_jsonb(t.*)::pg_catalog.text from {table} as t
where whole or pg_catalog.age(t.xmin) operator(pg_catalog.<) pg_catalog.age({began}::pg_catalog.xid)
union all
select '', pg_catalog.format('%s %s', {name}, pg_catalog.count(*)) from {table} as t
where not whole and pg_catalog.age(t.xmin) operator(pg_catalog.>=) pg_catalog.age({began}::pg_catalog.xid)
""")
_REMOVE = """
declare
    index_id oid;
    found record;
begin
    -- of a partition's key, that of the whole
    select c.oid into index_id
    from pg_index as i join pg_class as c on i.indexrelid = c.oid
    where i.indrelid = relation::regclass and c.relname = key;
    while exists (select from pg_inherits as h where h.inhrelid = index_id) loop
        select h.inhparent into index_id from pg_inherits as h where h.inhrelid = index_id;
    end loop;
    select c.conrelid::regclass as place, c.conname as name into found
    from pg_constraint as c
    where c.conindid = index_id and c.contype in ('p', 'u', 'x')
        or (index_id is null and c.conrelid = relation::regclass and c.conname = key);
    if found.name is not null then
        execute format('alter table %s drop constraint %I cascade', found.place, found.name);
    else
        execute format('drop index %s', index_id::regclass);
    end if;
end
"""

_AS_WHO_LOGGED_IN: LiteralString = "select pg_catalog.set_config('role', 'none', true)"
_NEW_ROWS: LiteralString = "select relation, line from pgassay_probe.lines(false)"
_ALL_ROWS: LiteralString = "select relation, line from pgassay_probe.lines(true)"

State = Mapping[str, Counter[str]]
"""All rows of all tables as JSON, by table; or those that were made, and by "" how many others there are."""
Touched = tuple[str, dict[str, Any], set[str], bool]
"""A row that is another one afterwards: its table, the row, whose it is, and whether it is there afterwards."""


class World:
    """Tenants with rows, on ``connection``, the owner's."""

    def __init__(
        self,
        connection: Session,
        relations: tuple[Relation, ...],
        tenancy: Tenancy,
        storage: Iterable[Relation] = (),
        seed: int = 0,
        past_triggers: Callable[[LiteralString, Sequence[Any]], None] | None = None,
    ) -> None:
        self.connection = connection
        self.platform = connection.platform
        connection.take_requests()
        self.tenancy = tenancy
        self.relations = {relation.full_name: relation for relation in (*relations, *storage)}
        """All that are doors; partitions are added once they are filled."""
        self._whole = tuple(self.relations.values())
        self.maker = Maker(connection, relations, tenancy, seed)
        self.maker.past_triggers = past_triggers
        self.untouched: dict[str, Row] = {}
        """Rows of B to which nothing refers, by their tables, for triggers that do something once."""
        self.apart: dict[str, Row] = {}
        """By table a row of B that is like none of A's. It is not among those that were `made` to be tried."""
        self.more: dict[str, list[tuple[str, Row]]] = {}
        """Rows that were made besides those of `Tenants`, with their labels."""
        self.opened: dict[str, dict[tuple[Any, ...], Row]] = {}
        """Rows that are open to everybody by a link, by relation and primary key."""
        self._privileges: dict[str, dict[tuple[str, str], list[str]]] = {}
        self._bases: dict[tuple[Session, LiteralString], State] = {}
        (self.began,) = connection.execute("select pg_catalog.pg_current_xact_id()::pg_catalog.text").fetchone() or (
            "",
        )
        self._identities, self._belonging = Identities(self), Belonging(self)
        self.unjudged: dict[str, str] = {}
        """What could not be made as it is wanted, and why: by the name of the object that it costs its verdict."""
        self._check_rules()
        own_roles.refuse_unknown(connection, tenancy.trusted)
        self.roles = own_roles.callers(connection)
        """The roles of the API."""
        try:
            self.tenants: Tenants = self.maker.fill(LABELS)
            self.both = self.nobody = self.maker.user()
            if tenancy.member is not None and not isinstance(tenancy.member, Claim):
                self.both = self._member_of_both()
        except (psycopg.Error, Unfilled) as error:
            raise NoTenants(
                f"No tenants could be made to try it with: {str(error).strip()}",
                hint="Rows of the tenants and of their memberships are needed, by which [tool.pgassay.tenancy] says "
                "who belongs to whom.",
            ) from error
        if self.maker.refused_users:
            self.unjudged[USERS] = f"whoever signs up is refused by its triggers: {self.maker.refused_users}"
        self.emails: dict[UUID, str] = dict(connection.execute(self.platform.users.emails).fetchall())
        self.guests = self._share()
        self.entitled: list[Actor] = []
        """Members of B by each role, and who has rights beyond all tenants, for what a plain member may not do."""

    def _member_of_both(self) -> UUID:
        """A member of A and B; where a user is a member of one tenant alone, there is none, and it is the stranger."""
        with costs.only(BOTH, self.unjudged, self.go_on):
            try:
                with self.connection.transaction():
                    both = self.maker.user()
                    self.join(both, "A")
                    self.join(both, "B")
            except (psycopg.errors.UniqueViolation, Unfilled):
                return self.nobody
            return both
        return self.nobody

    @property
    def joins_several(self) -> bool:
        """Whether a user can be a member of several tenants."""
        return self.both != self.nobody

    def join(self, user: UUID, label: str, **more: Any) -> None:
        """Make a user a member. Raises `Unfilled` where the membership that there is then is somebody else's."""
        row, member = self.maker.join(user, self.tenants.ids[label], **more), self.tenancy.member
        if row is not None and isinstance(member, Membership) and str(row[member.user]) != str(user):
            raise Unfilled("a key lets one member alone have that")

    def go_on(self) -> None:
        """Raises where the session of the rows' owner is lost."""
        costs.go_on(self.connection)

    def _check_rules(self) -> None:
        """Each rule for a single relation must lead somewhere."""
        for name, rule in self.tenancy.tables.items():
            relation = self.relations.get(name)
            if relation is None and name.startswith("storage."):
                continue  # no policies, nothing to try
            for number, part in enumerate(steps := rule.partition("[")[0].split(".")):
                if relation is None or relation.column(part) is None:
                    where = relation.full_name if relation else name
                    raise ConfigError(
                        f"[tool.pgassay.tenancy] tables: the rule of {name} is {rule}, but {where} "
                        + (f"has no column {part}." if relation else "is no table or view that the migrations make.")
                    )
                if number < len(steps) - 1:
                    relation = self.relations.get(relation.refers_to(part))
                    if relation is None:
                        raise ConfigError(
                            f"[tool.pgassay.tenancy] tables: the rule of {name} is {rule}, but {part} is no foreign "
                            "key to a table that the migrations make."
                        )

    def _share(self) -> dict[str, UUID]:
        """Open a row of A to a user by each table of shares: relation of shares → user."""
        found: dict[str, UUID] = {}
        for share in self.tenancy.shared:
            if not share.user:
                continue  # see `openings`
            relation = self.relations.get(share.table)
            if relation is None:
                raise ConfigError(
                    f"[tool.pgassay.tenancy] shared names {share.table}, which the migrations do not make."
                )
            if share.table not in self.tenants.rows:
                continue
            with costs.only(f"guest of A by {share.table}", self.unjudged, self.go_on):
                guest = self.maker.user()
                shared = self.tenants.rows[share.table]["A"][share.row]
                with self.connection.transaction():
                    self.maker.further(relation, self.tenants, "A", {share.user: guest, share.row: shared})
                found[share.table] = guest
        return found

    def arrange(self, scripts: Iterable[Script]) -> None:
        """Apply SQL to the rows that were made, and read them again: it may change rows and add some, but take none.

        Raises `MigrationError` where it fails, and `ConfigError` where a row is gone.
        """
        scripts = tuple(scripts)
        for script in scripts:
            migrations.apply(self.connection, script)
        if not scripts:
            return
        added: list[tuple[str, Row]] = []
        for name, relation in self.relations.items():
            if relation.kind != "table" or not relation.primary_key:
                continue
            known = {_key(relation, row): row for made, _, row in self.made() if made == name}
            with self.connection.cursor(row_factory=dict_row) as cursor:
                cursor.execute(sql.SQL("select * from {}").format(sql.Identifier(relation.schema, relation.name)))
                there = {_key(relation, row): row for row in cursor}
            if gone := known.keys() - there.keys():
                raise ConfigError(
                    f"[tool.pgassay] rows: {', '.join(script.name for script in scripts)} took {len(gone)} of the rows "
                    f"in {name} that are to be tried, or changed their keys.",
                    hint="Change rows there, or add some.",
                )
            for key, row in there.items():
                if key in known:
                    known[key].update(row)
                else:
                    added.append((name, row))
        self._know(added)

    def _know(self, added: list[tuple[str, Row]]) -> None:
        """Count rows among those of the tenant that they belong to, each after those that it refers to."""
        left = added
        while left:
            whose = [(name, row, self.whose(name, row)) for name, row in left]
            self.forget_what_is_known()
            for name, row, labels in whose:
                if len(labels) == 1:
                    self.more.setdefault(name, []).append((next(iter(labels)), row))
            left = [(name, row) for name, row, labels in whose if len(labels) != 1]
            if len(left) == len(whose):
                break

    def forget_what_is_known(self) -> None:
        """Ask anew whose each value and key is, since rows came or went."""
        self._belonging.forget()

    # who tries

    def actors(self) -> list[Actor]:
        """Everybody who tries, and last those who are entitled."""
        return self._identities.actors()

    @property
    def of_roles(self) -> frozenset[str]:
        """The names of members of A by each role and flag that a membership can have."""
        return self._identities.of_roles

    @property
    def anonymous(self) -> Actor:
        """Somebody who has not signed in."""
        return self._identities.anonymous

    @property
    def back_end(self) -> Actor:
        """The application's own back end, which is entitled to all."""
        return self._identities.back_end

    @property
    def stranger(self) -> Actor:
        """Somebody who has signed in, and is no member of any tenant."""
        return self._identities.stranger

    def outsider(self, name: str, user: UUID) -> Actor:
        """A user who is no member of any tenant, as far as the declared tenancy tells."""
        return self._identities.outsider(name, user)

    def member(self, label: str, name: str = "", user: UUID | None = None, **claims: Any) -> Actor:
        """A member of one tenant, with more ``claims`` in their token."""
        return self._identities.member(label, name, user, **claims)

    def elsewhere(self, connection: Session) -> World:
        """The same world in another copy of the database, so that both can be asked at once."""
        other = copy(self)
        other.connection = connection
        other._privileges, other._bases = {}, {}
        other._identities, other._belonging = Identities(other), Belonging(other)
        for name in ("sources", "triggers", "bodies"):  # a mend may be tried there
            other.__dict__.pop(name, None)
        return other

    @cached_property
    def sources(self) -> Sources:
        """The functions, views and policies as they are written."""
        return sources.read(self.ask, self.platform)

    @cached_property
    def bodies(self) -> Bodies:
        """What the bodies of functions do with what they are given."""
        return Bodies(self)

    @cached_property
    def triggers(self) -> tuple[Trigger, ...]:
        """The triggers of the schema."""
        return triggers.read(self.ask, self.sources)

    # whose a row is

    def made(self) -> Iterator[tuple[str, str, Row]]:
        """All rows that were made for tenants: relation, label, row."""
        return self._belonging.made()

    def labels(self, row: Sequence[Any], known: frozenset[str] = frozenset(), *, public: bool = False) -> set[str]:
        """Whose values stand in a row, but for those in ``known``, and unless ``public`` for what everybody reads."""
        return self._belonging.labels(row, known, public=public)

    def whose(self, name: str, row: Mapping[str, Any], known: frozenset[str] = frozenset()) -> set[str]:
        """The tenants that a row of a table belongs to, as it is in a `State`; nobody where that cannot be told."""
        return self._belonging.whose(name, row, known)

    def is_opened(self, name: str, row: Mapping[str, Any]) -> bool:
        """Whether a row, as it is in a `State`, is open to everybody by a link."""
        return self._belonging.is_opened(name, row)

    @property
    def shared(self) -> set[str]:
        """Values that stand in rows of several tenants."""
        return self._belonging.shared

    @property
    def referred(self) -> dict[str, list[tuple[str, str]]]:
        """The columns that those of foreign keys refer to, by the names of these: relation and column, each once."""
        return self._belonging.referred

    def condition(self, name: str) -> str | None:
        """The condition of a policy by which a row of that relation is one of the caller's tenants."""
        return self._belonging.condition(name)

    # what is there

    def ask(self, query: LiteralString | sql.Composed, values: Any = None) -> list[Any]:
        """The answer to a query of our own, in which nothing of the project's is taken for PostgreSQL's own."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("set local search_path = pg_catalog")
            return self.connection.execute(query, values).fetchall()

    @cached_property
    def equals(self) -> sql.SQL:
        """The operator for keys: its plain name, unless the project has one of that name."""
        (row,) = self.ask(_OTHER_EQUALS)
        return sql.SQL("operator(pg_catalog.=)" if row[0] else "=")

    def where(self, columns: Iterable[str]) -> sql.Composed:
        """The condition that each of these columns is the value given for it, in their order."""
        equals = [sql.SQL("{} {} %s").format(sql.Identifier(name), self.equals) for name in columns]
        return sql.SQL(" and ").join(equals)

    def install(self) -> None:
        """Make it possible for a session of the API to see all rows, in the middle of what it does."""
        users = self.platform.users
        tables = [(r.full_name, r.schema, r.name) for r in self._whole if r.kind == "table"]
        parts = [
            _LINES_OF.format(name=sql.Literal(name), table=sql.Identifier(schema, table), began=sql.Literal(self.began))
            for name, schema, table in [*tables, (users.table, users.schema, users.name)]
        ]
        self.connection.execute(
            _LINES.format(
                body=sql.Literal(f"begin return query {sql.SQL(' union all ').join(parts).as_string(None)}; end"),
                remove=sql.Literal(_REMOVE),
                login=sql.Identifier(self.platform.roles.login),
                roles=sql.SQL(", ").join(map(sql.Identifier, self.platform.roles.api)),
            )
        )

    def remove_key(self, session: Session, identity: Identity, refusal: psycopg.errors.Diagnostic) -> str:
        """Take away, in the transaction of ``session``, the key that refused a statement; gives the statement for it.

        Raises `psycopg.Error` where it is not the project's.
        """
        table = sql.Identifier(refusal.schema_name or "", refusal.table_name or "").as_string(None)
        statement = sql.SQL("select pgassay_probe.remove_key({}, {})").format(table, refusal.constraint_name)
        session.execute(_AS_WHO_LOGGED_IN)
        session.execute(statement)
        session.execute("select pg_catalog.set_config('role', %s, true)", [identity.role])
        return f"{statement.as_string(None)};\n"

    def _base(self, session: Session, rows: LiteralString) -> State:
        """All rows as they are in the database of ``session``, which has changed none as yet: nothing is committed."""
        if (session, rows) not in self._bases:
            results = session.attempt(sql.SQL(_AS_WHO_LOGGED_IN), [], rows)
            self._bases[session, rows] = _state(results[-1].rows)
        return self._bases[session, rows]

    def touched_by(
        self, session: Session, statement: sql.Composed, values: Sequence[Any], known: frozenset[str] = frozenset()
    ) -> list[Touched]:
        """The rows that are other ones after a statement, which is undone. Raises `psycopg.Error` where it fails."""
        for rows in (_NEW_ROWS, _ALL_ROWS):
            before = self._base(session, rows)
            results = session.attempt(statement, values, "set constraints all immediate", _AS_WHO_LOGGED_IN, rows)
            after = _state(results[-1].rows)
            if before.get("") == after.get(""):
                break
        return list(self._touched(before, after, known))

    def forget_base(self, session: Session) -> None:
        """Look anew at all rows in the database of ``session``, since some were changed, or are as they were."""
        for known in [known for known in self._bases if known[0] is session]:
            del self._bases[known]

    def _touched(self, before: State, after: State, known: frozenset[str]) -> Iterator[Touched]:
        for name in sorted({*before, *after}):
            old, new = before.get(name, Counter()), after.get(name, Counter())
            for lines, there in ((old - new, False), (new - old, True)):
                for line in lines.elements():
                    row = json.loads(line)
                    yield name, row, self.whose(name, row, known), there

    def reading(self, relation: Relation, role: str) -> sql.Composed | None:
        """The statement that reads all that the role may of a relation; None where that is no column."""
        columns = self.granted(relation, role, "select")
        if not columns:
            return None
        shown = sql.SQL(", ").join(map(sql.Identifier, columns))
        return sql.SQL("select {} from {}").format(shown, sql.Identifier(relation.schema, relation.name))

    def granted(self, relation: Relation, role: str, privilege: str) -> list[str]:
        """The columns of a relation for which a role has a privilege."""
        name = sql.Identifier(relation.schema, relation.name).as_string(None)
        if name not in self._privileges:
            found: dict[tuple[str, str], list[str]] = {}
            wanted = {"relation": name, "roles": list(self.roles), "privileges": ["select", "insert", "update"]}
            for _, who, what, column in self.ask(_PRIVILEGES, wanted):
                found.setdefault((who, what), []).append(column)
            self._privileges[name] = found
        return self._privileges[name].get((role, privilege), [])


def leave_alone(world: World, clone: Clone, label: str) -> None:
    """Take out of ``clone`` all rows that belong to others than the tenant ``label``, and to nobody else.

    Raises `psycopg.errors.InsufficientPrivilege` on a server whose admin may not pass over triggers.
    """
    gone: list[tuple[sql.Identifier, int, list[str]]] = []
    users = world.platform.users
    with clone.connect_as_owner() as owner:
        tables = [(name, relation.schema, relation.name) for name, relation in world.relations.items()]
        for name, schema, table in [*tables, (users.table, users.schema, users.name)]:
            if name in world.relations and (world.relations[name].kind != "table" or name in world.tenancy.public):
                continue
            identifier = sql.Identifier(schema, table)
            found: dict[int, list[str]] = {}
            rows = owner.execute(_PLACES.format(identifier, world.began))
            for oid, place, row in rows:
                whose = world.whose(name, row)
                if whose and label not in whose and not world.is_opened(name, row):
                    found.setdefault(oid, []).append(place)
            gone += [(identifier, oid, places) for oid, places in found.items()]
    with clone.connect_as_admin() as admin, admin.transaction():
        admin.execute("set local search_path = pg_catalog")
        admin.execute("set local session_replication_role = replica")
        # What fires even so would have the admin's rights.
        fired = admin.execute(_OTHERWISE_FIRED).fetchall()
        for relation, kind, rule, _ in fired:
            admin.execute(_switched(relation, kind, rule, "disable"))
        for identifier, oid, places in gone:
            admin.execute(
                sql.SQL("delete from {} where tableoid = %s and ctid = any(%s::pg_catalog.tid[])").format(identifier),
                [oid, places],
            )
        for relation, kind, rule, enabled in fired:
            admin.execute(_switched(relation, kind, rule, "enable always" if enabled == "A" else "enable replica"))


def _state(lines: Iterable[tuple[str, str]]) -> State:
    found: dict[str, Counter[str]] = {}
    for relation, line in lines:
        found.setdefault(relation, Counter())[line] += 1
    return found


def _switched(relation: str, kind: LiteralString, rule: str, how: LiteralString) -> sql.Composed:
    """The statement that enables or disables a trigger or rule; ``relation`` is quoted as it needs."""
    return sql.SQL("alter table {} {} {} {}").format(
        sql.SQL(relation), sql.SQL(how), sql.SQL(kind), sql.Identifier(rule)
    )


def _key(relation: Relation, row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in relation.primary_key)
