"""What a schema asks for: the columns that policies and views read elsewhere, by functions too, and the constants."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pgassay import sqltree
from pgassay.schema.sources import Function, Sources


@dataclass(frozen=True)
class Asked:
    """``columns`` has the names of columns that are read together with each name of a table.

    ``constants`` has what columns of each name are compared with, wherever they are.
    """

    columns: Mapping[str, frozenset[str]]
    constants: Mapping[str, tuple[bool | int | str, ...]]


def read(sources: Sources) -> Asked:
    """What the policies and views of a database ask for, and the functions that they call."""
    columns: dict[str, set[str]] = {}
    followed = [*_followed(sources)]
    for trees in followed:
        names = {path[-1] for tree in trees for path in sqltree.columns(tree)}
        for table in (node.relname for node in _walk(trees) if sqltree.kind(node) == "RangeVar"):
            columns.setdefault(table, set()).update(names)
    return Asked(
        {table: frozenset(names) for table, names in columns.items()},
        sqltree.constants_of(itertools.chain.from_iterable(followed)),
    )


def _followed(sources: Sources) -> Iterator[list[sqltree.Node]]:
    """The trees of each policy, of each view's conditions, and of each function that one of them calls."""
    functions: dict[str, list[Function]] = {}
    for function in itertools.chain.from_iterable(sources.followed().values()):
        functions.setdefault(function.name, []).append(function)
    left = [
        *(one.trees for one in sorted(sources.conditions, key=lambda one: one.text)),
        *([*_conditions(view.trees)] for view in sources.views),
    ]
    while left:
        trees = left.pop(0)
        yield trees
        for node in _walk(trees):
            name = sqltree.called(node).rpartition(".")[2]
            left += [function.trees for function in functions.pop(name, [])]


def _walk(trees: Iterable[sqltree.Node]) -> Iterator[sqltree.Node]:
    return (node for tree in trees for node in sqltree.walk(tree))


def _conditions(view: Iterable[sqltree.Node]) -> Iterator[sqltree.Node]:
    """The conditions of a view, with the tables that their subqueries read."""
    for node in _walk(view):
        if sqltree.kind(node) == "SelectStmt" and node.HasField("where_clause"):
            yield sqltree.unwrapped(node.where_clause)
