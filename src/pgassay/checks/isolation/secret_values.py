"""Values of secret columns by which they are known wherever they are seen: made where a row has none."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay.catalog import Column, Relation
from pgassay.checks.isolation.belonging import is_marker
from pgassay.checks.isolation.typed import PAYLOADS
from pgassay.checks.isolation.world import World
from pgassay.rows import Row


def signs(value: Any) -> Iterator[str]:
    """The values in a row, or in one value, as they are seen elsewhere; bytes as hexadecimal digits."""
    if isinstance(value, bytes):
        yield value.hex()
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from signs(part)
    elif value is not None:
        yield str(value)


def make(world: World) -> None:
    """Give each row that was made such a value in each secret column, as far as its constraints and triggers let it.

    Triggers fire, so that what they copy is known as well.
    """
    numbers = itertools.count(1)
    for table, name in world.tenancy.secret:
        relation = world.relations[table]
        column = relation.column(name)
        rows = [row for made, _, row in world.made() if made == table]
        seen = Counter(sign for row in rows for sign in signs(row.get(name)))
        for row in rows if column is not None and not column.generated else ():
            assert column is not None
            if not any(is_marker(sign) and seen[sign] == 1 for sign in signs(row.get(name))):
                _set(world, relation, column, row, next(numbers))
    if world.tenancy.secret:
        world.forget_what_is_known()


def _set(world: World, relation: Relation, column: Column, row: Row, number: int) -> None:
    """Set the column of a row; it stays as it is where that is refused."""
    value = _value(world, relation, column, number)
    if value is None or not relation.primary_key:
        return
    statement = sql.SQL("update {} set {} = %s where {} returning *").format(
        sql.Identifier(relation.schema, relation.name), sql.Identifier(column.name), world.where(relation.primary_key)
    )
    connection = world.connection
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            changed = cursor.execute(statement, [value, *(row[key] for key in relation.primary_key)]).fetchone()
    except psycopg.Error:
        if connection.closed:
            raise
        return
    row.update(changed or {})


def _value(world: World, relation: Relation, column: Column, number: int) -> Any:
    text = hashlib.sha256(f"{relation.full_name}.{column.name} {number}".encode())
    if column.type == "bytea":
        return text.digest()
    if column.type in PAYLOADS:
        return json.dumps({"secret": text.hexdigest()})
    return world.maker.another(relation, column.name) if column.category in "SU" else None
