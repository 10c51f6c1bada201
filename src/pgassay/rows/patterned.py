"""Texts that a CHECK makes of other columns of the row: one that begins with the tenant's id, as the path of a file.

What the constraint says of the other columns is asked of PostgreSQL, with the values that these are to have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Relation
from pgassay.rows import hints, values
from pgassay.rows.search import Pools
from pgassay.sqltree import Node

_LATER = ("{}/a", "{}a", "a/{}")
"""How a text may go on from what the others make."""


def is_held(relation: Relation) -> bool:
    """Whether a CHECK speaks of a text and of another column, so that what fits one row need not fit the next."""
    texts = {column.name for column in relation.columns if column.category == "S"}
    return any(len(check.columns) > 1 and texts & set(check.columns) for check in relation.check_constraints)


def texts(pools: Pools, relation: Relation, name: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Texts for a column that a CHECK compares with what it makes of columns whose values are ``known``."""
    found: dict[str, None] = {}
    for check in relation.check_constraints:
        tree = sqltree.expression(check.expression) if name in check.columns and len(check.columns) > 1 else None
        for part in _made(tree, frozenset(known)) if tree is not None else ():
            text = _asked(pools, relation, part, known)
            if text is not None:
                found[text] = None
    for text in found:
        fitting = hints.texts(hints.Hints((), (text,))) if "%" in text or "_" in text else iter(())
        yield from dict.fromkeys([*fitting, *(later.format(text) for later in _LATER), text])


def _made(node: Node, known: frozenset[str]) -> Iterator[Node]:
    """The largest expressions below a node that read columns, and none but those."""
    names = {found[-1] for found in sqltree.columns(node)}
    if names and names <= known:
        yield node
        return
    for child in sqltree.children(node):
        yield from _made(child, known)


def _asked(pools: Pools, relation: Relation, node: Node, known: Mapping[str, Any]) -> str | None:
    """The text that an expression gives for these values; None where it gives none."""
    expression = sqltree.deparsed(node)
    if expression is None:
        return None
    read = {found[-1] for found in sqltree.columns(node)}
    columns = [column for column in relation.columns if column.name in read]
    given = [
        sql.SQL("{}::{} as {}").format(
            sql.Literal(values.sql_text(known[column.name])), sql.SQL(column.type), sql.Identifier(column.name)
        )
        for column in columns
    ]
    query = sql.SQL("select ({})::text from (select {}) as known").format(
        sql.SQL(expression), sql.SQL(", ").join(given)
    )
    try:
        ((text,),) = pools.ask(query)
    except psycopg.Error:
        if pools.connection.closed:
            raise
        return None
    return text if isinstance(text, str) else None
