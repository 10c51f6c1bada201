"""Changes of one row that bring it into another state, and what somebody sees of A's rows then."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay import moments, sqltree
from pgassay.catalog import Column, Relation
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import Row

_PAIRS = 64
"""So many combinations of two columns are tried."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Change:
    """A statement of the rows' owner that changes a row, or takes it away."""

    statement: sql.Composed
    values: tuple[Any, ...]

    def text(self, session: Session) -> str:
        """As psql takes it."""
        return session.bound(self.statement, self.values)


def removal(world: World, relation: Relation, row: Row) -> Change:
    """The change that takes a row away."""
    key = relation.primary_key or tuple(row)
    return Change(
        sql.SQL("delete from {} where {}").format(_table(relation), world.where(key)), tuple(row[name] for name in key)
    )


def update(world: World, relation: Relation, row: Row, changes: Row) -> Change:
    """The change that gives a row other values."""
    key = relation.primary_key or tuple(row)
    sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes)
    statement = sql.SQL("update {} set {} where {}").format(_table(relation), sets, world.where(key))
    return Change(statement, (*changes.values(), *(row[name] for name in key)))


def into(world: World, relation: Relation, row: Row, expression: str, truth: bool) -> list[Change]:
    """The changes of a row after which ``expression`` is ``truth`` for it: each of one column; else of two at once."""
    tree = sqltree.expression(expression)
    if tree is None:
        return []
    names = dict.fromkeys(names[-1] for names in sqltree.columns(tree))
    constants = [*sqltree.constants(tree)]
    columns = [column for name in names if (column := relation.column(name)) is not None and not column.generated]
    values = {column.name: [*other_values(world, relation, column, row, constants)] for column in columns}
    single = [{name: value} for name, listed in values.items() for value in listed]
    found = [changes for changes in single if _leads_to(world, relation, row, changes, expression, truth)]
    if not found:
        pairs = ({**one, **other} for one, other in itertools.combinations(single, 2) if one.keys() != other.keys())
        hits = (
            changes
            for changes in itertools.islice(pairs, _PAIRS)
            if _leads_to(world, relation, row, changes, expression, truth)
        )
        found = [*itertools.islice(hits, 1)]
    return [update(world, relation, row, changes) for changes in found]


def other_values(
    world: World, relation: Relation, column: Column, row: Row, constants: Iterable[Any] = ()
) -> Iterator[Any]:
    """Values of a column that its row does not have: of a flag, a time, what it is held to, and near ``constants``."""
    old, now = row.get(column.name), datetime.now(UTC)
    values: list[Any] = []
    if column.category == "B":
        values = [True, False]
    elif column.category == "D":
        values = [now - _DAY, now + _DAY] if not column.type.startswith("time ") else []
    else:
        values += world.maker.listed_of(relation.full_name).get(column.name, [])
        for constant in constants:
            if isinstance(constant, int) and not isinstance(constant, bool) and column.category == "N":
                values += [constant - 1, constant, constant + 1]
            elif isinstance(constant, str) and column.category in "SE":
                values.append(constant)
    if not column.not_null:
        values.append(None)
    yield from (value for value in dict.fromkeys(values) if value != old)


@contextmanager
def made(world: World, session: Session, several: Iterable[Change]) -> Iterator[None]:
    """A block after some changes, made by ``session``, which is the rows' owner. All of it is undone."""
    with session.transaction(force_rollback=True):
        for change in several:
            session.execute(change.statement, change.values)
        world.forget_base(session)
        yield
    world.forget_base(session)


def are_made(session: Session, several: Iterable[Change]) -> bool:
    """Whether ``session``, the rows' owner, could make all of these, each of one row."""
    try:
        with session.transaction():
            return all(session.execute(change.statement, change.values).rowcount == 1 for change in several)
    except psycopg.Error:
        if session.closed:
            raise
        return False


def holds(world: World, relation: Relation, row: Row, expression: str) -> bool | None:
    """Whether an expression is true for a row, as its owner sees it; None where the row is gone."""
    key = relation.primary_key or tuple(row)
    statement = sql.SQL("select coalesce({}, false) from {} where {}").format(
        condition(expression), _table(relation), world.where(key)
    )
    rows = world.connection.execute(statement, [row[name] for name in key]).fetchall()
    return bool(rows[0][0]) if rows else None


def _leads_to(world: World, relation: Relation, row: Row, changes: Row, expression: str, truth: bool) -> bool:
    change = update(world, relation, row, changes)
    try:
        with world.connection.transaction(force_rollback=True):
            world.connection.execute(change.statement, change.values)
            return holds(world, relation, row, expression) is truth
    except psycopg.Error:
        if world.connection.closed:
            raise
        return False


def seen(world: World, session: Session, target: Target, actor: Actor) -> set[tuple[str, ...]]:
    """The rows of A that ``session``, which is the actor, reads, but for those that name the actor."""
    relation = target.relation
    columns = world.granted(relation, actor.identity.role, "select")
    statement = world.reading(relation, actor.identity.role)
    if statement is None:
        return set()
    try:
        rows = session.attempt(statement, reading=True)[0].rows
    except psycopg.Error:
        if session.closed:
            raise
        return set()
    found = set()
    for values in rows:
        row = dict(zip(columns, values, strict=True))
        whose = world.whose(relation.full_name, row) if target.is_table else world.labels(values)
        if whose == {"A"} and str(actor.user) not in set(leaves(row)):
            found.add(tuple(map(str, values)))
    return found


def rows_of(world: World, relation: Relation, known: Collection[tuple[str, Any]]) -> list[Row]:
    """The rows of a table that have these values, as they are; all of them without any."""
    where = world.where([name for name, _ in known]) if known else sql.SQL("true")
    statement = sql.SQL("select * from {} where {}").format(_table(relation), where)
    with world.connection.cursor(row_factory=dict_row) as cursor:
        moments.as_text(cursor)
        return cursor.execute(statement, [value for _, value in known]).fetchall()


def _table(relation: Relation) -> sql.Identifier:
    return sql.Identifier(relation.schema, relation.name)


def condition(expression: str) -> sql.Composed:
    """SQL of the configuration, which is the project's own, as a condition in a statement that has values."""
    return sql.SQL("({})").format(sql.SQL(expression.replace("%", "%%")))
