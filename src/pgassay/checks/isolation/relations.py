"""Tables and views as doors: whose rows select, insert, update, delete and moves reach."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.catalog import Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.failures import Failure, Failures, Faults, is_endless, judge
from pgassay.checks.isolation.matrix import OPERATIONS, Actor, Probe, Reach, Verdict
from pgassay.checks.isolation.moves import Moves
from pgassay.checks.isolation.world import Touched, World
from pgassay.checks.isolation.writes import Write, Writes, is_foreign, is_taken
from pgassay.config import Membership
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled, insert_statement

Found = tuple[Finding, Probe]

_COLUMNS = 4
"""How many columns are tried for an update without WHERE, of which some may be held to be unique."""


@dataclass
class Target:
    """One relation to be tried, and whose each of its rows is. Raises `Unfilled` when that cannot be told."""

    world: World
    relation: Relation
    probes: int = 0
    statements: dict[tuple[str, str], str] = field(default_factory=dict)
    before: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._table = sql.Identifier(self.relation.schema, self.relation.name)
        self.column = self.world.tenancy.column_of(self.relation.full_name)
        self._key, self._label_of = self._find_rows()
        self._insertions: dict[tuple[str, UUID | None, str], list[Row]] = {}
        self._done: set[str] = set()
        self.pointed: set[tuple[str, ...]] = set()
        self._refusals: dict[str, str] = {}
        self.failures = Failures()
        self._error: psycopg.Error | None = None
        """What the last statement was refused with that was tried on all rows."""
        self._seen = self.read(self.world.connection)

    @property
    def is_table(self) -> bool:
        """Whether it is a table, and no view."""
        return self.relation.kind == "table"

    @property
    def given(self) -> set[str]:
        """The columns that get a value by themselves."""
        return {column.name for column in self.relation.columns if column.has_default}

    @property
    def is_whole(self) -> bool:
        """Whether nothing in it is public, so that one tenant sees the same in it whoever else is there."""
        return True

    def _find_rows(self) -> tuple[tuple[str, ...], dict[Any, str]]:
        """By what a row is told to be whose: the tenant column, or the primary key; nothing where its values tell."""
        relation, tenants, tenancy = self.relation, self.world.tenants, self.world.tenancy
        name = relation.full_name
        if name in tenants.unfilled:
            raise Unfilled(f"no row could be made: {tenants.unfilled[name]}")
        by_id = {(tenant_id,): label for label, tenant_id in tenants.ids.items()}
        if isinstance(tenancy.member, Membership) and name == tenancy.member.table:
            return (tenancy.member.tenant,), by_id
        if relation.column(self.column) is not None and name not in self.world.maker.of_staff:
            return (self.column,), by_id
        if relation.primary_key and name in tenancy.tables:
            return relation.primary_key, self._by_rule(tenancy.tables[name])
        if relation.primary_key and name in tenants.rows:
            return relation.primary_key, {
                tuple(row[column] for column in relation.primary_key): label
                for made, label, row in self.world.made()
                if made == name
            }
        if self.is_table:
            raise Unfilled(f"whose its rows are is not known: it has no column {self.column} and no primary key")
        return (), {}

    def _by_rule(self, rule: str) -> dict[Any, str]:
        """The label of each row by its key, where a path or an element names the tenant."""
        path, _, position = rule.partition("[")
        steps = path.split(".")
        relation = self.relation
        expression: sql.Composable = sql.SQL("t.{}").format(sql.Identifier(steps[0]))
        for here, step in itertools.pairwise(steps):
            key = next(key for key in relation.foreign_keys if [here] == [column for column, _ in key.columns])
            relation = self.world.relations[key.target]
            expression = sql.SQL("(select x.{} from {} as x where x.{} {} {})").format(
                sql.Identifier(step),
                sql.Identifier(relation.schema, relation.name),
                sql.Identifier(key.columns[0][1]),
                self.world.equals,
                expression,
            )
        if position:
            expression = sql.SQL("({})[{}]").format(expression, sql.Literal(int(position.rstrip("]"))))
        rows = self.world.ask(
            sql.SQL("select ({})::pg_catalog.text, {} from {} as t").format(
                expression, sql.SQL(", ").join(map(sql.Identifier, self.relation.primary_key)), self._table
            )
        )
        by_id = {str(tenant_id): label for label, tenant_id in self.world.tenants.ids.items()}
        return {tuple(key): by_id[whose] for whose, *key in rows if whose in by_id}

    # what is tried

    def try_all(self, api: Session, actor: Actor) -> dict[str, set[str]]:
        """The tenants whose rows each operation reaches for ``actor``, whom ``api`` is. Leaves nothing behind."""
        reached = {
            "select": self.try_select(api, actor),
            "insert": {label for label in LABELS if self._inserts(api, label, actor)},
            "update": self._update(api, actor),
            "delete": self._delete(api, actor),
        }
        for operation in ("update", "delete"):
            if reached[operation] <= actor.own and self._takes_too_many(api, actor, operation):
                reached[operation] = set(LABELS)
        self._done |= {name for name, labels in reached.items() if labels}
        self.failures.forget({name for name, labels in reached.items() if labels}, actor)
        return reached

    def judge(self, api: Session, actor: Actor, reached: Mapping[str, set[str]]) -> Iterator[Found]:
        """A finding for each operation that reaches others' rows; ``api`` is ``actor``."""
        if actor.may_all:
            return
        name = self.relation.full_name
        for operation, labels in reached.items():
            how_far = reach(labels, actor)
            public = operation == "select" and name in self.world.tenancy.public
            if how_far not in (Reach.ALL, Reach.SOME) or public:
                continue
            whose = "every tenant's rows" if how_far is Reach.ALL else "rows of tenants that it is no member of"
            free = operation == "insert" and self._is_free
            whose = "rows, which are no tenant's" if free else whose
            whose += " and which everybody reads" if free and name in self.world.tenancy.public else ""
            statement, before = self._demonstrated(operation, labels - actor.own, actor)
            seen = self._foreign_row(api, statement, actor) if operation == "select" else ""
            yield (
                Finding(
                    (Verdict.LEAKS if operation == "select" else Verdict.WRITES_ACROSS).rule,
                    name,
                    f"{actor.name} can {operation} {whose}{seen}",
                    f"Enable row level security on {name} with a policy for {operation} that holds it to the caller's "
                    f"tenants, and revoke {operation} from roles that do not need it.",
                    "warning" if free and name not in self.world.tenancy.public else "error",
                    actor.name,
                    statement=statement,
                    door=operation,
                    expected=_EXPECTED[operation],
                ),
                Probe(actor, self._again(operation, actor), before=before),
            )

    @property
    def _is_free(self) -> bool:
        """Whether nothing ties rows to a tenant, as messages that everybody may leave."""
        tenancy, name = self.world.tenancy, self.relation.full_name
        return (
            self.is_table
            and self.relation.column(self.column) is None
            and name not in tenancy.tables
            and all(key.target in tenancy.public for key in self.relation.foreign_keys)
        )

    def _demonstrated(self, operation: str, foreign: set[str], actor: Actor) -> tuple[str, str]:
        """The shortest statement that shows it, and what has to come before it."""
        found = [(self.statements[place], self.before[place]) for place in self.statements if place[0] == operation]
        mine = [
            (self.statements[operation, label], self.before[operation, label])
            for label in sorted(foreign)
            if (operation, label) in self.statements
        ]
        if operation == "select":
            return sql.SQL("select {} from {}").format(self._readable(actor), self._table).as_string(None), ""
        return min(mine or found, key=lambda shown: (len(shown[1]), len(shown[0])), default=("", ""))

    def _foreign_row(self, api: Session, statement: str, actor: Actor) -> str:
        """A row of another tenant that the statement gives, as a person reads it."""
        try:
            with api.transaction(force_rollback=True), api.cursor(row_factory=dict_row) as cursor:
                api.begin_request(reading=True)
                rows = cursor.execute(statement.encode()).fetchall()
        except psycopg.Error:
            if api.closed:
                raise
            return ""
        for row in rows:
            key = tuple(row.get(name) for name in self._key)
            whose = {self._label_of[key]} if self._key and key in self._label_of else self.world.labels([*row.values()])
            if whose - actor.own:
                return ", as (" + shortened(", ".join(f"{name}: {value}" for name, value in row.items())) + ")"
        return ""

    def _readable(self, actor: Actor) -> sql.Composable:
        """The columns that the actor's role may read, as a SELECT lists them."""
        columns = self.world.granted(self.relation, actor.identity.role, "select")
        if not columns or len(columns) == len(self.relation.columns):
            return sql.SQL("*")
        return sql.SQL(", ").join(map(sql.Identifier, columns))

    def _again(self, operation: str, actor: Actor) -> Callable[[Session], bool]:
        def holds(session: Session) -> bool:
            if operation == "select":
                return not self.try_select(session, actor) <= actor.own
            if operation == "insert":
                return any(self._inserts(session, label, actor) for label in LABELS if label not in actor.own)
            if self._takes_too_many(session, actor, operation):
                return True
            if operation == "update":
                return not self._update(session, actor) <= actor.own
            return not self._delete(session, actor) <= actor.own

        return holds

    def reaches(self, operation: str, session: Session, actor: Actor) -> set[str]:
        """The tenants whose rows one operation reaches for ``actor``, whom the session is."""
        if operation == "select":
            return self.try_select(session, actor)
        if operation == "insert":
            return {label for label in LABELS if self._inserts(session, label, actor)}
        return self._update(session, actor) if operation == "update" else self._delete(session, actor)

    # select

    def try_select(self, api: Session, actor: Actor) -> set[str]:
        """The tenants whose rows ``api`` sees."""
        if self.failures.is_endless("select", actor):
            return set()
        self.probes += 1
        try:
            labels = self.read(api)
        except psycopg.Error as error:
            if api.closed:
                raise
            self.failures.note("select", actor, error, api)
            if isinstance(error, psycopg.errors.InsufficientPrivilege):
                return self._glimpse(api, actor)
            self._refusals["select"] = first_line(error)
            return set()
        self._seen |= labels
        return labels

    def try_to_read(
        self, api: Session, actors: Sequence[Actor], is_known: Callable[[psycopg.Error], bool]
    ) -> psycopg.Error | None:
        """See first whether reading comes to an end for those who are entitled; the error where it does not.

        It takes long, and is no answer to anybody whose role is the same, so that nobody else tries. The first alone
        does where the policies that ask themselves ``is_known`` to say of all of them.
        """
        entitled = [actor for actor in actors if actor.own and not actor.may_all]
        first: Failure | None = None
        for actor in entitled:
            with actor.enter(api):
                self.try_select(api, actor)
            if not self.failures.is_endless("select", actor):
                return None
            first = first or self.failures.of("select", actor)
            if first is not None and is_known(first.error):
                break
        if first is None:
            return None
        self.failures.endless_for = frozenset(actor.identity.role for actor in entitled)
        return first.error

    def judge_failures(self, faults: Faults, actors: Sequence[Actor]) -> Iterator[Found]:
        """What nobody can do who may, since the schema fails."""
        for found, operations in judge(self.world, faults, self.relation.full_name, self.failures, actors):
            for operation in operations:
                self._refusals.pop(operation, None)
            yield found

    def _glimpse(self, api: Session, actor: Actor) -> set[str]:
        """The tenants whose rows are seen in columns that are granted one by one, without those that tell whose."""
        columns = self.world.granted(self.relation, actor.identity.role, "select")
        if not columns or len(columns) == len(self.relation.columns):
            return set()
        statement = sql.SQL("select {} from {}").format(sql.SQL(", ").join(map(sql.Identifier, columns)), self._table)
        self.probes += 1
        try:
            rows = api.attempt(statement, reading=True)[0].rows
        except psycopg.Error:
            if api.closed:
                raise
            return set()
        labels = set().union(*(self.world.labels(row) for row in rows))
        if len(rows) > (self.count_of(api, actor.own) or 0):
            labels |= set(LABELS)
        return labels

    @cached_property
    def _all_rows(self) -> list[Any]:
        return self._rows(self.world.connection)

    def _rows(self, session: Session, closed: bool = False) -> list[Any]:
        """Of all rows, or of those that are not open to everybody by a link, what tells whose they are."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self._key)) if self._key else sql.SQL("*")
        statement = sql.SQL("select {} from {}").format(columns, self._table)
        opened = self.world.opened.get(self.relation.full_name, {}) if closed else {}
        if not opened:
            return session.attempt(statement, reading=True)[0].rows
        key = sql.SQL(", ").join(map(sql.Identifier, self.relation.primary_key))
        one = sql.SQL("({})").format(sql.SQL(", ").join([sql.Placeholder()] * len(self.relation.primary_key)))
        statement += sql.SQL(" where ({}) not in ({})").format(key, sql.SQL(", ").join([one] * len(opened)))
        return session.attempt(statement, [part for row in opened for part in row], reading=True)[0].rows

    def places(self) -> dict[str, str]:
        """Where each row of a table is, and the tenant that it belongs to."""
        if not self._key:
            return {}
        statement = sql.SQL("select t.tableoid::pg_catalog.text, t.ctid::pg_catalog.text, {} from {} as t").format(
            sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in self._key), self._table
        )
        rows = self.world.connection.attempt(statement, reading=True)[0].rows
        return {
            f"{table} {place}": self._label_of[tuple(key)]
            for table, place, *key in rows
            if tuple(key) in self._label_of
        }

    def read(self, session: Session) -> set[str]:
        """The tenants of which there is a row for ``session``."""
        rows = self._rows(session, closed=True)
        if not self._key:
            public = self.relation.full_name in self.world.tenancy.public
            return set().union(*(self.world.labels(row, public=public) for row in rows))
        found = {self._label_of[tuple(row)] for row in rows if tuple(row) in self._label_of}
        return found | self._told_by_nobodys(session) if (None,) in map(tuple, rows) else found

    def _told_by_nobodys(self, session: Session) -> set[str]:
        """The tenants of which values stand in rows that are nobody's, as a trigger writes them into a log.

        What such a row refers to is no sign of whose it is.
        """
        ((role,),) = session.attempt(sql.SQL("select current_user::pg_catalog.text"), reading=True)[0].rows
        granted = self.world.granted(self.relation, role, "select") or [c.name for c in self.relation.columns]
        names = [name for name in granted if name not in self.relation.referring]
        if self._key != (self.column,) or not names:
            return set()
        statement = sql.SQL("select {} from {} where {} is null").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), self._table, sql.Identifier(self.column)
        )
        self.probes += 1
        rows = session.attempt(statement, reading=True)[0].rows
        return set().union(*(self.world.labels(row) for row in rows))

    # insert

    def _inserts(self, api: Session, label: str, actor: Actor) -> bool:
        """Whether a row of that tenant can be inserted."""
        return any(
            not self.failures.is_endless("insert", actor) and self._goes_in(api, label, actor, values)
            for values in self.insertable(label, actor)
        )

    def goes_in(self, api: Session, label: str, actor: Actor, values: Row) -> bool:
        """Whether this row can be inserted, which is tried again wherever rows of that tenant are."""
        known = self.insertable(label, actor)
        if values not in known:
            known.append(values)
        return self._goes_in(api, label, actor, values)

    def _goes_in(self, api: Session, label: str, actor: Actor, values: Row) -> bool:
        """Whether this row, or one that differs in what it may differ in, can be inserted, and is that tenant's."""
        is_own = (label in actor.own or actor.may_all) and self.is_table

        def reaches(row: Row) -> bool:
            statement, sent = insert_statement(self.relation, row), list(row.values())
            if not api.attempt(statement, sent)[0].count:
                return False
            return is_own or self.lands(api, label, statement, sent)

        found = self._written(api, actor, values, reaches)
        if isinstance(found, psycopg.Error):
            if not actor.own or is_own:
                self.failures.note("insert", actor, found, api)
            if self.is_table:  # a view that cannot be written to is refused before any right is looked at
                self._refused("insert", found)
            return False
        if found is not None:
            self.show("insert", label, api, found)
        return found is not None

    def _written(
        self, api: Session, actor: Actor, values: Row, reaches: Callable[[Row], bool]
    ) -> Write | psycopg.Error | None:
        writes = Writes(self.world, self.relation, api, actor)
        found = writes.insert(values, self.column, reaches)
        self.probes += writes.probes
        return found

    def show(self, operation: str, label: str, api: Session, write: Write) -> None:
        """Keep a write that went through, for whoever wants to see it."""
        self.statements[operation, label] = api.bound(write.statement, write.values)
        self.before[operation, label] = write.before

    def _refused(self, operation: str, error: psycopg.Error) -> None:
        """Note what refused a statement, unless it was a right or a policy."""
        if not isinstance(error, psycopg.errors.InsufficientPrivilege):
            self._refusals[operation] = "a foreign key" if is_foreign(error) else first_line(error)

    def insertable(self, label: str, actor: Actor) -> list[Row]:
        """The same values each time that it is tried: of columns that the actor may fill, where some are granted."""
        key = label, actor.user, actor.identity.role
        if key not in self._insertions:
            granted = self.world.granted(self.relation, actor.identity.role, "insert")
            self._insertions[key] = [
                {name: value for name, value in values.items() if not granted or name in granted}
                for values in self.insertions(label, actor)
            ]
        return self._insertions[key]

    def insertions(self, label: str, actor: Actor) -> Iterator[Row]:
        """Values for a row of that tenant: one in its member's name, or in the actor's own."""
        relation = self.relation if self.is_table else self._base()
        if relation is None:
            return
        users = [None] if actor.user is None or self._is_of_users(relation, actor.user) else [None, actor.user]
        for user in users:
            values = self.world.maker.values(relation, self.world.tenants, label, user)
            if not self.is_table:
                values = {name: value for name, value in values.items() if self.relation.column(name) is not None}
                values.pop("id", None)
            yield values
        if (
            self.is_table
            and label not in actor.own
            and len(actor.own) == 1
            and self.column in self.world.granted(relation, actor.identity.role, "insert")
        ):
            (own,) = actor.own  # a row of that tenant, beside what is one's own
            yield {
                **self.world.maker.values(relation, self.world.tenants, own, actor.user),
                self.column: self.world.tenants.ids[label],
            }

    def _is_of_users(self, relation: Relation, user: UUID) -> bool:
        """Whether nothing but its user ties a row to a tenant, so that one in the name of ``user`` is theirs."""
        links = [self.world.maker.links(relation, self.world.tenants, label, user) for label in LABELS]
        is_named = user in links[0].values()
        named = set(self.world.maker.users_in(relation)) - {self.column}  # of whom it may name others as well
        rest = [{name: value for name, value in link.items() if name not in named} for link in links]
        return is_named and all(link == rest[0] for link in rest)

    def _base(self) -> Relation | None:
        """The table that a view's rows are likely to be from: that with the most of its columns, and rows."""
        names = {column.name for column in self.relation.columns}
        known = [self.world.relations[name] for name in self.world.tenants.rows if name in self.world.relations]
        return max(
            (relation for relation in known if relation.column(self.column) is not None and self.column in names),
            key=lambda relation: len(names & {column.name for column in relation.columns}),
            default=None,
        )

    def lands(self, api: Session, label: str, statement: sql.Composed, values: Sequence[Any]) -> bool:
        """Whether the statement changes rows of that tenant, and does not only seem to: a trigger may set the owner."""
        try:
            touched = self.world.touched_by(api, statement, values)
        except psycopg.Error as error:
            if api.closed or is_taken(error):  # by a constraint that is deferred
                raise
            return False
        if any(label in whose for _, _, whose, _ in touched):
            return True
        here = [whose for name, _, whose, _ in touched if name == self.relation.full_name]
        return bool(here) and not set().union(*here) and self.column not in self._key  # they are nobody's in particular

    # update and delete

    def _update(self, api: Session, actor: Actor) -> set[str]:
        """Rows of which a column, any of those granted, can be set to what it is."""
        readable = set(self.world.granted(self.relation, actor.identity.role, "select"))
        reached: set[str] = set()
        for name in (
            self.world.granted(self.relation, actor.identity.role, "update") if readable >= set(self._key) else ()
        ):
            column = sql.Identifier(name)
            statement = sql.SQL("update {} set {} = {}").format(self._table, column, column)
            if name in readable:
                found, whole = self._each(api, actor, "update", statement)
                reached |= found
                if whole:
                    break
        return reached

    def _delete(self, api: Session, actor: Actor) -> set[str]:
        if not set(self.world.granted(self.relation, actor.identity.role, "select")) >= set(self._key):
            return set()
        return self._each(api, actor, "delete", sql.SQL("delete from {}").format(self._table))[0]

    def _each(self, api: Session, actor: Actor, operation: str, statement: sql.Composed) -> tuple[set[str], bool]:
        """The tenants whose rows the statement reaches one by one, and whether it could be run on all of them.

        What reaches none of all needs not be tried with each.
        """
        reached: set[str] = set()
        if self.failures.is_endless("select", actor):
            return reached, False
        count = self.counted(api, statement, [])
        if count is None and self._error is not None:
            self.failures.note(operation, actor, self._error, api)
        if count != 0 and not self.failures.is_endless(operation, actor):
            for label, where, key in self._each_row():
                if self._succeeds(api, actor, operation, label, sql.SQL("{} where {}").format(statement, where), key):
                    reached.add(label)
        return reached, count is not None

    def _each_row(self) -> Iterator[tuple[str, sql.Composed, list[Any]]]:
        if self._key:
            for key, label in self._label_of.items():
                yield label, self.world.where(self._key), list(key)

    def _takes_too_many(self, api: Session, actor: Actor, operation: str) -> bool:
        """Whether a statement without WHERE changes more rows than are the actor's own.

        It needs no right to read, so that policies for select do not hide the rows from it.
        """
        refused: list[tuple[sql.Composed, list[Any]]] = []
        if self.failures.is_endless(operation, actor):
            return False
        for statement, values in self.sweeping(actor, operation):
            count = self.counted(api, statement, values)
            if count is None:
                if self._error is not None and is_endless(self._error):
                    self.failures.note(operation, actor, self._error, api)
                    return False
                refused += [(statement, values)] if self.is_by_chance else []
                continue
            own = self.count_of(api, actor.own)
            if own is None or count <= own:
                return False
            for label in set(LABELS) - actor.own:
                self.show(operation, label, api, Write(statement, values))
            return True
        return any(self._takes_one(api, actor, operation, *tried) for tried in refused[:1])

    def _takes_one(
        self, api: Session, actor: Actor, operation: str, statement: sql.Composed, values: Sequence[Any]
    ) -> bool:
        """Whether a statement without WHERE reaches a single row of others, or rows of others that nothing needs."""
        if not self.is_table:
            return False
        writes = Writes(self.world, self.relation, api, actor)
        for write, touched in writes.one_by_one(statement, values):
            label = next((label for label in self._lost(touched) if label not in actor.own), None)
            if label is not None:
                self.show(operation, label, api, write)
                return True

        def sweep(before: str) -> Write | None:
            count = api.attempt(statement, values)[0].count
            own = self.count_of(api, actor.own)
            return Write(statement, values, before) if own is not None and count > own else None

        found = writes.without_keys(is_foreign, sweep) if operation == "delete" else None
        self.probes += writes.probes
        if isinstance(found, Write):
            for label in set(LABELS) - actor.own:
                self.show(operation, label, api, found)
        return isinstance(found, Write)

    def _lost(self, touched: Iterable[Touched]) -> Iterator[str]:
        """Whose rows of this relation were there before a statement, and are not there, or other ones, after it."""
        for name, _, whose, there in touched:
            if name == self.relation.full_name and not there:
                yield from sorted(whose)

    def sweeping(self, actor: Actor, operation: str) -> Iterator[tuple[sql.Composed, list[Any]]]:
        """Statements without WHERE."""
        if operation == "delete":
            yield sql.SQL("delete from {}").format(self._table), []
            return
        mine = self._row_like()
        fixed = {self.column, *self.relation.primary_key}
        linked = self.relation.referring
        granted = self.world.granted(self.relation, actor.identity.role, "update")
        columns = [name for name in granted if name not in fixed | linked]
        columns.sort(key=lambda name: not isinstance(mine.get(name), str))
        for name in columns[:_COLUMNS]:
            value = mine.get(name)
            yield (
                sql.SQL("update {} set {} = %s").format(self._table, sql.Identifier(name)),
                [json.dumps(value) if isinstance(value, dict | list) else value],
            )

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

    def count_of(self, api: Session, own: frozenset[str]) -> int | None:
        """How many rows there are of these tenants; None for a view of which that cannot be told."""
        if self.is_table:
            return sum(1 for row in self._all_rows if self._label_of.get(tuple(row)) in {*own, None})
        try:
            return len(self._rows(api))  # what it shows is judged by select
        except psycopg.errors.InsufficientPrivilege:
            rows = self._all_rows
            return sum(1 for row in rows if self.world.labels(row) <= own) if rows else None
        except psycopg.Error:
            if api.closed:
                raise
            return None

    # moves

    def try_crossing(self, api: Session, actor: Actor) -> Iterator[Found]:
        """Move a row of one's own to B, and point one's foreign keys to rows of B."""
        yield from Moves(self).try_all(api, actor)

    # what came of it

    def counted(self, api: Session, statement: sql.Composed, values: Sequence[Any]) -> int | None:
        """How many rows a statement changes; None where it fails. It is undone."""
        self.probes += 1
        try:
            return api.attempt(statement, values)[0].count
        except psycopg.Error as error:
            if api.closed:
                raise
            self._error = error
            return None

    @property
    def is_by_chance(self) -> bool:
        """Whether it was refused by no right and no policy, so that it may go better with another row."""
        error = self._error
        return (
            error is not None and not isinstance(error, psycopg.errors.InsufficientPrivilege) and not is_endless(error)
        )

    def _succeeds(
        self, api: Session, actor: Actor, operation: str, label: str, statement: sql.Composed, values: Sequence[Any]
    ) -> bool:
        """Whether the statement changes a row. It is undone."""
        self.probes += 1
        found: Write | psycopg.Error | None
        try:
            found = Write(statement, values) if api.attempt(statement, values)[0].count else None
        except psycopg.Error as error:
            if api.closed:
                raise
            found = error
            if operation == "delete" and is_foreign(error):
                found = self._unneeded(api, actor, label, statement, values)
        if isinstance(found, psycopg.Error):
            if self.is_table:
                self._refused(operation, found)
            return False
        if found is not None:
            self.show(operation, label, api, found)
        return found is not None

    def _unneeded(
        self, api: Session, actor: Actor, label: str, statement: sql.Composed, values: Sequence[Any]
    ) -> Write | psycopg.Error | None:
        """The deletion of a row of that tenant to which no other one refers, or after which none does."""
        name, key = self.relation.full_name, self.relation.primary_key
        writes = Writes(self.world, self.relation, api, actor)
        if key and key != self._key:
            single = sql.SQL("delete from {} where {}").format(self._table, self.world.where(key))
            for made, whose, row in self.world.made():
                if made == name and whose == label:
                    write = Write(single, [row[part] for part in key])
                    if self.counted(api, write.statement, write.values):
                        return write

        def run(before: str) -> Write | None:
            return Write(statement, values, before) if api.attempt(statement, values)[0].count else None

        found = writes.without_keys(is_foreign, run)
        self.probes += writes.probes
        return found

    def _shown_to_members(self) -> set[str]:
        """The tenants of which their own member sees a row of a view, as of one that asks who is signed in."""
        found: set[str] = set()
        session = self.world.connection
        for label in sorted({*LABELS} - self._seen) if not self.is_table else ():
            try:
                with session.transaction(force_rollback=True), self.world.member(label).enter(session):
                    found |= self.read(session) & {label}
            except psycopg.Error:
                if session.closed:
                    raise
        return found

    def vacuous(self) -> str | None:
        """Why these probes prove nothing, if so: what nobody managed to do, for another reason than a missing right."""
        if self._seen | self._shown_to_members() != set(LABELS):
            return "there is no row of each tenant in it"
        for operation, reason in self._refusals.items():
            if operation not in self._done:
                return f"no identity could {operation}, and the reason was no missing right: {reason}"
        return None


_EXPECTED = {
    "select": "no row of another tenant",
    "insert": "an error: new row violates row-level security policy, or permission denied",
    "update": "no row of another tenant is changed",
    "delete": "no row of another tenant is deleted",
}


def reach(labels: Iterable[str], actor: Actor) -> Reach:
    """How far it is to those tenants' rows for the actor."""
    labels = set(labels)
    if not labels:
        return Reach.NONE
    if labels == set(LABELS):
        return Reach.ALL
    return Reach.OWN if labels <= actor.own else Reach.SOME


def shortened(text: str) -> str:
    """At most 200 characters of it."""
    return text if len(text) <= 200 else text[:200] + "…"


def first_line(error: psycopg.Error) -> str:
    """What PostgreSQL said, without details."""
    return str(error).strip().splitlines()[0]


assert set(OPERATIONS) == set(_EXPECTED)
