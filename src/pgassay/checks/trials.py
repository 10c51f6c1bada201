"""Each migration, tried on rows of the state before it: few, a thousand, and as many as are wanted.

``docs/rules/migration-locks.md``, ``migration-fails-on-rows.md``, ``migration-loses-rows.md`` and
``migration-rewrites.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from pgassay import catalog, migrations, rows
from pgassay.catalog import Relation
from pgassay.checks import intent, kept, locks
from pgassay.checks.finding import Finding
from pgassay.checks.kept import Change
from pgassay.config import NO_TABLE, Membership, Tenancy
from pgassay.errors import MigrationError, PgassayError
from pgassay.identity import Clone, Databases, Session
from pgassay.migrations import Command, Script
from pgassay.rows.maker import circles
from pgassay.rows.multiplied import Multiplier

LOSES = "migration-loses-rows"
REWRITES = "migration-rewrites"
MANY = 1000
"""So many rows are in each table that a migration locks or writes, the second time that it is tried."""

_USERS_ALONE = Tenancy(rows.USERS, None, "user_id")
"""By which rows are made where no tenancy is known: each user has its own."""


@dataclass
class Tried:
    """What was found of migrations, and in ``notes`` what was observed of each that locks, writes or rewrites."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Observed:
    """One trial: with at most ``rows`` in a table, how long it took, and what it did. ``error`` is what ended it."""

    rows: int
    watcher: locks.Watcher
    seconds: float = 0.0
    changes: tuple[Change, ...] = ()
    rewritten: tuple[str, ...] = ()
    error: MigrationError | None = None


def check(
    databases: Databases,
    before: tuple[Script, ...],
    scripts: Sequence[Script],
    tenancy: Tenancy | None,
    *,
    only: Collection[Script] | None = None,
    most: int = MANY,
    progress: Callable[[str], None] = lambda _: None,
) -> Tried:
    """What each of ``scripts``, or ``only`` of these, does to rows that were there before it, and what it locks.

    Rows are made by ``tenancy``, or by the one that the schema tells of. A migration that fails with rows is a finding;
    its locks are then observed without rows. ``progress`` is told in words of each step.
    """
    tried = Tried()
    with databases.copy(databases.template(before, ())) as bare:
        for script in scripts:
            if isinstance(script, Command):
                tried.notes.append(
                    f"{script.name} is not tried on rows: a command applies it, and its statements are not seen"
                )
            elif only is None or script in only:
                progress(f"Trying {script.name} on rows")
                _Trials(databases, bare, script, tenancy, most).into(tried)
            # Logged in as the owner: nothing in a migration gets back to a superuser.
            with databases.server.connect(bare.name, user=databases.server.owner, kind=Session) as owner:
                migrations.apply(owner, script)
    return tried


class _Trials:
    """The trials of one script, each in a copy of the database ``bare``, which is as it was before it."""

    def __init__(self, databases: Databases, bare: Clone, script: Script, tenancy: Tenancy | None, most: int) -> None:
        self._databases = databases
        self._bare = bare
        self._script = script
        self._tenancy = tenancy
        self._most = most

    def into(self, tried: Tried) -> None:
        """Carry them out, and put into ``tried`` what they show."""
        seen, short = self._with_rows()
        failed = next((one for one in seen if one.error is not None), None)
        if failed is not None:
            if not failed.rows:
                raise failed.error or AssertionError
            tried.findings.append(locks.failure(self._script, failed.error or MigrationError("")))
        done = [one for one in seen if one.error is None] or [self._trial(self._bare)]
        if done[0].error is not None:
            raise done[0].error
        tried.findings += done[0].watcher.findings(self._script)
        tried.findings += self._of_rows(done[-1])
        tried.notes += self._figures(done)
        if short:
            tried.notes.append(f"{self._script.name} was tried with few rows alone, or none, in {', '.join(short)}")

    def _with_rows(self) -> tuple[list[_Observed], list[str]]:
        """Trials with few rows and with more, up to one that fails; and the tables in which there are not so many."""
        with self._databases.copy_of(self._bare) as filled:
            with self._as_owner(filled) as owner:
                listed = fill(owner, self._tenancy)
            seen, short = [self._trial(filled)], []
            touched = seen[0].watcher.touched
            for count in sorted({min(MANY, self._most), self._most}) if touched else ():
                if seen[-1].error is not None:
                    break
                with self._as_owner(filled) as owner:
                    short = _multiply(owner, listed, touched, count)
                seen.append(self._trial(filled))
        return seen, short

    def _as_owner(self, clone: Clone) -> Session:
        server = self._databases.server
        return server.connect(clone.name, user=server.owner, kind=Session)

    def _trial(self, source: Clone) -> _Observed:
        """Apply the script to a copy of ``source``."""
        with (
            self._databases.copy_of(source) as clone,
            self._as_owner(clone) as owner,
            self._as_owner(clone) as reader,
            clone.connect_as_admin() as admin,
        ):
            admin.execute("set search_path = pg_catalog")
            reader.execute("set search_path = pg_catalog")
            there = kept.read(reader)
            most = max((table.count for table in there.values()), default=0)
            watcher = locks.Watcher(owner, admin)
            started = time.perf_counter()
            try:
                migrations.apply(owner, self._script, watch=watcher)
            except MigrationError as error:
                return _Observed(most, watcher, error=error)
            watcher.end()
            seconds = time.perf_counter() - started
            with suppress(psycopg.Error):
                changes = tuple(kept.changes(reader, there))
                return _Observed(most, watcher, seconds, changes, tuple(kept.rewritten(reader, there)))
            return _Observed(most, watcher, seconds)

    def _of_rows(self, seen: _Observed) -> Iterator[Finding]:
        """What was lost, and what was written anew, with as many rows as were tried."""
        for change in seen.changes:
            if change.loses:
                yield self._finding(
                    LOSES,
                    f"{change.table}: {change.what}",
                    "If that is meant, say so in a waiver. Otherwise keep the values elsewhere before.",
                )
        for name in seen.rewritten:
            yield self._finding(
                REWRITES,
                f"{name} is written anew, row by row, while nobody may read it",
                "Add a column with the new type, fill it in parts, and exchange the two; or apply it when little is "
                "going on.",
            )

    def _finding(self, rule: str, observed: str, mend: str) -> Finding:
        location = f"{self._script.path}:1"
        return Finding(rule, self._script.name, observed, mend, severity="warning", location=location)

    def _figures(self, seen: Sequence[_Observed]) -> Iterator[str]:
        """What was observed, with each number of rows: times, locks and what was changed without being lost."""
        last = seen[-1]
        if last.watcher.seconds or last.rewritten:
            told = []
            for one in seen:
                held = [f"{name} locked {_time(seconds)}" for name, seconds in sorted(one.watcher.seconds.items())]
                told.append(f"{one.rows:,} row{'s' * (one.rows != 1)}: {', '.join([_time(one.seconds), *held])}")
            yield f"{self._script.name} took, with {'; '.join(told)}"
        for change in last.changes:
            if not change.loses:
                yield f"{self._script.name} changes {change.table}: {change.what}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


Listed = dict[str, dict[str, list[str]]]
"""The values to which CHECK constraints hold columns, by table and column."""


def fill(owner: Session, declared: Tenancy | None) -> Listed:
    """Make rows of two tenants in what is there; none where none can be made."""
    relations = catalog.read(owner)
    for tenancy in _tenancies(owner, declared, relations):
        with suppress(psycopg.Error, rows.Unfilled, PgassayError), owner.transaction():
            maker = rows.Maker(owner, relations, tenancy)
            maker.fill(("A", "B"))
            return {relation.full_name: maker.listed_of(relation.full_name) for relation in relations}
    return {}


def _multiply(owner: Session, listed: Listed, touched: Collection[str], count: int) -> list[str]:
    """Bring tables that are ``touched`` to ``count`` rows; those in which there are fewer than that."""
    tables = {relation.full_name: relation for relation in catalog.read(owner) if relation.kind == "table"}
    multiplier = Multiplier(owner, tables, listed)
    made = {name: multiplier.fill(name, count) for name in _in_order(tables, touched)}
    return [name for name in made if name in touched and not made[name]]


def _tenancies(owner: Session, declared: Tenancy | None, relations: tuple[Relation, ...]) -> Iterator[Tenancy]:
    """Those to make rows by: the declared one where its tables are there, else the inferred one; or none but users."""
    names = {relation.full_name for relation in relations}
    if declared is not None:
        wanted = {declared.tenant} - {rows.USERS, NO_TABLE}
        if isinstance(declared.member, Membership):
            wanted.add(declared.member.table)
        if wanted <= names:
            yield declared
    if names:
        with suppress(psycopg.Error):
            inferred = intent.of(None, owner, relations).tenancy
            if inferred is not None:
                yield inferred
        yield _USERS_ALONE


def _in_order(tables: dict[str, Relation], touched: Collection[str]) -> Iterator[str]:
    """The touched tables, each after those that its keys lead to."""
    order = [relation.full_name for circle in circles(list(tables.values()), lambda _, __: True) for relation in circle]
    wanted = set(touched)
    for name in reversed(order):
        if name in wanted:
            wanted |= {key.target for key in tables[name].foreign_keys if key.target in tables}
    yield from (name for name in order if name in wanted)
