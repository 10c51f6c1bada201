"""The sources of a schema: its functions, views and policies as they are written, read once for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.platforms import DEFAULT, Platform
from pgassay.sqltree import Node

_FUNCTIONS: LiteralString = """
select
    n.nspname::pg_catalog.text, p.proname::pg_catalog.text, coalesce(p.proargnames, '{}'),
    pg_catalog.pg_get_functiondef(p.oid), p.prokind = 'p', l.lanname in ('sql', 'plpgsql'),
    exists (
        select from pg_catalog.pg_depend as d
        where
            d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
            and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid = p.oid
    ),
    exists (
        select from pg_catalog.pg_depend as d
        where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
    )
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.prokind in ('f', 'p') and p.oid >= 16384
    and n.nspname <> all(%(platform)s) and not pg_catalog.starts_with(n.nspname, 'pg_')
order by n.nspname collate "C", p.proname collate "C", p.proargtypes::pg_catalog.text
"""
_VIEWS: LiteralString = """
select pg_catalog.concat(v.schemaname, '.', v.viewname), v.definition
from (
    select v.schemaname, v.viewname, v.definition from pg_catalog.pg_views as v
    union all
    select m.schemaname, m.matviewname, m.definition from pg_catalog.pg_matviews as m
) as v
where
    v.schemaname <> all(%(platform)s) and v.schemaname <> 'information_schema'
    and not pg_catalog.starts_with(v.schemaname, 'pg_')
order by v.schemaname collate "C", v.viewname collate "C"
"""
_CONDITIONS: LiteralString = """
select pg_catalog.concat(p.schemaname, '.', p.tablename), p.policyname::pg_catalog.text, e.expression
from pg_catalog.pg_policies as p
cross join pg_catalog.unnest(array[p.qual, p.with_check]) with ordinality as e (expression, position)
where e.expression is not null
order by p.schemaname collate "C", p.tablename collate "C", p.policyname collate "C", e.position
"""
Ask = Callable[[LiteralString, Mapping[str, Any]], Iterable[Any]]
"""Answers a query with the search path ``pg_catalog``."""


@dataclass(frozen=True)
class Function:
    """A function, or a procedure. ``is_parsed`` says whether it is in SQL or PL/pgSQL, ``is_called`` by a policy."""

    schema: str
    name: str
    parameters: tuple[str, ...]
    definition: str
    is_procedure: bool = False
    is_parsed: bool = True
    is_called: bool = False
    is_of_extension: bool = False

    @property
    def full_name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"

    @cached_property
    def trees(self) -> list[Node]:
        """What stands in its body."""
        return sqltree.body(self.definition) if self.is_parsed else []

    @cached_property
    def is_read(self) -> bool:
        """Whether all of its body is among its trees."""
        return self.is_parsed and sqltree.is_parsed(self.definition)

    def names(self, known: Iterable[str]) -> set[str]:
        """The functions that it calls, without schemas; those of the ``known`` in its text where it cannot be read."""
        if not self.is_read:
            return {name for name in known if name in self.definition}
        called = (sqltree.called(node) for tree in self.trees for node in sqltree.walk(tree))
        return {name.rpartition(".")[2] for name in called if name}


@dataclass(frozen=True)
class View:
    """A view, or a materialized one."""

    full_name: str
    definition: str

    @cached_property
    def trees(self) -> list[Node]:
        """Its query."""
        return sqltree.statements(self.definition)


@dataclass(frozen=True)
class Condition:
    """USING or WITH CHECK of a policy."""

    relation: str
    policy: str
    text: str

    @cached_property
    def trees(self) -> list[Node]:
        """The condition; nothing where it cannot be parsed."""
        tree = sqltree.expression(self.text)
        return [] if tree is None else [tree]


@dataclass(frozen=True)
class Sources:
    """All but the platform's own functions and views, each in the order of their names."""

    functions: tuple[Function, ...] = ()
    views: tuple[View, ...] = ()
    conditions: tuple[Condition, ...] = ()
    platform: Platform = DEFAULT

    @cached_property
    def handed(self) -> dict[str, dict[str, None]]:
        """The texts that functions are called with, by the names of the functions without their schemas."""
        found: dict[str, dict[str, None]] = {}
        of_trees: Iterable[Condition | View | Function] = (*self.conditions, *self.views, *self.functions)
        for node in (node for source in of_trees for tree in source.trees for node in sqltree.walk(tree)):
            name = sqltree.called(node).rpartition(".")[2]
            for argument in sqltree.arguments(node) if name else ():
                if isinstance(text := sqltree.constant(sqltree.uncast(argument)), str):
                    found.setdefault(name, {})[text] = None
        return found

    def followed(self) -> dict[str, list[Function]]:
        """The functions that expressions call and that can be read, by ``schema.name``."""
        found: dict[str, list[Function]] = {}
        for function in self.functions:
            if function.is_parsed and not function.is_procedure:
                found.setdefault(function.full_name, []).append(function)
        return found

    def behind(self, name: str) -> list[Function]:
        """The functions of that name, with its schema, and those that they call."""
        return self.with_called(one for one in self.functions if one.full_name == name)

    def with_called(self, first: Iterable[Function]) -> list[Function]:
        """These functions and those that they call; of one that cannot be read, those whose names stand in it."""
        by_name: dict[str, list[Function]] = {}
        for function in self.functions:
            by_name.setdefault(function.name, []).append(function)
        found: dict[Function, None] = {}
        left = [*first]
        while left:
            found |= dict.fromkeys(left)
            names = {name for function in left for name in function.names(by_name)} & by_name.keys()
            left = [each for name in sorted(names) for each in by_name[name] if each not in found]
        return [each for each in self.functions if each in found]


def read(ask: Ask, platform: Platform = DEFAULT) -> Sources:
    """The sources of the database that ``ask`` asks, which is one of ``platform``."""
    wanted = {"platform": [*platform.schemas]}
    return Sources(
        tuple(
            Function(schema, name, tuple(parameters), *others)
            for schema, name, parameters, *others in ask(_FUNCTIONS, wanted)
        ),
        tuple(View(*row) for row in ask(_VIEWS, wanted)),
        tuple(Condition(*row) for row in ask(_CONDITIONS, wanted)),
        platform,
    )
