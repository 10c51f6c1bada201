"""What a schema reads of the caller's token: the keys of its claims."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from pgassay import sqltree
from pgassay.schema.sources import Condition, Sources, View

USER_METADATA = "user_metadata"


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


def read(sources: Sources) -> Token:
    """What the policies, functions and views of a database read."""
    paths: set[tuple[str, ...]] = set()
    words: set[str] = set()
    functions = [function for function in sources.functions if function.is_parsed and not function.is_of_extension]
    asked: list[Condition | View] = [*sources.conditions, *sources.views]
    is_whole = all(source.trees for source in asked)
    is_whole = is_whole and all(sqltree.is_parsed(one.definition) for one in functions if one.is_called)
    for tree in itertools.chain.from_iterable([*(one.trees for one in asked), *(one.trees for one in functions)]):
        paths |= set(sqltree.keys(tree))
        words |= set(_words(tree, sources.platform.words.claim_prefix))
    return Token(frozenset(paths), frozenset(words), is_whole)


def _words(tree: sqltree.Node, prefix: str) -> Iterator[str]:
    for constant in sqltree.constants(tree):
        yield str(constant).removeprefix(prefix)
        yield from str(constant).strip("{}").split(",")  # as in '{app_metadata,role}'
    for names in sqltree.columns(tree):
        yield from names[-1:]
    for node in sqltree.walk(tree):
        if name := sqltree.called(node):
            yield name
