"""Sessions: run statements as somebody, a role with JWT claims, as PostgREST does for a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, LiteralString, Self
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, tuple_row
from psycopg.sql import Composable

from pgassay import moments, templates
from pgassay.errors import PgassayError
from pgassay.patience import PatientConnection, Stopped
from pgassay.placeholders import escaped
from pgassay.platforms.tokens import Identity as Identity  # what tests and checks know by this name

_PRE_REQUEST = "pgrst.db_pre_request"
_READING: tuple[LiteralString, ...] = ("set local transaction_read_only = on", "set local request.method = 'GET'")
"""What makes a request one that only reads, as PostgREST does; it ends with the savepoint that it is in."""
_BLOCK = "begin", "rollback"
_MARK, _BACK = "savepoint pgassay_attempt", "rollback to pgassay_attempt"
_SAVEPOINT = _MARK, f"{_BACK}; release pgassay_attempt"

# Operators are qualified, too: the schemas of a project that nobody has read may have others of these names.
_IS_SUPERUSER = "select rolsuper from pg_catalog.pg_roles where rolname operator(pg_catalog.=) %s::pg_catalog.name"

# What ALTER ROLE … SET says for the role that logs in and the one that it becomes, then what is given. Settings of
# libraries to be loaded are left out: they can only be given at a session's start. What was is read before any is set,
# since a new session user resets the role; and all is one statement, since tests become somebody all the time.
_BECOME = """
with wanted as materialized (
    select
        e.name, e.value, coalesce(pg_catalog.current_setting(e.name, true), '') as before,
        e.is_given, e.is_of_role, e.is_of_database, e.position
    from (
        select
            pg_catalog.split_part(entry, '=', 1) as name,
            pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') operator(pg_catalog.+) 1) as value,
            false as is_given,
            r.rolname operator(pg_catalog.=) %(role)s::pg_catalog.name as is_of_role,
            d.oid is not null as is_of_database,
            0 as position
        from pg_catalog.pg_db_role_setting as s
        join pg_catalog.pg_roles as r on s.setrole operator(pg_catalog.=) r.oid
        left join pg_catalog.pg_database as d on s.setdatabase operator(pg_catalog.=) d.oid
        cross join lateral pg_catalog.unnest(s.setconfig) as entry
        where
            r.rolname operator(pg_catalog.=) any(array[%(login)s, %(role)s]::pg_catalog.name[])
            and (d.oid is null or d.datname operator(pg_catalog.=) pg_catalog.current_database())
            and entry operator(pg_catalog.!~~) '%%_preload_libraries=%%'
        union all
        -- PostgREST sets a path of the schemas that it exposes; its usual one is the database's
        select
            'search_path',
            (
                select pg_catalog.string_agg(pg_catalog.quote_ident(pg_catalog.btrim(w.part)), ', ' order by w.position)
                from pg_catalog.string_to_table(
                    exposed.schemas operator(pg_catalog.||) ',' operator(pg_catalog.||) exposed.extra, ','
                ) with ordinality as w (part, position)
            ),
            false, false, false, -1
        from (
            -- what config.toml says, sessions begin with (`Server.settings`)
            select
                coalesce(
                    pg_catalog.max(pg_catalog.substr(entry, 18)) filter (
                        where entry operator(pg_catalog.~~) 'pgrst.db_schemas=%%'
                    ),
                    (
                        select value from pg_catalog.current_setting('pgrst.db_schemas', true) as value
                        where pg_catalog.length(value) operator(pg_catalog.>) 0
                    )
                ) as schemas,
                coalesce(
                    pg_catalog.max(pg_catalog.substr(entry, 28)) filter (
                        where entry operator(pg_catalog.~~) 'pgrst.db_extra_search_path=%%'
                    ),
                    (
                        select value from pg_catalog.current_setting('pgrst.db_extra_search_path', true) as value
                        where pg_catalog.length(value) operator(pg_catalog.>) 0
                    ),
                    'public, extensions'
                ) as extra
            from pg_catalog.pg_db_role_setting as s
            join pg_catalog.pg_roles as r on s.setrole operator(pg_catalog.=) r.oid
            left join pg_catalog.pg_database as d on s.setdatabase operator(pg_catalog.=) d.oid
            cross join lateral pg_catalog.unnest(s.setconfig) as entry
            where
                r.rolname operator(pg_catalog.=) %(login)s::pg_catalog.name
                and (d.oid is null or d.datname operator(pg_catalog.=) pg_catalog.current_database())
        ) as exposed
        where exposed.schemas is not null
        union all
        select g.name, g.value, true, false, false, g.position
        from
            rows from (
                pg_catalog.unnest(%(names)s::pg_catalog.text[]), pg_catalog.unnest(%(values)s::pg_catalog.text[])
            ) with ordinality as g (name, value, position)
    ) as e
)
select s.name, s.before, pg_catalog.set_config(s.name, s.value, %(local)s)
from (
    select w.name, w.value, w.before
    from wanted as w
    order by w.is_given, w.is_of_role, w.is_of_database, w.position
) as s
"""

_SET = """
select pg_catalog.set_config(s.name, s.value, true)
from (
    select w.name, w.value
    from
        rows from (pg_catalog.unnest(%s::pg_catalog.text[]), pg_catalog.unnest(%s::pg_catalog.text[]))
        with ordinality as w (name, value, position)
    order by w.position
) as s
"""


def _pre_request(settings: Mapping[str, str]) -> tuple[str, ...]:
    """The call of the function that PostgREST calls before each request, where the settings name one."""
    before, dot, after = settings.get(_PRE_REQUEST, "").strip().partition(".")
    if not before:
        return ()
    function = sql.Identifier(before, after) if dot else sql.Identifier(before)
    return (sql.SQL("select {}()").format(function).as_string(None),)


@dataclass(frozen=True)
class Result:
    """What one statement gave: its rows, none where it gives none, and how many there were or were changed."""

    rows: list[TupleRow]
    count: int


class EndedTransaction(PgassayError):
    """A test ended the transaction that isolates it from the next one."""


def _ended() -> EndedTransaction:
    return EndedTransaction(
        "The test ended the transaction that was to be rolled back after it.",
        hint="A test that commits, or rolls back as a whole, takes the fixture clone.",
    )


class Session(PatientConnection[TupleRow]):
    """A psycopg connection that can act as any user of the API.

    The blocks below may be nested, and whoever leaves one is who they were before it. A block that ends with an
    error, or with its transaction aborted, is rolled back; another one keeps what it did, and outside a transaction
    commits it.

    ``ended_transaction`` says of the last outermost `example` whether something in it ended its transaction, so that
    not all may have been undone.
    """

    ended_transaction = False
    _examples = 0
    """How many examples are under way, one in another."""
    _posed = False
    """Whether somebody is posed as, so that each attempt is a request of the API."""
    _before_requests: tuple[str, ...] = ()

    def as_user(self, user_id: UUID | str, **claims: Any) -> AbstractContextManager[Self]:
        """Be a signed-in user. See `Identity.user`."""
        return self.acting_as(self.platform.user(user_id, **claims))

    def as_anon(self, **claims: Any) -> AbstractContextManager[Self]:
        """Be a caller who has not signed in. See `Identity.anon`."""
        return self.acting_as(self.platform.anonymous(**claims))

    def as_service_role(self, **claims: Any) -> AbstractContextManager[Self]:
        """Be the application's own back end. See `Identity.service_role`."""
        return self.acting_as(self.platform.back_end(**claims))

    def as_role(self, role: str, claims: dict[str, Any] | str) -> AbstractContextManager[Self]:
        """Be any role with these claims and a claim ``role``; a string is taken as the raw text of the claims."""
        return self.acting_as(Identity(role, claims) if isinstance(claims, str) else Identity.of(role, claims))

    def take_requests(self) -> None:
        """Have from now on what a request of the application's back end has set, but for its claims.

        For whoever makes rows as the application would: triggers read the headers.
        """
        for name, value in self.platform.back_end().request.items():
            self._cursor().execute("select pg_catalog.set_config(%s, %s, false)", [name, value])

    def commit(self) -> None:
        """See psycopg. A test whose transaction is rolled back after it cannot: raises `EndedTransaction`."""
        self._refuse_in_an_example()
        super().commit()

    def rollback(self) -> None:
        """See psycopg. A test whose transaction is rolled back after it cannot: raises `EndedTransaction`."""
        self._refuse_in_an_example()
        super().rollback()

    def _refuse_in_an_example(self) -> None:
        if self._examples:
            raise EndedTransaction(
                "The test would end the transaction that is rolled back after it.",
                hint="A test that commits, or rolls back as a whole, takes the fixture clone.",
            )

    @contextmanager
    def acting_as(self, identity: Identity) -> Iterator[Self]:
        """Be ``identity`` within the block.

        The session's user is ``authenticator`` meanwhile, as in the API: from an owner's session, a function could get
        back to the owner's rights with ``set role``. The settings of both roles apply, as ``statement_timeout``. The
        function that PostgREST calls before each request (``pgrst.db_pre_request``) is called once.
        """
        with self.transaction() as transaction:
            became = self._become(identity, local=True)
            before = {name: before for name, before, _ in became}
            for statement in _pre_request({name: value for name, _, value in became}):
                self._cursor().execute(statement.encode())
            yield self
            if self.info.transaction_status == TransactionStatus.INERROR:
                raise psycopg.Rollback(transaction)
            self._cursor().execute(_SET, [list(before), list(before.values())])

    @contextmanager
    def posing_as(self, identity: Identity) -> Iterator[Self]:
        """Be ``identity`` within the block, all of which is undone; deferred constraints are not checked.

        The settings of each role are read once: what ALTER ROLE … SET says later is not seen.
        """
        mark, undo = self._mark_and_undo()
        given = self._given(identity)
        settings = self._settings_of.get(identity.role)
        outside = self._posed, self._before_requests
        try:
            if settings is None:
                self._sent(mark)
                found = self._become(identity, local=True)
                settings = {name: value for name, _, value in found if name not in given}
                self._settings_of[identity.role] = settings
            else:
                wanted = {**settings, **given}
                setting = sql.SQL("pg_catalog.set_config(%s, %s, true)")
                text = sql.SQL("select {}").format(sql.SQL(", ").join([setting] * len(wanted)))
                self._sent(mark, self.bound(text, [part for pair in wanted.items() for part in pair]))
            self._posed, self._before_requests = True, _pre_request(settings)
            yield self
        finally:
            self._posed, self._before_requests = outside
            if not self.closed:
                self._sent(undo)

    def attempt(
        self, statement: Composable, values: Sequence[Any] = (), *then: LiteralString, reading: bool = False
    ) -> list[Result]:
        """What a statement gives, the last of several in it, and then each of some more. All is undone, nothing else.

        Within `posing_as` it is a request of the API, which may only be ``reading``. In one round trip where none
        fails, and in two where one does, which raises its `psycopg.Error`.
        """
        self.statement = self.bound(statement, values)
        mark, undo = self._mark_and_undo()
        before = [mark, *self._request(reading)]
        try:
            results = self._sent(*before, self.statement, *then, undo)
        except (psycopg.Error, PgassayError):
            # PostgreSQL took it back already where it is Python that has no value for an answer
            if not self.closed and self.info.transaction_status == TransactionStatus.INERROR:
                self._sent(undo)
            raise
        end = len(results) - undo.count(";") - 1
        return results[end - len(then) - 1 : end]

    def attempts(
        self, statements: Iterable[tuple[Composable, Sequence[Any]]], *, reading: bool = False
    ) -> tuple[list[Result | psycopg.Error], Stopped | None]:
        """What each of some statements gives, or its error, up to one that does not end, and that one.

        Each is undone with the next, in one round trip, and a request of its own as in `attempt`.
        """
        results: list[Result | psycopg.Error] = []
        mark, undo = self._mark_and_undo()
        way = mark if mark == _MARK else f"{mark}; {_MARK}"
        try:
            for statement, values in statements:
                self.statement = self.bound(statement, values)
                before, way = way, _BACK
                try:
                    results.append(self._sent(before, *self._request(reading), self.statement)[-1])
                except psycopg.Error as error:
                    if self.closed:
                        raise
                    results.append(error)
        except Stopped as error:
            if self.closed:
                raise
            return results, error
        finally:
            if way == _BACK and not self.closed:
                self._sent(undo)
        return results, None

    def begin_request(self, *, reading: bool = False) -> None:
        """Do what the API does before a request, for statements that are carried out otherwise than by `attempt`."""
        if statements := self._request(reading):
            self._sent(*statements)

    def _request(self, reading: bool) -> tuple[str, ...]:
        if not self._posed:
            return ()
        return (*(_READING if reading else ()), *self._before_requests)

    def bound(self, statement: Composable, values: Sequence[Any] = ()) -> str:
        """The statement with its values in it, as psql takes it."""
        text = statement.as_string(self)
        if not values:
            return text
        if text.count("%") != len(values):  # there are some in names
            text = escaped(statement).as_string(self)
        return self._binding.mogrify(text.encode(self.info.encoding), values)

    def become(self, identity: Identity) -> None:
        """Be ``identity`` from now on, for as many transactions as there are. There is no way back."""
        self._become(identity, local=False)

    @contextmanager
    def example(self) -> Iterator[Self]:
        """Undo at the end of the block all that it did, after checking the deferred constraints.

        At the outermost level this is a transaction, within one it is a savepoint: a few tenths of a millisecond. For
        one example of a property test, or one run of a state machine.
        """
        self._examples += 1
        try:
            with self._undone():
                yield self
        finally:
            self._examples -= 1

    @contextmanager
    def _undone(self) -> Iterator[Self]:
        if self.info.transaction_status != TransactionStatus.IDLE:
            with self.transaction(force_rollback=True):
                yield self
                if self.info.transaction_status == TransactionStatus.INTRANS:
                    self._cursor().execute("set constraints all immediate")
            return
        self.ended_transaction = True  # until the opposite is seen
        try:
            with self.transaction(force_rollback=True):
                self._cursor().execute("savepoint pgassay_example")
                try:
                    yield self
                except BaseException:
                    self._see_whether_it_ended("rollback to pgassay_example")
                    raise
                # in one round trip: this is done around every test
                self._see_whether_it_ended("set constraints all immediate; release pgassay_example")
                if self.ended_transaction:
                    raise _ended()
        except psycopg.errors.NoActiveSqlTransaction as error:  # from a block within this one, as it was left
            raise _ended() from error

    def _see_whether_it_ended(self, last_statement: LiteralString) -> None:
        """Whether the transaction of the outermost example is gone: its savepoint is then."""
        status = self.info.transaction_status
        if status == TransactionStatus.INERROR:
            last_statement = "rollback to pgassay_example"
        elif status != TransactionStatus.INTRANS:
            return
        with suppress(psycopg.errors.InvalidSavepointSpecification):
            self._cursor().execute(last_statement)
            self.ended_transaction = False

    def _mark_and_undo(self) -> tuple[LiteralString, LiteralString]:
        """What begins a block that is to be undone, and what undoes it: a transaction, or a savepoint in one."""
        return _BLOCK if self.info.transaction_status == TransactionStatus.IDLE else _SAVEPOINT

    def _given(self, identity: Identity) -> dict[str, str]:
        """What is set of an identity after the settings of its role."""
        given = identity.settings
        if self._may_change_user:
            given["session_authorization"] = self.platform.roles.login
        given["role"] = identity.role  # last: who it may be depends on the session's user
        return given

    def _become(self, identity: Identity, *, local: bool) -> list[tuple[str, str, str]]:
        """Take the settings of an identity, until the transaction's end or for good.

        Gives for each its name, what it was before, and what it is now.
        """
        given = self._given(identity)
        return (
            self._cursor()
            .execute(
                _BECOME,
                {
                    "login": self.platform.roles.login,
                    "role": identity.role,
                    "names": list(given),
                    "values": list(given.values()),
                    "local": local,
                },
            )
            .fetchall()
        )

    @cached_property
    def _settings_of(self) -> dict[str, dict[str, str]]:
        """What ALTER ROLE … SET says for each role that was posed as."""
        return {}

    @cached_property
    def _may_change_user(self) -> bool:
        """Whether whoever logged in is a superuser; ``session_user`` may be somebody else by now."""
        row = self._cursor().execute(_IS_SUPERUSER, [self.info.user]).fetchone()
        return row is not None and bool(row[0])

    def _sent(self, *statements: str) -> list[Result]:
        """What each of several statements gives that are sent at once."""
        cursor = self._binding  # of the cursors, the one that never prepares a statement
        cursor.execute("; ".join(statements).encode(self.info.encoding))
        results = []
        more: bool | None = True
        while more:
            results.append(Result(cursor.fetchall() if cursor.description else [], cursor.rowcount))
            more = cursor.nextset()
        return results

    @cached_property
    def _binding(self) -> psycopg.ClientCursor[TupleRow]:
        cursor = psycopg.ClientCursor(self, row_factory=tuple_row)
        moments.as_text(cursor)
        return cursor

    def _cursor(self) -> psycopg.Cursor[TupleRow]:
        """A cursor that gives tuples, whatever row factory the user has chosen for the connection."""
        return self.cursor(row_factory=tuple_row)


Clone = templates.Clone[Session]
"""A clone whose sessions can act as any user."""

Databases = templates.Databases[Session]
"""The databases of a run, with such clones."""
