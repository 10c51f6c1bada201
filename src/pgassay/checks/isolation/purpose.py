"""Columns that open rows to others: the values by which they may, and the one rule for whether that is on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Column
from pgassay.checks.isolation.world import World
from pgassay.config import NULL, Published
from pgassay.sqltree import Node

_ASKED = """
select
    pg_catalog.concat(n.nspname, '.', c.relname), a.attname::pg_catalog.text, p.polname::pg_catalog.text,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid)
from pg_catalog.pg_policy as p
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = p.polrelid
join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
join pg_catalog.pg_class as c on p.polrelid = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where p.polcmd in ('r', '*', 'w', 'd') and p.polpermissive and a.attgenerated = ''
group by 1, 2, 3, 4
order by 1, 2, 3
"""
_TIMES = ("yesterday", "tomorrow")
"""PostgreSQL's own words: whatever compares a time with the present one is true for one of them."""
_ENDS = ("infinity", "-infinity")


@dataclass(frozen=True)
class Opening:
    """A value of a column that policies ask for, with which rows may be open to others."""

    column: Column
    value: Any
    published: Published
    policies: tuple[str, ...]
    is_named: bool
    """Whether it is a flag that is true, or a constant with which a policy compares the column for equality."""
    others: tuple[Any, ...]
    """Other values, of which some may close the row. Which ones do, has to be tried."""

    def is_on_purpose(self, closes: Callable[[Any], bool]) -> bool:
        """Whether the column opens rows on purpose: a question then, and an error else. This is the one rule for it.

        ``closes`` tries whether the same rows are closed with a value, or with DEFAULT. A row that is closed by default
        is open because somebody gave the column another value. Where the default is NULL, some other value has to
        close it as well: if any value opens it, as any time of deletion does, nobody has chosen that.
        """
        if self.is_named or self.published.is_null:
            return True
        return closes(sql.DEFAULT) and (
            self.column.has_default or any(closes(value) for value in self.others if value is not None)
        )


class Openings:
    """The values to be tried of columns that policies ask for: flags, times, and what is compared with constants."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, name: str) -> Iterator[Opening]:
        """The values to be tried of the columns of a relation."""
        for column_name, policies in self._asked.get(name, {}).items():
            trees = filter(None, map(sqltree.expression, policies.values()))
            yield from self._of_column(name, column_name, [*trees], tuple(policies))

    def within(self, name: str, trees: Iterable[Node], policies: tuple[str, ...]) -> Iterator[Opening]:
        """The same for what subqueries ask of rows of a relation, on behalf of ``policies`` of another one."""
        asked = [where for tree in trees for _, where in sqltree.selected(tree, name)]
        for column in dict.fromkeys(names[-1] for where in asked for names in sqltree.columns(where)):
            yield from self._of_column(name, column, asked, policies)

    def _of_column(
        self, name: str, column_name: str, trees: Sequence[Node], policies: tuple[str, ...]
    ) -> Iterator[Opening]:
        relation = self._world.relations[name]
        linked = {*relation.primary_key, *relation.referring}
        column = relation.column(column_name)
        if column is not None and column_name not in linked:
            listed: list[Any] = self._world.maker.listed_of(name).get(column_name, [])
            texts = [text for tree in trees for text in _compared(tree, column_name)]
            values: list[tuple[Any, bool]] = []
            if column.category == "B":
                values = [(True, True), (False, False)]
            elif column.category == "D":
                values = [(time, False) for time in _TIMES]
            elif column.category in "SE":
                values = [(value, value in texts) for value in dict.fromkeys([*listed, *texts])]
            if not column.not_null and Published(name, column_name) in self._world.tenancy.published:
                values.append((None, False))  # which is not to say so
            for value, is_named in values:
                of_value = NULL if value is None else value if column.category in "SE" else ""
                published = Published(name, column_name, of_value)
                others = tuple(other for other in closing(self._world, published) if other != value)
                yield Opening(column, value, published, policies, is_named, others)

    @cached_property
    def _asked(self) -> dict[str, dict[str, dict[str, str]]]:
        found: dict[str, dict[str, dict[str, str]]] = {}
        for relation, column, policy, expression in self._world.ask(_ASKED):
            found.setdefault(relation, {}).setdefault(column, {})[policy] = expression or ""
        return found


def closing(world: World, published: Published) -> list[Any]:
    """Values with which the column may close a row, the likeliest first, but for the default."""
    relation = world.relations[published.table]
    column = relation.column(published.column)
    assert column is not None
    listed = world.maker.listed_of(published.table).get(published.column, [])
    nothing = [] if column.not_null or published.is_null else [None]
    if column.category == "B":
        found: list[Any] = [False, True, *nothing]
    elif column.category == "D":
        found = [*nothing, *_ENDS, *_TIMES]
    elif listed:
        found = [*(value for value in listed if value != published.value), *nothing]
    else:
        found = [*nothing, f"not {published.value}"]
    return found


def opening(world: World, published: Published) -> list[Any]:
    """Values with which the column may open a row, the likeliest first."""
    column = world.relations[published.table].column(published.column)
    assert column is not None
    if published.is_null:
        return [None]
    if published.value or column.category not in "BD":
        return [published.value]
    return [True, False] if column.category == "B" else [*_TIMES]


def setting(published: Published, value: Any) -> sql.Composed:
    """The statement that gives all rows that value in the column, or what stands for one in SQL."""
    schema, _, name = published.table.partition(".")
    return sql.SQL("update {} set {} = {}").format(
        sql.Identifier(schema, name), sql.Identifier(published.column), written(value)
    )


def written(value: Any) -> sql.Composable:
    """A value in SQL; DEFAULT as it is."""
    return value if isinstance(value, sql.Composable) else sql.Literal(value)


def _compared(tree: Node, column: str) -> list[str]:
    """The constants with which an expression compares a column for equality."""
    found: list[str] = []
    for node in sqltree.walk(tree):
        compared = sqltree.comparison(node)
        if compared is not None and compared[0] in ("=", "in", "= any"):
            _, left, right = compared
            for one, others in ((left, right), *((side, [left]) for side in right)):
                if sqltree.path(sqltree.uncast(one)) == (column,):
                    found += [text for side in others for text in sqltree.constants(side) if isinstance(text, str)]
    return found
