"""Metadata of users: what a schema reads of what each user writes there, at sign-up and later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM

_COLUMN = "raw_user_meta_data"
_QUERY: LiteralString = """
select f.trigger, f.is_later, f.name, pg_catalog.pg_get_functiondef(f.oid) as source
from (
    select
        p.oid, pg_catalog.concat(n.nspname, '.', p.proname, '()') as name,
        (
            select pg_catalog.min(t.tgname::pg_catalog.text collate "C")
            from pg_catalog.pg_trigger as t
            where
                t.tgrelid = pg_catalog.to_regclass('auth.users') and t.tgfoid = p.oid
                and not t.tgisinternal and t.tgenabled <> 'D'
        ) as trigger,
        not exists (
            select from pg_catalog.pg_trigger as t
            where t.tgrelid = pg_catalog.to_regclass('auth.users') and t.tgfoid = p.oid
        )
        or exists (
            select from pg_catalog.pg_trigger as t
            where
                t.tgrelid = pg_catalog.to_regclass('auth.users') and t.tgfoid = p.oid
                and (t.tgtype operator(pg_catalog.&) 16::pg_catalog.int2) > 0
        ) as is_later
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
    join pg_catalog.pg_language as l on p.prolang = l.oid
    where
        p.prokind in ('f', 'p') and l.lanname in ('sql', 'plpgsql')
        and n.nspname <> all(%(platform)s) and not pg_catalog.starts_with(n.nspname, 'pg_')
) as f
where pg_catalog.strpos(pg_catalog.pg_get_functiondef(f.oid), %(column)s) > 0
union all
select null, true, pg_catalog.concat(v.schemaname, '.', v.viewname), v.definition
from pg_catalog.pg_views as v
where
    v.schemaname <> all(%(platform)s) and not pg_catalog.starts_with(v.schemaname, 'pg_')
    and pg_catalog.strpos(v.definition, %(column)s) > 0
union all
select null, true, pg_catalog.concat(p.schemaname, '.', p.tablename), pg_catalog.concat('select ', e.expression)
from pg_catalog.pg_policies as p
cross join pg_catalog.unnest(array[p.qual, p.with_check]) as e (expression)
where pg_catalog.strpos(e.expression, %(column)s) > 0
order by 3, 1, 4
"""


@dataclass(frozen=True)
class Reader:
    """What reads the metadata of users: the paths of its keys.

    ``trigger`` is one on ``auth.users``, if it is that; ``is_later`` says whether it reads them after the sign-up too.
    """

    trigger: str
    is_later: bool
    name: str
    paths: tuple[tuple[str, ...], ...]


def readers(ask: Callable[[LiteralString, dict[str, Any]], Iterable[Any]]) -> list[Reader]:
    """All that reads keys of the metadata, in the order of their names."""
    found = []
    for trigger, is_later, name, source in ask(_QUERY, {"platform": [*PLATFORM], "column": _COLUMN}):
        paths = tuple(sorted({path for node in _trees(source) for path in sqltree.keys(node)}))
        if paths:
            found.append(Reader(trigger or "", is_later, name, paths))
    return found


def _trees(source: str) -> Iterator[sqltree.Node]:
    for statement in sqltree.statements(source):
        is_function = sqltree.kind(statement) == "CreateFunctionStmt"
        yield from sqltree.body(source) if is_function else [statement]
