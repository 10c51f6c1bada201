"""Indexes that a failed ``create index concurrently`` has left: PostgreSQL keeps them, and they are invalid.

``create index … if not exists`` passes over such a one, as if all were well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.errors import MigrationError
from pgassay.migrations import Script, Statement, split
from pgassay.sqltree import trees

# Those of partitioned tables are invalid until each partition has its own: that is no failure.
_INVALID = """
select n.nspname, c.relname, t.relname
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on i.indexrelid operator(pg_catalog.=) c.oid
join pg_catalog.pg_class as t on i.indrelid operator(pg_catalog.=) t.oid
join pg_catalog.pg_namespace as n on c.relnamespace operator(pg_catalog.=) n.oid
where
    not i.indisvalid
    and c.relkind operator(pg_catalog.=) 'i'
    and not pg_catalog.starts_with(n.nspname, 'pg_')
order by n.nspname collate "C", c.relname collate "C"
"""


@dataclass(frozen=True)
class Invalid:
    """An index that is there and not valid."""

    schema: str
    name: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def drop(self, connection: psycopg.Connection[Any]) -> str:
        """The statement that removes it."""
        return (
            sql.SQL("drop index concurrently {};").format(sql.Identifier(self.schema, self.name)).as_string(connection)
        )


def invalid(connection: psycopg.Connection[Any]) -> list[Invalid]:
    """Those of the database, whose making has failed or is still going on."""
    return [Invalid(*row) for row in connection.execute(_INVALID).fetchall()]


def refuse_passing_over(connection: psycopg.Connection[Any], scripts: Iterable[Script]) -> None:
    """Raise `MigrationError` where one of ``scripts`` makes an index that is there, but invalid.

    One that is dropped first is none.
    """
    there = invalid(connection)
    if not there:
        return
    for script in scripts:
        for statement in split(script.sql):
            gone = {name for *_, name in _dropped(statement)}
            there = [index for index in there if index.name not in gone]
            for index in _made(statement, there):
                raise MigrationError(
                    f"{script.path}:{statement.code_line}: the index {index} is there already, but invalid: a CREATE "
                    "INDEX CONCURRENTLY has failed, or is still at work.",
                    hint=f"If none is at work, mend what it failed of, as rows that are there twice. Then remove it, "
                    f"and apply again: {index.drop(connection)}",
                )


def _made(statement: Statement, there: Iterable[Invalid]) -> Iterator[Invalid]:
    node = statement.node
    if node is None or node.WhichOneof("node") != "index_stmt":
        return
    made = node.index_stmt
    for index in there:
        if made.idxname == index.name and made.relation.schemaname in ("", index.schema):
            yield index


def _dropped(statement: Statement) -> Iterator[list[str]]:
    """The names of indexes that a statement drops, each in its parts."""
    node = statement.node
    if node is None or node.WhichOneof("node") != "drop_stmt":
        return
    if trees.choice(node.drop_stmt, "remove_type") == "OBJECT_INDEX":
        for item in node.drop_stmt.objects:
            yield trees.names(item.list.items)
