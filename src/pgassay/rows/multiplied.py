"""Many rows: those of a table once more, as often as wanted, with what else its constraints let in.

A copy has new values where rows have to differ, and elsewhere the same: two rows may agree in whatever is not unique.
Where the table lets it, it has NULL, and each label of an enum or value of a list, in turn. Triggers fire.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pgassay.catalog import Column, ForeignKey, Relation

_TEMPLATES = 50
"""Of so many rows that are there, copies are made."""
_TRIED = 12
"""So many copies show whether the table takes them; they are undone."""
_PLANS = 40
_NULL_EACH = 3

Values = dict[str, sql.Composable]
"""Columns and what they have, as expressions."""

_INSERT = sql.SQL("""
insert into {table} ({columns})
select {values}
from (select t.*, pg_catalog.row_number() over (order by t.ctid) as pgassay_place from {table} as t limit {most}) as t
join pg_catalog.generate_series(1, {count}) as pgassay_copy (i)
    on t.pgassay_place operator(pg_catalog.=) 1 + pgassay_copy.i % {there}
""")
_COPY = sql.SQL("pgassay_copy.i")
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

    def fill(self, name: str, count: int) -> bool:
        """Bring a table to ``count`` rows; False where it has none to copy, or takes no copies."""
        relation = self._relations[name]
        there = self._count(relation)
        if not there:
            return False
        if there >= count:
            return True
        plan = next(
            (plan for plan in itertools.islice(self._plans(relation), _PLANS) if self._takes(relation, plan)), None
        )
        if plan is None:
            return False
        for column in relation.columns:
            for value in self._variations(relation, column, plan):
                varied = {**plan, column.name: value}
                if self._takes(relation, varied):
                    plan = varied
        return self._insert(relation, plan, count - there, keep=True)

    def _count(self, relation: Relation) -> int:
        query = sql.SQL("select count(*) from {}").format(_name(relation))
        row = self._connection.execute(query).fetchone()
        return 0 if row is None else int(row[0])

    def _takes(self, relation: Relation, plan: Values) -> bool:
        return self._insert(relation, plan, _TRIED, keep=False)

    def _insert(self, relation: Relation, plan: Values, count: int, *, keep: bool) -> bool:
        query = _INSERT.format(
            table=_name(relation),
            columns=sql.SQL(", ").join(map(sql.Identifier, plan)),
            values=sql.SQL(", ").join(plan.values()),
            most=sql.Literal(_TEMPLATES),
            count=sql.Literal(count),
            there=sql.Literal(min(self._count(relation), _TEMPLATES)),
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
            if key.target in self._relations and not {here for here, _ in key.columns}.isdisjoint(columns):
                yield self._in_turn(key)
        for column in found:
            if not column.not_null:
                yield {column.name: sql.SQL("null")}

    def _in_turn(self, key: ForeignKey) -> Values:
        """The rows that a key may refer to, one after the other."""
        target = self._relations[key.target]
        several = sql.SQL("(array(select t.{} from {} as t order by t.ctid))[{}]")
        place = sql.SQL("1 + ({} - 1) % (select count(*)::pg_catalog.int4 from {})").format(_COPY, _name(target))
        return {here: several.format(sql.Identifier(there), _name(target), place) for here, there in key.columns}

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


def _is_fresh(column: Column) -> bool:
    """Whether its default differs from row to row, as that of a key does."""
    default = column.default or ""
    return bool(column.identity) or default.startswith(("nextval(", "gen_random_uuid(", "pg_catalog.gen_random_uuid("))


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
