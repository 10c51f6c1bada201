"""Many rows: those of a table once more, as often as wanted, with what else its constraints let in.

A copy has new values where rows have to differ, and elsewhere the same: two rows may agree in whatever is not unique.
Where the table lets it, it has NULL, and each label of an enum or value of a list, in turn. Triggers fire.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pgassay.catalog import Column, ForeignKey, Relation
from pgassay.platforms import DEFAULT
from pgassay.rows.maker import USERS

_TEMPLATES = 50
"""Of so many rows that are there, copies are made."""
_TRIED = 12
"""So many copies show whether the table takes them; they are undone."""
_SINGLY = 12
"""So many rows, and plans, are tried one by one where not all rows can be copied."""
_PLANS = 40
_NULL_EACH = 3

Values = dict[str, sql.Composable]
"""Columns and what they have, as expressions."""

_INSERT = sql.SQL("""
insert into {table} ({columns}) overriding system value
select {values}
from (
    select t.*, pg_catalog.row_number() over (order by t.ctid) as pgassay_place
    from {table} as t where {which} limit {most}
) as t
join pg_catalog.generate_series(1, {count}) as pgassay_copy (i)
    on t.pgassay_place operator(pg_catalog.=) 1 + pgassay_copy.i % {there}
""")
_COPY = sql.SQL("pgassay_copy.i")
_SINGLE = ""
"""In a plan, no column: copies are made of the first row alone."""
_STEPS: dict[str, LiteralString] = {"N": "", "D": " * interval '1 second'"}
"""How far apart numbers and times are, by the category of their types; days are a day."""
_TEXTS: tuple[LiteralString, ...] = (
    "pg_catalog.concat({0}, '-', {1})",
    "pg_catalog.concat({1}, {0})",
    "pg_catalog.md5(pg_catalog.concat({0}, {1}))",
)


class Multiplier:
    """Multiplies rows through ``connection``, the owner's; ``listed`` are the values that CHECKs hold columns to."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        relations: Mapping[str, Relation],
        listed: Mapping[str, Mapping[str, Sequence[str]]],
    ) -> None:
        self._connection = connection
        self._relations = relations
        self._listed = listed
        self._has_signed_up = False
        self._copied: dict[str, list[str]] = {}

    def fill(self, name: str, count: int) -> bool:
        """Bring a table to ``count`` rows, or near it; False where it has none to copy, or takes no copies."""
        relation = self._relations[name]
        if _is_of_users(relation):
            self._sign_up(count)
        there = self._count(relation)
        if not there:
            return False
        if there >= count:
            return True
        plan = self._plan(relation)
        if plan is None:
            return False
        for column in relation.columns:
            for value in self._variations(relation, column, plan):
                varied = {**plan, column.name: value}
                if self._takes(relation, varied):
                    plan = varied
        wanted = count - there
        while wanted and not self._insert(relation, plan, wanted, keep=True):
            wanted //= 2  # there may be too few rows to refer to, each once
        return wanted > 0

    def _plan(self, relation: Relation) -> Values | None:
        """What the columns of copies have; None where no row that is there can be copied.

        Triggers may let in no copies of some rows, as of those that have come to another state since.
        """
        plans = list(itertools.islice(self._plans(relation), _PLANS))
        for plan in plans:
            if self._takes(relation, plan):
                return plan
        query = sql.SQL("select t.ctid::pg_catalog.text from {} as t order by t.ctid limit {}")
        rows = self._connection.execute(query.format(_name(relation), sql.Literal(_SINGLY))).fetchall()
        for plan in plans[:_SINGLY]:
            copied = []
            for (row,) in rows:
                self._copied[relation.full_name] = [row]
                copied += [row] if self._takes(relation, plan) else []
            self._copied[relation.full_name] = copied
            if copied:
                return plan
        return None

    def _sign_up(self, count: int) -> None:
        """Bring the users to that number, once: triggers may make rows for each."""
        if self._has_signed_up:
            return
        self._has_signed_up = True
        with suppress(psycopg.Error), self._connection.transaction():
            self._connection.execute(DEFAULT.users.copies, {"count": count})

    def _count(self, relation: Relation) -> int:
        query = sql.SQL("select count(*) from {}").format(_name(relation))
        row = self._connection.execute(query).fetchone()
        return 0 if row is None else int(row[0])

    def _takes(self, relation: Relation, plan: Values) -> bool:
        return self._insert(relation, plan, _TRIED, keep=False)

    def _insert(self, relation: Relation, plan: Values, count: int, *, keep: bool) -> bool:
        chosen = self._copied.get(relation.full_name)
        which = sql.SQL("t.ctid = any({}::pg_catalog.tid[])").format(sql.Literal(chosen)) if chosen else sql.SQL("true")
        there = len(chosen) if chosen else min(self._count(relation), _TEMPLATES)
        query = _INSERT.format(
            which=which,
            table=_name(relation),
            columns=sql.SQL(", ").join(sql.Identifier(name) for name in plan if name != _SINGLE),
            values=sql.SQL(", ").join(value for name, value in plan.items() if name != _SINGLE),
            most=sql.Literal(_TEMPLATES),
            count=sql.Literal(count),
            there=sql.Literal(1 if _SINGLE in plan else there),
        )
        try:
            with self._connection.transaction(force_rollback=not keep):
                self._connection.execute(query)
                self._connection.execute("set constraints all immediate")
        except psycopg.Error:
            return False
        return True

    def _plans(self, relation: Relation) -> Iterator[Values]:
        """What the columns of copies may have so that no unique index refuses them, the likeliest first."""
        fresh = {column.name for column in relation.columns if _is_fresh(column)}
        plain = {
            column.name: _column(column.name)
            for column in relation.columns
            if not column.generated and column.name not in fresh
        }
        if not plain and fresh:  # a row needs a column to be copied
            plain = {name: _next(relation, name) for name in sorted(fresh)[:1]}
        if not plain:
            return
        keys = [list(key.columns) for key in relation.exclusions if fresh.isdisjoint(key.columns)]
        for chosen in itertools.product(*(list(self._apart(relation, columns)) for columns in keys)):
            plan: Values = dict(plain)
            for values in chosen:
                plan.update(values)
            yield plan

    def _apart(self, relation: Relation, columns: Collection[str]) -> Iterator[Values]:
        """Values by which copies differ in these columns."""
        found = [column for column in relation.columns if column.name in columns]
        for column in found:
            if column.name not in relation.referring:
                for value in _new(relation, column):
                    yield {column.name: value}
        for key in relation.foreign_keys:
            if not {here for here, _ in key.columns}.isdisjoint(columns):
                yield self._in_turn(relation, key, (), free=True)
                yield self._in_turn(relation, key, ())
                shared = [
                    pair
                    for pair in key.columns
                    if any(other != key and pair[0] in dict(other.columns) for other in relation.foreign_keys)
                ]
                if shared and len(shared) < len(key.columns):
                    yield self._in_turn(relation, key, shared, free=True)
                    yield self._in_turn(relation, key, shared)
        for column in found:
            if not column.not_null:
                yield {column.name: sql.SQL("null")}

    def _in_turn(
        self, relation: Relation, key: ForeignKey, shared: Sequence[tuple[str, str]], *, free: bool = False
    ) -> Values:
        """The rows that a key may refer to, one after the other; with ``free``, those to which no row refers yet.

        With columns that are ``shared`` with other keys, all copies are of the first row, and agree with it in these.
        """
        target = sql.Identifier(*key.target.split(".", 1))
        first = sql.SQL("(select f.{} from {} as f order by f.ctid limit 1)")
        same = [
            sql.SQL("t.{} = {}").format(sql.Identifier(there), first.format(sql.Identifier(here), _name(relation)))
            for here, there in shared
        ]
        if free:
            agree = (
                sql.SQL("r.{} = t.{}").format(sql.Identifier(here), sql.Identifier(there))
                for here, there in key.columns
            )
            unless = sql.SQL("not exists (select from {} as r where {})")
            same.append(unless.format(_name(relation), sql.SQL(" and ").join(agree)))
        rows = sql.SQL("from {} as t where {}").format(target, sql.SQL(" and ").join([sql.SQL("true"), *same]))
        place = sql.SQL("1 + ({} + {} - 1) % (select nullif(count(*), 0)::pg_catalog.int4 {})").format(
            sql.Literal(0 if free else self._count(relation)), _COPY, rows
        )
        values: Values = {
            here: sql.SQL("(array(select t.{} {} order by t.ctid))[{}]").format(sql.Identifier(there), rows, place)
            for here, there in key.columns
            if (here, there) not in shared
        }
        return {**values, _SINGLE: sql.SQL("")} if shared else values

    def _variations(self, relation: Relation, column: Column, plan: Values) -> Iterator[sql.Composable]:
        """What a column may have besides in some of the copies."""
        if column.name not in plan or plan[column.name] != _column(column.name):
            return
        value: sql.Composable = _column(column.name)
        listed = self._listed.get(relation.full_name, {}).get(column.name, ())
        if column.labels:
            value = sql.SQL("(pg_catalog.enum_range({}))[1 + {} % {}]").format(
                value, _COPY, sql.Literal(len(column.labels))
            )
            yield value
        elif column.category == "S" and len(listed) > 1:
            value = sql.SQL("({}::pg_catalog.text[])[1 + {} % {}]").format(
                sql.Literal(list(listed)), _COPY, sql.Literal(len(listed))
            )
            yield value
        if not column.not_null:
            yield sql.SQL("case when {} % {} operator(pg_catalog.<>) 0 then {} end").format(
                _COPY, sql.Literal(_NULL_EACH), value
            )
            yield sql.SQL("case when {} % {} operator(pg_catalog.<>) 0 then {} end").format(
                _COPY, sql.Literal(_NULL_EACH), _column(column.name)
            )


def _name(relation: Relation) -> sql.Identifier:
    return sql.Identifier(relation.schema, relation.name)


def _column(name: str) -> sql.Composed:
    return sql.SQL("t.{}").format(sql.Identifier(name))


def _is_of_users(relation: Relation) -> bool:
    """Whether its rows differ by their users."""
    unique = {column for key in relation.exclusions for column in key.columns}
    return any(key.target == USERS and not unique.isdisjoint(dict(key.columns)) for key in relation.foreign_keys)


def _is_fresh(column: Column) -> bool:
    """Whether its default differs from row to row, as that of a key does."""
    default = column.default or ""
    return bool(column.identity) or default.startswith(("nextval(", "gen_random_uuid(", "pg_catalog.gen_random_uuid("))


def _next(relation: Relation, name: str) -> sql.Composed:
    """What the default of a fresh column gives."""
    column = relation.column(name)
    if column is not None and column.data_type.base.name == "uuid":
        return sql.Composed([sql.SQL("pg_catalog.gen_random_uuid()")])
    sequence = "pg_catalog.nextval(pg_catalog.pg_get_serial_sequence({}, {}))"
    return sql.SQL(sequence).format(sql.Literal(_name(relation).as_string(None)), sql.Literal(name))


def _new(relation: Relation, column: Column) -> Iterator[sql.Composable]:
    """Values of its type that no other row has."""
    here = _column(column.name)
    if column.data_type.base.name == "uuid":
        yield sql.SQL("pg_catalog.gen_random_uuid()")
    elif column.category == "S":
        for text in (
            "pg_catalog.concat({0}, '-', {1})",
            "pg_catalog.concat({1}, {0})",
            "pg_catalog.md5(pg_catalog.concat({0}, {1}))",
        ):
            yield sql.SQL(text).format(here, _COPY)
    elif column.category in _STEPS:
        step = sql.SQL("" if column.data_type.base.name == "date" else _STEPS[column.category])
        most = sql.SQL("(select max(o.{}) from {} as o)").format(sql.Identifier(column.name), _name(relation))
        for start in (most, here):
            yield sql.SQL("{} + {}{}").format(start, _COPY, step)
    elif column.category == "B":
        yield sql.SQL("false")
