"""What a schema reads of the caller's token: the keys of its claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM

USER_METADATA = "user_metadata"
_QUERY: LiteralString = """
select pg_catalog.concat('select ', e.expression), true
from pg_catalog.pg_policies as p
cross join pg_catalog.unnest(array[p.qual, p.with_check]) as e (expression)
where e.expression is not null
union all
select
    pg_catalog.pg_get_functiondef(p.oid),
    exists (
        select from pg_catalog.pg_depend as d
        where
            d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
            and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid = p.oid
    )
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.prokind in ('f', 'p') and l.lanname in ('sql', 'plpgsql')
    and n.nspname <> all(%(platform)s) and not pg_catalog.starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_catalog.pg_depend as x
        where x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and x.objid = p.oid and x.deptype = 'e'
    )
union all
select v.definition, true
from pg_catalog.pg_views as v
where v.schemaname <> all(%(platform)s) and not pg_catalog.starts_with(v.schemaname, 'pg_')
"""
_CLAIM_SETTING = "request.jwt.claim."


@dataclass(frozen=True)
class Token:
    """What is read: ``paths`` of keys in JSON, and ``words``, which are constants and names of columns and functions.

    Without ``is_whole``, a function that policies call could not be parsed: more may be read than is known.
    """

    paths: frozenset[tuple[str, ...]]
    words: frozenset[str]
    is_whole: bool

    def reads(self, *words: str) -> bool:
        """Whether any of these words is read, or may be."""
        return not self.is_whole or bool(self.words & set(words))

    @property
    def metadata(self) -> list[tuple[str, ...]]:
        """The paths of what users write themselves, without its own key, in order."""
        found = {path[place + 1 :] for path in self.paths for place, key in enumerate(path) if key == USER_METADATA} - {
            ()
        }
        if (USER_METADATA,) in self.paths:  # it is kept in a variable, and the keys are read from that
            found |= {path for path in self.paths if USER_METADATA not in path}
        return sorted(found)


def read(ask: Callable[[LiteralString, dict[str, Any]], Iterable[Any]]) -> Token:
    """What the policies, functions and views of a database read."""
    paths: set[tuple[str, ...]] = set()
    words: set[str] = set()
    is_whole = True
    for source, is_asked in ask(_QUERY, {"platform": [*PLATFORM]}):
        is_whole = is_whole and (not is_asked or sqltree.is_parsed(source))
        for tree in _trees(source):
            paths |= set(sqltree.keys(tree))
            words |= set(_words(tree))
    return Token(frozenset(paths), frozenset(words), is_whole)


def _trees(source: str) -> Iterator[sqltree.Node]:
    for statement in sqltree.statements(source):
        is_function = sqltree.kind(statement) == "CreateFunctionStmt"
        yield from sqltree.body(source) if is_function else [statement]


def _words(tree: sqltree.Node) -> Iterator[str]:
    for constant in sqltree.constants(tree):
        yield str(constant).removeprefix(_CLAIM_SETTING)
        yield from str(constant).strip("{}").split(",")  # as in '{app_metadata,role}'
    for names in sqltree.columns(tree):
        yield from names[-1:]
    for node in sqltree.walk(tree):
        if name := sqltree.called(node):
            yield name
