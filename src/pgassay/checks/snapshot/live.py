"""A database that is there: its catalog alone is read, in one transaction that may not write.

Everything is in that transaction, and nothing is prepared, so that a pooler may stand in between. What the user may not
read is left out on both sides of a comparison, and the right that it would take is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from pgassay import migrations
from pgassay.checks import snapshot
from pgassay.checks.snapshot import reading, state
from pgassay.checks.snapshot.state import Object, State
from pgassay.errors import PgassayError
from pgassay.identity import Databases
from pgassay.migrations import Script
from pgassay.platforms import DEFAULT
from pgassay.servers.url import parameters
from pgassay.sqltree import words
from pgassay.templates import Template

URLS = ("postgresql://", "postgres://")
_PREINSTALLED = frozenset(
    (
        "pg_graphql", "pg_net", "pg_stat_statements", "pgcrypto", "pgjwt", "pgsodium", "plpgsql", "supabase_vault",
        "uuid-ossp",
    )
)  # fmt: skip
"""Extensions that the platform has from the start, and the environment need not have."""
_PLATFORM_ROLES = (*DEFAULT.own_roles, "cli_login_")
"""How the names of the platform's own roles begin."""
_UNTOLD = frozenset(("role", "settings", state.PLATFORM_RIGHTS))
"""What is no drift: a server has roles, settings and rights of others than the project, and nothing tells whose."""
_CONNECT_TIMEOUT = 10
_OWNER, _GRANT = "owner", "grant to "

# Both are asked, since a right on a table is of no use without one on its schema.
_UNREADABLE = """
select n.nspname, c.relname, not pg_catalog.has_schema_privilege(n.oid, 'usage')
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace operator(pg_catalog.=) n.oid
where
    c.relkind in ('r', 'p', 'v', 'm')
    and not (
        pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select')
    )
order by n.nspname collate "C", c.relname collate "C"
"""

Connection = psycopg.Connection[Any]


@dataclass
class Live:
    """What was read of a database, without what is the platform's own.

    ``unread`` are queries that its user may not make, and ``rights`` those that it would take.
    """

    state: State
    unread: frozenset[str] = frozenset()
    rights: tuple[str, ...] = ()


@dataclass
class _Unread:
    """Queries that are answered with nothing, and the rights that they lack."""

    queries: set[str] = field(default_factory=set)
    rights: list[str] = field(default_factory=list)


def read(url: str, databases: Databases, before: tuple[Script, ...]) -> Live:
    """Read the database of ``url``. ``before`` is SQL that is there beneath the project.

    Raises `PgassayError` where it cannot be reached.
    """
    wanted: dict[str, Any] = {"connect_timeout": _CONNECT_TIMEOUT, "application_name": "pgassay"} | parameters(url)
    try:
        # nothing is prepared: with a pooler in between, the next statement may come to another session
        connection: Connection = psycopg.connect(**wanted, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise PgassayError(
            f"The database cannot be reached: {str(error).strip()}",
            hint="Check the host, the port, the name, the user and the password in the URL.",
        ) from error
    lacking = _Unread()
    with connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.cursor_factory = _noting(connection, lacking)
        found = reading.read(connection)
        connection.rollback()
    unread = frozenset(lacking.queries)
    platform = _template(databases, databases.template(before, ()), unread)
    told = replace(state.since(found, platform), untold=found.untold | _UNTOLD)
    return Live(without_the_platforms(told), unread, tuple(dict.fromkeys(lacking.rights)))


def beside(databases: Databases, template: Template, before: tuple[Script, ...], unread: frozenset[str]) -> State:
    """The state of ``template``, to be compared with that of a database where ``unread`` could not be read."""
    platform = _template(databases, databases.template(before, ()), unread)
    return without_the_platforms(state.since(_template(databases, template, unread), platform))


def comparable(live: State, other: State, scripts: Iterable[Script] = ()) -> State:
    """``live`` without what a live database has besides and ``other`` need not have.

    That are rights of the platform's roles, and extensions that ``scripts`` ask for and a server of ours lacks.
    """
    asked = set(_extensions(scripts))
    objects = []
    for key, thing in live.objects.items():
        there = other.objects.get(key)
        if there is None and thing.kind == "extension" and thing.name in asked:
            continue
        known: Mapping[str, str] = {} if there is None else there.entries
        entries = {
            entry: text
            for entry, text in thing.entries.items()
            if entry in known or not (entry.startswith(_GRANT) and _is_platforms(entry.removeprefix(_GRANT)))
        }
        objects.append(replace(thing, entries=entries))
    return state.state(objects, live.history, live.untold)


def without_the_platforms(found: State) -> State:
    """``found`` without schemas of the platform's roles, all that is in them, and what is installed from the start."""
    schemas = {
        thing.name
        for thing in found.objects.values()
        if thing.kind == "schema" and _is_platforms(thing.entries.get(_OWNER))
    }
    own = (thing for thing in found.objects.values() if not _is_of(thing, schemas))
    return state.state(own, found.history, found.untold)


def _is_of(thing: Object, schemas: set[str]) -> bool:
    if thing.kind == "schema":
        return thing.name in schemas
    if thing.kind == "extension":
        return state.parts_of(thing.name)[0].strip('"') in _PREINSTALLED
    parts = state.parts_of(thing.name)
    return len(parts) > 1 and parts[0] in schemas


def _is_platforms(role: str | None) -> bool:
    return role is not None and role.startswith(_PLATFORM_ROLES)


def _extensions(scripts: Iterable[Script]) -> Iterator[str]:
    """The extensions that scripts ask for, by name."""
    for script in scripts:
        for statement in migrations.split(script.sql):
            node = statement.node
            if node is not None and node.WhichOneof("node") == "create_extension_stmt":
                yield state.name(node.create_extension_stmt.extname)


def _template(databases: Databases, template: Template, unread: frozenset[str]) -> State:
    if not unread:
        return snapshot.read_template(databases, template)
    with databases.copy(template) as clone:
        session = clone.connect_as_owner()
        session.cursor_factory = _leaving_out(session, unread)
        return reading.read(session)


_NOTHING = "select where false"


def _noting(connection: Connection, lacking: _Unread) -> type[psycopg.Cursor[Any]]:
    """Cursors that answer what the user may not ask with nothing, and note the right that it would take."""

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Noting:
            try:
                with self.connection.transaction():
                    return super().execute(query, params, **options)
            except psycopg.errors.InsufficientPrivilege as error:
                text = _text(query, connection)
                lacking.queries.add(text)
                lacking.rights += _rights(connection, text) or [str(error.diag.message_primary)]
                return super().execute(_NOTHING)

    return Noting


def _leaving_out(connection: Connection, unread: frozenset[str]) -> type[psycopg.Cursor[Any]]:
    """Cursors that answer the queries in ``unread`` with nothing."""
    kind: type[psycopg.Cursor[Any]] = connection.cursor_factory

    class LeavingOut(kind):  # type: ignore[valid-type, misc]
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            if _text(query, connection) in unread:
                return super().execute(_NOTHING)
            return super().execute(query, params, **options)

    return LeavingOut


def _text(query: Any, connection: Connection) -> str:
    return query if isinstance(query, str) else str(query.as_string(connection))


def _rights(connection: Connection, query: str) -> list[str]:
    """The rights on relations that ``query`` names and its user lacks."""
    named = {word.text.strip('"') for word in words.said(query.replace("%(", "(").replace(")s", ")"))}
    found = []
    with psycopg.Cursor(connection) as cursor:
        for schema, name, closed in cursor.execute(_UNREADABLE).fetchall():
            if name in named and (schema == "pg_catalog" or schema in named):
                found += [f"usage on schema {state.name(schema)}"] if closed else []
                found.append(f"select on {state.name(schema, name)}")
    return found
