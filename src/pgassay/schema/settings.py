"""Settings of a project's own: which ones a schema reads, and which functions set one for longer than a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgassay import sqltree
from pgassay.schema.sources import Function, Sources
from pgassay.sqltree import Node

_OF_THE_API = ("request.", "realtime.", "storage.", "pgrst.", "response.")
"""How settings begin that are set anew with each request, or not read by policies."""


def read(sources: Sources) -> tuple[str, ...]:
    """The settings that functions, views and policies read, in the order of their names."""
    trees = [
        tree
        for several in (sources.functions, sources.views, sources.conditions)
        for one in several
        for tree in one.trees
    ]
    found = {str(name) for arguments in _calls(trees, "current_setting") if (name := sqltree.constant(arguments[0]))}
    return tuple(sorted(name for name in found if "." in name and not name.startswith(_OF_THE_API)))


def keeps(called: Iterable[Function]) -> bool:
    """Whether one of these functions may set a setting that stays when the transaction ends."""
    trees = [tree for one in called for tree in one.trees]
    return any(
        len(arguments) == len(("name", "value", "is_local")) and sqltree.constant(arguments[-1]) not in (True, "t")
        for arguments in _calls(trees, "set_config")
    )


def _calls(trees: Iterable[Node], name: str) -> Iterator[list[Node]]:
    """What a function of PostgreSQL's own is given, each time that it is called."""
    for tree in trees:
        for node in sqltree.walk(tree):
            if sqltree.called(node).rpartition(".")[2] == name and (arguments := sqltree.arguments(node)):
                yield arguments
