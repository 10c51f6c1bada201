"""Texts that are SQL: what a function does that executes what it is given.

A text is tried as the end of a quoted one, with a condition that is true and with a query that tells rows in its error;
as a name; and as a statement. A function that quotes it, or passes it beside, tells nothing by that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from psycopg import sql

from pgassay.catalog import Argument, Function, Relation
from pgassay.checks.isolation import typed
from pgassay.checks.isolation.arguments import Call, call_with, likeliest
from pgassay.checks.isolation.bodies import Bodies
from pgassay.checks.isolation.nesting import nested
from pgassay.checks.isolation.world import World

_TABLES = 8
"""With so many tables it is tried."""
_TOLD = sql.SQL("""cast((select pg_catalog.string_agg(v, ' ') from ({}) as told (v)) as pg_catalog.int4)""")
"""An expression whose error tells rows."""
_ROWS = sql.SQL("(select pg_catalog.concat(t.*) from {} as t order by t.ctid desc limit 40)")
_STATEMENTS = (sql.SQL("select * from {}"), sql.SQL("delete from {}"))


class Injected:
    """Calls of functions that execute texts, with texts that are SQL."""

    def __init__(self, world: World, bodies: Bodies) -> None:
        self._world = world
        self._bodies = bodies

    def of(self, function: Function, label: str) -> Iterator[Call]:
        """Calls with values of one tenant, in which each text in turn is SQL."""
        name = f"{function.schema}.{function.name}"
        places = [(n, argument) for n, argument in enumerate(function.arguments) if self._is_text(argument)]
        if not places or not self._bodies.executes(name):
            return
        usual = likeliest(function, self._world, label)
        for number, argument in places:
            for text in self.texts():
                for value in self._values(name, argument, text):
                    yield call_with(function, usual, number, value)

    def _is_text(self, argument: Argument) -> bool:
        if typed.kind_of(argument) == "array":
            return typed.is_text(typed.element_of(argument))
        return typed.is_text(argument) or typed.base_of(argument) in typed.PAYLOADS

    def _values(self, name: str, argument: Argument, text: str) -> Iterator[Any]:
        if typed.base_of(argument) in typed.PAYLOADS:
            for path in self._bodies.keys(name):
                yield json.dumps(nested(path, text))
        else:
            yield [text] if typed.kind_of(argument) == "array" else text

    def texts(self) -> Iterator[str]:
        """Texts that are SQL: those whose errors tell rows first, then names and statements."""
        tables = self._tables()
        names = [sql.Identifier(relation.schema, relation.name) for relation in tables]
        if not tables:
            return
        told = _TOLD.format(sql.SQL(" union all ").join(map(_ROWS.format, names))).as_string(None)
        yield from (
            f"'||{told}||'",
            "' or true or ''='",
            "' or true --",
            "') or true --",
            told,
            f"{told} is null",
            f"select {told}",
        )
        for name, relation in zip(names, tables, strict=True):
            yield from (name.as_string(None), relation.name)
            yield from (form.format(name).as_string(None) for form in _STATEMENTS)

    def _tables(self) -> list[Relation]:
        """Those that have rows of B, and are not everybody's."""
        rows, public = self._world.tenants.rows, self._world.tenancy.public
        found = [
            relation
            for name, relation in self._world.relations.items()
            if name in rows and name not in public and relation.kind == "table" and relation.schema != "storage"
        ]
        return found[:_TABLES]
