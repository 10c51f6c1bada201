"""What a schema asks for: the columns that policies and views read elsewhere, by functions too, and the constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM

_FUNCTIONS: LiteralString = """
select p.proname::pg_catalog.text, pg_catalog.pg_get_functiondef(p.oid)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.prokind = 'f' and l.lanname in ('sql', 'plpgsql')
    and n.nspname <> all(%(platform)s) and not pg_catalog.starts_with(n.nspname, 'pg_')
order by p.oid
"""
_VIEWS: LiteralString = """
select v.definition
from pg_catalog.pg_views as v
where v.schemaname <> all(%(platform)s) and not pg_catalog.starts_with(v.schemaname, 'pg_')
order by v.schemaname collate "C", v.viewname collate "C"
"""
_POLICIES: LiteralString = """
select e.expression
from pg_catalog.pg_policies as p
cross join pg_catalog.unnest(array[p.qual, p.with_check]) as e (expression)
where e.expression is not null
order by e.expression collate "C"
"""


@dataclass(frozen=True)
class Asked:
    """``columns`` has the names of columns that are read together with each name of a table.

    ``constants`` has what columns of each name are compared with, wherever they are.
    """

    columns: Mapping[str, frozenset[str]]
    constants: Mapping[str, tuple[bool | int | str, ...]]


def read(ask: Callable[[LiteralString, dict[str, Any]], Iterable[Any]]) -> Asked:
    """What the policies and views of a database ask for, and the functions that they call."""
    columns: dict[str, set[str]] = {}
    constants: dict[str, dict[bool | int | str, None]] = {}
    for trees in _sources(ask):
        names = {path[-1] for tree in trees for path in sqltree.columns(tree)}
        for table in (node.relname for node in _walk(trees) if sqltree.kind(node) == "RangeVar"):
            columns.setdefault(table, set()).update(names)
        for name, value in (found for tree in trees for found in sqltree.compared(tree)):
            constants.setdefault(name, {})[value] = None
    return Asked(
        {table: frozenset(names) for table, names in columns.items()},
        {name: tuple(values) for name, values in constants.items()},
    )


def _sources(ask: Callable[[LiteralString, dict[str, Any]], Iterable[Any]]) -> Iterator[list[sqltree.Node]]:
    """The trees of each policy, of each view's conditions, and of each function that one of them calls."""
    platform = {"platform": [*PLATFORM]}
    functions: dict[str, list[str]] = {}
    for name, definition in ask(_FUNCTIONS, platform):
        functions.setdefault(name, []).append(definition)
    left = [
        *([tree] for (text,) in ask(_POLICIES, platform) if (tree := sqltree.expression(text)) is not None),
        *([*_conditions(text)] for (text,) in ask(_VIEWS, platform)),
    ]
    while left:
        trees = left.pop(0)
        yield trees
        for node in _walk(trees):
            name = sqltree.called(node).rpartition(".")[2]
            left += [sqltree.body(definition) for definition in functions.pop(name, [])]


def _walk(trees: Iterable[sqltree.Node]) -> Iterator[sqltree.Node]:
    return (node for tree in trees for node in sqltree.walk(tree))


def _conditions(view: str) -> Iterator[sqltree.Node]:
    """The conditions of a view, with the tables that their subqueries read."""
    for node in _walk(sqltree.statements(view)):
        if sqltree.kind(node) == "SelectStmt" and node.HasField("where_clause"):
            yield sqltree.unwrapped(node.where_clause)
