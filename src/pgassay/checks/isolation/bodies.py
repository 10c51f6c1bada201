"""What the bodies of functions do with what they are given, by their parse trees: which execute a text as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, LiteralString

from pgassay import sqltree
from pgassay.catalog import Function
from pgassay.schema import ties
from pgassay.schema.ties import Tie

if TYPE_CHECKING:
    from pgassay.checks.isolation.world import World

_OF_QUERIES: LiteralString = """
select p.proname::pg_catalog.text from pg_catalog.pg_proc as p
where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and 'query' = any(p.proargnames)
    and 'pg_catalog.text'::pg_catalog.regtype = any(p.proargtypes)
"""
"""PostgreSQL's own functions that are given a query as a text."""

_OF_LISTS = {
    f"{kind}_{what}"
    for kind in ("json", "jsonb")
    for what in ("array_elements", "array_elements_text", "to_recordset", "populate_recordset", "array_length")
}
"""PostgreSQL's own functions that are given a list in JSON."""


class Bodies:
    """The bodies of all functions of a schema, parsed once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ties: dict[str, list[Tie]] = {}

    def ties(self, function: Function) -> list[Tie]:
        """With which columns a function compares what it is given, and into which it writes that."""
        if function.signature not in self._ties:
            name, taken = f"{function.schema}.{function.name}", {argument.name for argument in function.arguments}
            sources = self._world.sources
            self._ties[function.signature] = [
                tie
                for each in sources.functions
                if each.full_name == name and taken <= {*each.parameters}
                for tie in ties.of(each, sources)
            ]
        return self._ties[function.signature]

    def keys(self, name: str) -> list[tuple[str, ...]]:
        """The paths that functions of that name, with its schema, read from JSON, be it as columns of records."""
        trees = self._trees.get(name, ())
        found = {path for tree in trees for path in sqltree.keys(tree)}
        return sorted(found | {(column,) for tree in trees for column in sqltree.defined(tree)})

    def reads_lists(self, name: str) -> bool:
        """Whether functions of that name take JSON for a list."""
        called = (sqltree.called(node) for tree in self._trees.get(name, ()) for node in sqltree.walk(tree))
        return any(each.rpartition(".")[2] in _OF_LISTS for each in called)

    def cast(self, name: str) -> set[str]:
        """The names of what functions of that name cast to another type, as ``doc_id`` in ``doc_id::uuid``."""
        return {cast for tree in self._trees.get(name, ()) for cast in sqltree.casts(tree)}

    def executes(self, name: str) -> bool:
        """Whether functions of that name execute texts, or call one that does; true where that cannot be told."""
        return name in self._executing

    @cached_property
    def _trees(self) -> Mapping[str, list[sqltree.Node]]:
        found: dict[str, list[sqltree.Node]] = {}
        for function in self._world.sources.functions:
            if function.is_parsed:
                found.setdefault(function.full_name, []).extend(function.trees)
        return found

    @cached_property
    def _executing(self) -> set[str]:
        takers = {name for (name,) in self._world.ask(_OF_QUERIES)}
        found = {
            function.full_name
            for function in self._world.sources.functions
            if not function.is_parsed or sqltree.executes(function.definition)
        }
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
