"""Topics of Realtime: how policies on ``realtime.messages`` have it that a topic is called.

It is a guess at topics that are worth trying. Whether a policy lets somebody in is asked of PostgreSQL.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from pgassay import sqltree
from pgassay.catalog import PLATFORM
from pgassay.sqltree import Node

EXTENSIONS = ("broadcast", "presence")
_MOST = 4
"""So many forms of a topic are tried."""
_NO_TOPICS = {*EXTENSIONS, "postgres_changes", "authenticated", "anon", "request.jwt.claims", "realtime.topic"}
_POLICIES: LiteralString = """
select pg_catalog.concat_ws(
    ' and ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
)
from pg_catalog.pg_policy as p
where p.polrelid = 'realtime.messages'::pg_catalog.regclass
order by p.polname collate "C"
"""
_FUNCTIONS: LiteralString = """
select pg_catalog.concat(n.nspname, '.', p.proname), pg_catalog.pg_get_functiondef(p.oid)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.prokind = 'f' and l.lanname in ('sql', 'plpgsql') and p.oid >= 16384
    and n.nspname <> all(%s) and not pg_catalog.starts_with(n.nspname, 'pg_')
order by 1, p.oid
"""


@dataclass(frozen=True)
class Topics:
    """``forms`` are what stands before and after an id in a topic, ``constants`` whole topics without one.

    ``tables`` are those that the policies and their functions read.
    """

    forms: tuple[tuple[str, str], ...]
    constants: tuple[str, ...]
    tables: frozenset[str]


def read(ask: Callable[..., Iterable[Any]]) -> Topics:
    """What the policies say of topics."""
    functions: dict[str, list[str]] = {}
    for name, definition in ask(_FUNCTIONS, [[*PLATFORM]]):
        functions.setdefault(name, []).append(definition)
    trees = [tree for (text,) in ask(_POLICIES) if (tree := sqltree.expression(text)) is not None]
    trees = [*_with_functions(trees, functions)]
    texts = dict.fromkeys(
        constant.rstrip("%")
        for tree in trees
        for constant in sqltree.constants(tree)
        if isinstance(constant, str) and constant not in _NO_TOPICS
    )
    words = [text for text in texts if any(map(str.isalnum, text))]
    marks = [text for text in texts if text and not any(map(str.isalnum, text))]
    return Topics(
        tuple(dict.fromkeys(itertools.islice(_forms(words, marks), _MOST))),
        tuple(words),
        frozenset(name for tree in trees for name in sqltree.tables(tree)),
    )


def _forms(words: list[str], marks: list[str]) -> Iterator[tuple[str, str]]:
    """What may stand before and after an id: nothing, a word with its mark, or a word and a mark that splits topics."""
    yield "", ""
    for word in words:
        if not word[-1].isalnum():
            yield word, ""
        elif not word[0].isalnum():
            yield "", word
    for word, mark in itertools.product(words, marks):
        if word[-1].isalnum() and word[0].isalnum():
            yield f"{word}{mark}", ""
    for mark in marks:
        yield f"x{mark}", ""
        yield "", f"{mark}x"


def _with_functions(trees: list[Node], functions: Mapping[str, list[str]]) -> Iterator[Node]:
    """The expressions, and those in the bodies of all functions that are called there."""
    known: set[str] = set()
    left = list(trees)
    while left:
        tree = left.pop(0)
        yield tree
        called = {name for node in sqltree.walk(tree) if (name := sqltree.called(node))}
        for name in sorted(functions.keys() - known):
            if name in called or name.partition(".")[2] in called:
                known.add(name)
                left += [node for definition in functions[name] for node in sqltree.body(definition)]
