"""Writes with what stands in their way, but for policies, out of the way: keys that are taken, rows that others need.

Only a refusal is a refusal. A unique key that is taken, or a row that another one refers to, is a chance of the rows
that were made: another row is tried, and then the same one without that key.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import ForeignKey, Relation
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import Touched, World
from pgassay.identity import Session
from pgassay.rows import USERS, Row, insert_statement

RAISED = "exec_stmt_raise"
"""The function of PostgreSQL's that reports what RAISE says in PL/pgSQL, with whatever SQLSTATE."""
_KEYS = 8
"""So many keys are taken out of the way of one statement."""
_FRESH = 3
"""So often a row gets other keys."""
_ROWS = 16
"""So many rows are written one by one."""
_COMBINED = 32
"""So many combinations of own and foreign keys are tried."""
_NTH = sql.SQL(
    " where pg_catalog.set_config('pgassay.row', (coalesce(nullif(pg_catalog.current_setting('pgassay.row', true), ''),"
    " '0')::pg_catalog.int4 operator(pg_catalog.+) 1)::pg_catalog.text, true) operator(pg_catalog.=) %s"
)
"""The condition that holds for the row of that number alone, and needs no right to read."""


@dataclass(frozen=True)
class Write:
    """A statement that was carried out, and what came ``before`` it, by whoever logged in."""

    statement: sql.Composed
    values: Sequence[Any]
    before: str = ""


def is_taken(error: psycopg.Error) -> bool:
    """Whether it is a key of PostgreSQL's that is taken, which is asked after all policies."""
    return (
        isinstance(error, psycopg.errors.UniqueViolation | psycopg.errors.ExclusionViolation)
        and error.diag.source_function != RAISED
        and bool(error.diag.constraint_name)
    )


def is_foreign(error: psycopg.Error) -> bool:
    """Whether it is a foreign key of PostgreSQL's, which is asked after all policies, too."""
    return (
        isinstance(error, psycopg.errors.ForeignKeyViolation | psycopg.errors.RestrictViolation)
        and error.diag.source_function != RAISED
        and bool(error.diag.constraint_name)
    )


class Writes:
    """Writes of one actor, whom ``api`` is, into one relation."""

    def __init__(self, world: World, relation: Relation, api: Session, actor: Actor) -> None:
        self._world = world
        self._relation = relation
        self._api = api
        self._actor = actor
        self.probes = 0

    def insert(self, values: Row, column: str, reaches: Callable[[Row], bool]) -> Write | psycopg.Error | None:
        """The INSERT of a row, or of one with other keys, of which ``reaches`` says that it does what is asked.

        None where it does something else, the error where it is refused. ``column`` is left as it is.
        """
        found = self._try(values, reaches)
        if not isinstance(found, psycopg.Error):
            return found
        if is_taken(found):
            return self._with_other_keys(values, column, found, reaches)
        if is_foreign(found):
            for row in self._combined(values, column):
                other = self._try(row, reaches)
                if isinstance(other, psycopg.Error) and is_taken(other):
                    other = self._with_other_keys(row, column, other, reaches)
                if isinstance(other, Write):
                    return other
        return found

    def _try(self, row: Row, reaches: Callable[[Row], bool], before: str = "") -> Write | psycopg.Error | None:
        self.probes += 1
        try:
            done = reaches(row)
        except psycopg.Error as error:
            if self._api.closed:
                raise
            return error
        return Write(insert_statement(self._relation, row), list(row.values()), before) if done else None

    def _with_other_keys(
        self, values: Row, column: str, error: psycopg.Error, reaches: Callable[[Row], bool], depth: int = _FRESH
    ) -> Write | psycopg.Error | None:
        refused: psycopg.Error = error
        for row in self._fresh(values, column, error):
            found = self._try(row, reaches)
            if isinstance(found, psycopg.Error) and is_taken(found) and depth > 1:
                found = self._with_other_keys(row, column, found, reaches, depth - 1)
            if not isinstance(found, psycopg.Error):
                return found
            refused = found
            if isinstance(found, psycopg.errors.InsufficientPrivilege):
                return found
        if depth == _FRESH and self._relation.kind == "table":  # what the other rows were refused with, proves nothing
            return self.without_keys(is_taken, lambda before: self._raised(self._try(values, reaches, before)))
        return refused

    def _raised(self, found: Write | psycopg.Error | None) -> Write | None:
        if isinstance(found, psycopg.Error):
            raise found
        return found

    def without_keys(
        self, removable: Callable[[psycopg.Error], bool], run: Callable[[str], Write | None]
    ) -> Write | psycopg.Error | None:
        """What ``run`` gives once the keys are gone that refuse it, if they are ``removable``. All of it is undone."""
        before: list[str] = []
        refused: psycopg.Error | None = None
        try:
            with self._api.transaction(force_rollback=True):
                for _ in range(_KEYS):
                    try:
                        return run("".join(before))
                    except psycopg.Error as error:
                        refused = error
                        if self._api.closed or not removable(error):
                            raise
                        before.append(self._world.remove_key(self._api, self._actor.identity, error.diag))
        except psycopg.Error as error:
            if self._api.closed:
                raise
            return refused or error
        return refused

    def _fresh(self, values: Row, column: str, error: psycopg.Error) -> Iterator[Row]:
        """The same row with other values in the key that is taken: new ones, and keys of other rows of that tenant."""
        relation = self._relation
        index = next((index for index in relation.exclusions if index.name == error.diag.constraint_name), None)
        if index is None:
            return
        granted = set(self._world.granted(relation, self._actor.identity.role, "insert"))
        linked = relation.referring
        bounds = {name for check in relation.check_constraints if check.partitioned for name in check.columns}
        names = [name for name in index.columns if name not in linked | bounds | {column} and name in granted]
        new: Row = {}
        for new in self._world.maker.alternatives(relation, values, names) if names else ():
            yield {**values, **new}
        for key in relation.foreign_keys:
            if {here for here, _ in key.columns} & set(index.columns):
                for other in self._siblings(values, key):
                    if column not in other or other[column] == values.get(column):
                        yield {**values, **new, **other}

    def _siblings(self, values: Row, key: ForeignKey) -> Iterator[Row]:
        """References to other rows of the tenant that the row refers to already."""
        current = [str(values.get(here)) for here, _ in key.columns]
        rows = [(label, row) for name, label, row in self._world.made() if name == key.target]
        whose = next((label for label, row in rows if [str(row[there]) for _, there in key.columns] == current), None)
        for label, row in rows:
            if label == whose and [str(row[there]) for _, there in key.columns] != current:
                yield {here: row[there] for here, there in key.columns}

    def _combined(self, values: Row, column: str) -> Iterator[Row]:
        """The same row with each combination of own and foreign rows that it refers to, or of none."""
        pools: list[list[Row]] = []
        for key in self._relation.foreign_keys:
            here = [name for name, _ in key.columns]
            if key.target == USERS or not set(here) & values.keys() or here == [column]:
                continue
            made = self._world.tenants.rows.get(key.target, {})
            known_rows = [made[label] for label in sorted({*self._actor.own, "B"}) if label in made]
            pool: list[Row] = [{}]
            pool += [{name: row[there] for name, there in key.columns if name != column} for row in known_rows]
            if all(
                (known := self._relation.column(name)) is not None and not known.not_null
                for name in here
                if name != column
            ):
                pool.append({name: None for name in here if name != column})
            pools.append(pool)
        for chosen in itertools.islice(itertools.product(*pools), 1, _COMBINED):
            yield {**values, **{name: value for part in chosen for name, value in part.items()}}

    def one_by_one(self, statement: sql.Composed, values: Sequence[Any]) -> Iterator[tuple[Write, list[Touched]]]:
        """A statement without WHERE on each row that it reaches, alone, and what it changes; none needs to be read."""
        for number in range(1, _ROWS + 1):
            write = Write(sql.Composed([statement, _NTH]), [*values, str(number)])
            self.probes += 1
            try:
                if not self._api.attempt(write.statement, write.values)[0].count:
                    return
                yield write, self._world.touched_by(self._api, write.statement, write.values)
            except psycopg.Error:
                if self._api.closed:
                    raise
