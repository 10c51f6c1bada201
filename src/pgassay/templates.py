"""Templates: a database with environment and migrations applied, built once, copied for every test that commits."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, LiteralString, Self, TypeVar

import psycopg
from psycopg import sql

from pgassay import environment, migrations
from pgassay.errors import MigrationError
from pgassay.migrations import Applied, Script
from pgassay.patience import PatientConnection, Stopped
from pgassay.servers.server import DATABASE_PREFIX, UNMOVED, Server

_BUILD_LOCK = 0x70676173736181
_PLATFORM_NAME = "postgres"
_ENDING_SECONDS = 5.0

Connection = psycopg.Connection[Any]
S = TypeVar("S", bound=Connection)

# What belongs to the database itself, and is not copied with it (`harness.md`, "Isolation between tests").
_SETTINGS = """
select r.rolname, pg_catalog.split_part(entry, '=', 1), pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1)
from pg_catalog.pg_db_role_setting as s
join pg_catalog.pg_database as d on s.setdatabase = d.oid
left join pg_catalog.pg_roles as r on s.setrole = r.oid
cross join lateral pg_catalog.unnest(s.setconfig) as entry
where d.datname = %s
"""
_GRANTS = """
select a.privilege_type, r.rolname, a.is_grantable
from pg_catalog.pg_database as d
cross join lateral pg_catalog.aclexplode(d.datacl) as a
left join pg_catalog.pg_roles as r on a.grantee = r.oid
where d.datname = %s
"""
_LISTS = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
"""Settings whose value is a list, and would be quoted as one name."""
_OURS_ALONE = {"role": "none", "statement_timeout": "0", "lock_timeout": "0"}
"""Further settings of sessions that do not stand for the API."""
_PRIVILEGES: dict[str, LiteralString] = {"CREATE": "create", "CONNECT": "connect", "TEMPORARY": "temporary"}


@dataclass(frozen=True)
class Template:
    """A finished template, and the ``scripts`` that it was asked for with.

    ``applied`` is what went into it; empty where another process of the run built it.
    """

    name: str
    applied: tuple[Applied, ...] = ()
    scripts: tuple[Script, ...] = field(default=(), compare=False, repr=False)


class Clone(Generic[S]):
    """A database of a test's own, called ``name``: any number of sessions, which may commit."""

    def __init__(self, server: Server, name: str, kind: type[S]) -> None:
        self.server = server
        self.name = name
        self._kind = kind
        self._sessions: list[S] = []

    def connect(self) -> S:
        """A new session as the owner, in autocommit; closed with the clone, if not before."""
        return self._keep(self.server.connect(self.name, acting_as=self.server.owner, kind=self._kind))

    def connect_as_owner(self) -> S:
        """A new session that logged in as the owner, so that a trigger cannot get back to the admin's rights.

        `connect` gives one that can act as others. On a server that has the role already, whose password is not ours to
        know, it is the admin's session acting as the owner all the same.
        """
        settings = {**UNMOVED, **_OURS_ALONE}
        return self._keep(self.server.connect(self.name, user=self.server.owner, settings=settings, kind=self._kind))

    def connect_as_authenticator(self) -> S:
        """A new session that logged in as the API does: nothing in it can get at the rights of the owner."""
        settings = {**UNMOVED, "application_name": "PostgREST"}
        return self._keep(
            self.server.connect(self.name, user=self.server.platform.roles.login, settings=settings, kind=self._kind)
        )

    def connect_as_admin(self) -> S:
        """A new session of the server's admin, normally a superuser."""
        settings = {**UNMOVED, **_OURS_ALONE}
        return self._keep(self.server.connect(self.name, settings=settings, kind=self._kind))

    def close(self) -> None:
        """Close the sessions that are still open."""
        for session in self._sessions:
            session.close()

    @property
    def url(self) -> str:
        """What psql and other clients of libpq need to connect to it as its owner."""
        return self.server.url(self.name, user=self.server.owner)

    def _keep(self, session: S) -> S:
        self._sessions.append(session)
        return session


class Databases(Generic[S]):
    """The databases of a run on one server: builds templates, makes clones, drops them when there is time.

    ``kind`` is the class of the sessions that clones give. A context manager; what is left at its end goes with
    the server, or is dropped by the URL backend.
    """

    def __init__(self, server: Server, kind: type[S]) -> None:
        self.server = server
        self._kind = kind
        self._maintenance: Connection = server.connect(server.maintenance, kind=psycopg.Connection[Any])
        self._dropper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pgassay-drop")
        self._numbers = itertools.count(1)
        self._properties: dict[str, tuple[list[Any], list[Any]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dropper.shutdown(cancel_futures=True)
        self._maintenance.close()

    def template(
        self,
        before: tuple[Script, ...],
        scripts: tuple[Script, ...],
        *,
        on_progress: Callable[[Applied], None] | None = None,
    ) -> Template:
        """The template with the environment, ``before`` and the migrations ``scripts``: built, unless it is there.

        Processes that want the same one at once wait for the one that builds it. ``on_progress`` is told of every
        script that went in. Raises `MigrationError`; nothing of a template that could not be finished stays.
        """
        self._maintenance.execute("select pg_catalog.pg_advisory_lock(%s)", [_BUILD_LOCK])
        try:
            return self._found_or_built((*before, *scripts), on_progress)
        finally:
            if not self._maintenance.broken:
                self._maintenance.execute("select pg_catalog.pg_advisory_unlock(%s)", [_BUILD_LOCK])

    def _found_or_built(
        self, scripts: tuple[Script, ...], on_progress: Callable[[Applied], None] | None = None
    ) -> Template:
        name = self._template_name(scripts)
        if self._is_template(name):
            return Template(name, scripts=scripts)
        # A copy of the environment costs a fraction of making it anew.
        ground = self._found_or_built(()) if scripts else None
        self._maintenance.execute(  # what a worker left that was killed while it built it
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )
        return Template(name, self._build(name, ground, scripts, on_progress), scripts)

    def clone(self, template: Template, name: str | None = None) -> Clone[S]:
        """A copy of ``template`` that may be written to."""
        if name is None:
            process = self._maintenance.info.backend_pid  # other processes of the run number theirs too
            name = f"{DATABASE_PREFIX}{self.server.run}_{process}_{next(self._numbers)}"
        self._create(name, template.name)
        self._give_properties(name, template)
        return Clone(self.server, name, self._kind)

    @contextmanager
    def copy(self, template: Template) -> Iterator[Clone[S]]:
        """A clone of ``template`` for a block, at whose end its sessions are closed and it is dropped."""
        clone = self.clone(template)
        try:
            yield clone
        finally:
            clone.close()
            self.drop_later(clone)

    @contextmanager
    def copy_of(self, clone: Clone[S]) -> Iterator[Clone[S]]:
        """A copy of ``clone`` as it is now, for a block; its own sessions are closed before."""
        with self.copy(self._as_it_is(clone)) as made:
            yield made

    def clone_of(self, clone: Clone[S]) -> Clone[S]:
        """A copy of ``clone`` as it is now, to be kept; its own sessions are closed before."""
        return self.clone(self._as_it_is(clone))

    def _as_it_is(self, clone: Clone[S]) -> Template:
        clone.close()
        self._properties.pop(clone.name, None)
        self._wait_until_alone(clone.name)
        return Template(clone.name)

    def _wait_until_alone(self, name: str) -> None:
        """Until sessions that were just closed have ended: PostgreSQL itself looks only ten times a second."""
        query = "select exists (select from pg_catalog.pg_stat_activity where datname = %s)"
        deadline = time.monotonic() + _ENDING_SECONDS
        while time.monotonic() < deadline:
            row = self._maintenance.execute(query, [name]).fetchone()
            if row is None or not row[0]:
                return
            time.sleep(0.002)

    def _give_properties(self, name: str, template: Template) -> None:
        if template.name not in self._properties:
            self._properties[template.name] = (
                self._maintenance.execute(_SETTINGS, [template.name]).fetchall(),
                self._maintenance.execute(_GRANTS, [template.name]).fetchall(),
            )
        statements = _property_statements(name, *self._properties[template.name])
        if statements:
            self._maintenance.execute(sql.SQL("; ").join(statements))

    def drop_later(self, clone: Clone[S]) -> None:
        """Drop it in the background: while its last session is still ending, that takes 0.1 s."""
        self._dropper.submit(self._drop, clone.name)

    def _drop(self, name: str) -> None:
        with self.server.connect(self.server.maintenance, kind=psycopg.Connection[Any]) as connection:
            connection.execute(sql.SQL("alter database {} is_template false").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _template_name(self, scripts: tuple[Script, ...]) -> str:
        digest = hashlib.sha256()
        parts = [str(self.server.version), self.server.owner]
        parts += [file.read_text(encoding="utf-8") for file in environment.database_files(self.server.platform)]
        for script in scripts:
            parts += script.identity
        for part in parts:
            digest.update(len(part).to_bytes(8) + part.encode())
        return f"{DATABASE_PREFIX}{self.server.run}_{digest.hexdigest()[:16]}"

    def _is_template(self, database: str) -> bool | None:
        """Whether that database is a finished template; None when there is no such database."""
        query = "select datistemplate from pg_catalog.pg_database where datname = %s"
        found = self._maintenance.execute(query, [database]).fetchone()
        return None if found is None else bool(found[0])

    def _create(self, name: str, template: str) -> None:
        self._maintenance.execute(
            sql.SQL("create database {} owner {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(self.server.owner), sql.Identifier(template)
            )
        )

    def _build(
        self,
        name: str,
        ground: Template | None,
        scripts: tuple[Script, ...],
        on_progress: Callable[[Applied], None] | None,
    ) -> tuple[Applied, ...]:
        # A migration that names its database names it as on Supabase. On a server that is not ours that name is taken.
        working_name = name if not self.server.ours or self._is_template(_PLATFORM_NAME) is not None else _PLATFORM_NAME
        self._create(working_name, "template0" if ground is None else ground.name)
        before, made = environment.role_ids(self._maintenance), environment.made(self._maintenance)
        try:
            if ground is None:
                with self.server.connect(working_name, kind=psycopg.Connection[Any]) as admin:
                    environment.apply(admin, self.server.owner, self.server.platform)
            else:
                self._give_properties(working_name, ground)
            applied = self._fill(working_name, scripts, on_progress)
            self._refuse_lost_roles(before)
            environment.mark_made(self._maintenance, self.server, frozenset(before.values()))
            if working_name != name:
                self._maintenance.execute(
                    sql.SQL("alter database {} rename to {}").format(sql.Identifier(working_name), sql.Identifier(name))
                )
            self._maintenance.execute(
                sql.SQL("alter database {} is_template true allow_connections false").format(sql.Identifier(name))
            )
        except BaseException:
            if not self._maintenance.broken:
                self._drop(working_name)
                environment.restore(self._maintenance, self.server, before)
                environment.mark_made(self._maintenance, self.server, frozenset(before.values()) - made)
            raise
        return applied

    def _refuse_lost_roles(self, before: Mapping[int, str]) -> None:
        lost = sorted(set(before.values()) - environment.roles(self._maintenance))
        if lost:
            raise MigrationError(
                f"The migrations drop or rename the role {' and '.join(lost)}, which the whole server shares.",
                hint="A role that a migration has not made itself is not its own to drop.",
            )

    def _fill(
        self, database: str, scripts: tuple[Script, ...], on_progress: Callable[[Applied], None] | None
    ) -> tuple[Applied, ...]:
        applied = []
        with self.server.connect(database, user=self.server.owner, kind=PatientConnection[Any]) as owner:
            for script in scripts:
                try:
                    applied.append(migrations.apply(owner, script))
                except MigrationError as error:
                    ended = isinstance(error.__cause__, Stopped) and not error.__cause__.lost
                    if ended or not owner.broken:
                        raise
                    raise MigrationError(f"{error.message}\n\n{self._last_words()}", hint=error.hint) from error
                if on_progress is not None:
                    on_progress(applied[-1])
        return tuple(applied)

    def _last_words(self) -> str:
        """The end of the log of a server that broke off."""
        if self.server.log is None:
            return "The server broke off the connection."
        lines = Path(self.server.log).read_text(errors="replace").splitlines()
        return "The server broke off the connection. Its log ends with:\n" + "\n".join(lines[-8:])


def _property_statements(database: str, settings: list[Any], grants: list[Any]) -> list[sql.Composed]:
    """What gives ``database`` the settings and grants of its template, as statements of one transaction."""
    name = sql.Identifier(database)
    statements = []
    for role, setting, value in settings:
        whose = sql.SQL("role {} in database {}").format(sql.Identifier(role), name) if role else None
        new: sql.Composable = sql.SQL("to {}").format(sql.Literal(value))
        if setting in _LISTS:
            new = sql.SQL("from current")
            statements.append(  # local: this session keeps its own
                sql.SQL("select pg_catalog.set_config({}, {}, true)").format(sql.Literal(setting), sql.Literal(value))
            )
        statements.append(
            sql.SQL("alter {} set {} {}").format(
                whose or sql.SQL("database {}").format(name), sql.Identifier(*setting.split(".")), new
            )
        )
    if grants:
        statements.append(sql.SQL("revoke all on database {} from public").format(name))
    for privilege, grantee, grantable in grants:
        statements.append(
            sql.SQL("grant {} on database {} to {}{}").format(
                sql.SQL(_PRIVILEGES[privilege]),
                name,
                sql.Identifier(grantee) if grantee else sql.SQL("public"),
                sql.SQL(" with grant option" if grantable else ""),
            )
        )
    return statements
