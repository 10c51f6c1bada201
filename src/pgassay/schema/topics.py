"""Topics of Realtime: how policies on ``realtime.messages`` have it that a topic is called.

It is a guess at topics that are worth trying. Whether a policy lets somebody in is asked of PostgreSQL.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgassay import sqltree
from pgassay.schema.sources import Function, Sources
from pgassay.sqltree import Node

EXTENSIONS = ("broadcast", "presence")
_MOST = 4
"""So many forms of a topic are tried."""
_NO_TOPICS = {*EXTENSIONS, "postgres_changes", "realtime.topic"}
_TABLE = "realtime.messages"


@dataclass(frozen=True)
class Topics:
    """``forms`` are what stands before and after an id in a topic, ``constants`` whole topics without one.

    ``tables`` are those that the policies and their functions read.
    """

    forms: tuple[tuple[str, str], ...]
    constants: tuple[str, ...]
    tables: frozenset[str]


def read(sources: Sources) -> Topics:
    """What the policies say of topics."""
    asked = [tree for one in sources.conditions if one.relation == _TABLE for tree in one.trees]
    platform = sources.platform
    no_topics = {*_NO_TOPICS, *platform.roles.callers, platform.words.claims}
    trees = [*_with_functions(asked, sources.followed())]
    texts = dict.fromkeys(
        constant.rstrip("%")
        for tree in trees
        for constant in sqltree.constants(tree)
        if isinstance(constant, str) and constant not in no_topics
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


def _with_functions(trees: list[Node], functions: Mapping[str, list[Function]]) -> Iterator[Node]:
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
                left += [node for function in functions[name] for node in function.trees]
