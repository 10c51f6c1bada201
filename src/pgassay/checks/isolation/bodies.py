"""What the bodies of functions do with what they are given, by their parse trees: which execute a text as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM
from pgassay.checks.isolation.world import World

_QUERY: LiteralString = """
select
    pg_catalog.concat(n.nspname, '.', p.proname),
    pg_catalog.pg_get_functiondef(p.oid),
    l.lanname in ('sql', 'plpgsql')
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.prokind in ('f', 'p') and n.nspname <> all(%(platform)s) and not pg_catalog.starts_with(n.nspname, 'pg_')
    and n.nspname <> 'information_schema'
"""
_OF_QUERIES: LiteralString = """
select p.proname::pg_catalog.text from pg_catalog.pg_proc as p
where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and 'query' = any(p.proargnames)
    and 'pg_catalog.text'::pg_catalog.regtype = any(p.proargtypes)
"""
"""PostgreSQL's own functions that are given a query as a text."""


class Bodies:
    """The bodies of all functions of a schema, parsed once."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, name: str) -> list[tuple[str, ...]]:
        """The paths that functions of that name, with its schema, read from JSON."""
        return sorted({path for tree in self._trees.get(name, ()) for path in sqltree.keys(tree)})

    def cast(self, name: str) -> set[str]:
        """The names of what functions of that name cast to another type, as ``doc_id`` in ``doc_id::uuid``."""
        return {cast for tree in self._trees.get(name, ()) for cast in sqltree.casts(tree)}

    def executes(self, name: str) -> bool:
        """Whether functions of that name execute texts, or call one that does; true where that cannot be told."""
        return name in self._executing

    @cached_property
    def _definitions(self) -> list[tuple[str, str, bool]]:
        return self._world.ask(_QUERY, {"platform": [*PLATFORM]})

    @cached_property
    def _trees(self) -> Mapping[str, list[sqltree.Node]]:
        found: dict[str, list[sqltree.Node]] = {}
        for name, definition, is_parsed in self._definitions:
            if is_parsed:
                found.setdefault(name, []).extend(sqltree.body(definition))
        return found

    @cached_property
    def _executing(self) -> set[str]:
        takers = {name for (name,) in self._world.ask(_OF_QUERIES)}
        found = {name for name, text, is_parsed in self._definitions if not is_parsed or sqltree.executes(text)}
        calls = {
            name: {sqltree.called(node).rpartition(".")[2] for tree in trees for node in sqltree.walk(tree)}
            for name, trees in self._trees.items()
        }
        found |= {name for name, called in calls.items() if called & takers}
        while (
            more := {name for name, called in calls.items() if called & {each.rpartition(".")[2] for each in found}}
            - found
        ):
            found |= more
        return found
