"""The triggers of a schema: for which statements they fire, what they ask for, and which write to other tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM
from pgassay.schema.sources import Ask, Function, Sources
from pgassay.sqltree import Node

_TRIGGERS: LiteralString = """
select
    pg_catalog.concat(n.nspname, '.', c.relname), t.tgname::pg_catalog.text,
    p.proname::pg_catalog.text,
    array(
        select o.operation
        from (values ('insert', 4), ('delete', 8), ('update', 16)) as o (operation, bit)
        where (t.tgtype operator(pg_catalog.&) o.bit::pg_catalog.int2) > 0
    ),
    pg_catalog.pg_get_triggerdef(t.oid)
from pg_catalog.pg_trigger as t
join pg_catalog.pg_class as c on t.tgrelid = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
join pg_catalog.pg_proc as p on t.tgfoid = p.oid
join pg_catalog.pg_namespace as m on p.pronamespace = m.oid
where not t.tgisinternal and t.tgenabled <> 'D' and m.nspname <> all(%(platform)s)
order by 1, 2
"""


@dataclass(frozen=True)
class Trigger:
    """A trigger of a ``table``, by a function of the project's own.

    ``constants`` has what it compares columns with, by their names; ``columns`` has the names of those that it reads,
    and ``changed`` of those of which an update has to change one, if there are any. ``keys`` are read from JSON.
    ``text`` is all that it may call, as it is written. ``writes`` says whether it may write to other tables than its
    own, as far as can be told.
    """

    table: str
    name: str
    operations: tuple[str, ...]
    constants: Mapping[str, tuple[bool | int | str, ...]]
    columns: Collection[str]
    changed: Collection[str]
    keys: Collection[str]
    text: str
    writes: bool


def read(ask: Ask, sources: Sources) -> tuple[Trigger, ...]:
    """The triggers of the database that ``ask`` asks, in the order of their tables and names."""
    found = []
    for table, name, function, operations, definition in ask(_TRIGGERS, {"platform": [*PLATFORM]}):
        called = sources.with_called(one for one in sources.functions if one.name == function)
        conditions, changed = _fires_for(definition)
        trees = [*conditions, *(tree for one in called for tree in one.trees)]
        found.append(
            Trigger(
                table,
                name,
                tuple(operations),
                sqltree.constants_of(trees),
                changed | {path[-1] for tree in trees for path in sqltree.columns(tree)},
                changed,
                sorted({path[0] for tree in trees for path in sqltree.keys(tree)}),
                " ".join(one.definition for one in called),
                any(_writes(one, table) for one in called),
            )
        )
    return tuple(found)


def _fires_for(definition: str) -> tuple[list[Node], set[str]]:
    """The condition of a trigger, and the columns of which one has to change: those that it lists, or compares."""
    created: Any = next(iter(sqltree.statements(definition)), None)
    if created is None:
        return [], set()
    condition = sqltree.unwrapped(created.when_clause)
    listed = {column.string.sval for column in created.columns}
    if condition is None:
        return [], listed
    return [condition], listed or {path[-1] for path in sqltree.columns(condition) if path[:-1] == ["old"]}


def _writes(function: Function, table: str) -> bool:
    if not function.is_read or sqltree.executes(function.definition):
        return True
    return any(name != table.rpartition(".")[2] for tree in function.trees for name in sqltree.written(tree))
