"""Headers and cookies of a request: the keys that a schema reads there, and what it compares them with.

A caller writes them as it likes, as it does with the metadata of its user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pgassay import sqltree
from pgassay.schema.sources import Sources
from pgassay.sqltree import Node

SETTINGS = ("request.headers", "request.cookies")
"""The settings that a caller fills, each a JSON object."""
_GUESSED = 16
"""Shorter constants can be guessed by a caller."""
Path = tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """The paths of keys that are read in each setting, and short constants that stand where they are read."""

    paths: dict[str, tuple[Path, ...]]
    constants: tuple[str, ...]


def read(sources: Sources) -> Read:
    """What policies, functions and views read of headers and cookies.

    A helper that takes the name of a header is followed to those who call it.
    """
    named = [
        *((one.full_name, one.definition, one.trees) for one in sources.functions),
        *((one.full_name, one.definition, one.trees) for one in sources.views),
        *(("", one.text, one.trees) for one in sources.conditions),
    ]
    if not any(setting in text for _, text, _ in named for setting in SETTINGS):
        return Read({}, ())
    named.sort(key=lambda one: one[:2])
    paths: dict[str, dict[Path, None]] = {}
    constants: dict[str, None] = {}
    helpers: dict[str, str] = {}
    for name, _, trees in named:
        for setting in _named(trees):
            found = [path for tree in trees for path in sqltree.keys(tree)]
            paths.setdefault(setting, {}).update(_sent_as(setting, found))
            constants.update(dict.fromkeys(_short(trees)))
            if name:
                helpers[name] = setting
    for _, _, trees in named:
        for setting, said in _asked(trees, helpers):
            paths.setdefault(setting, {}).update(_sent_as(setting, [(text,) for text in said]))
            constants.update(dict.fromkeys(_short(trees)))
    keys = {part for found in paths.values() for path in found for part in path}
    return Read(
        {setting: tuple(sorted(found)) for setting, found in sorted(paths.items()) if found},
        tuple(text for text in constants if text not in keys),
    )


def _sent_as(setting: str, paths: Iterable[Path]) -> dict[Path, None]:
    """The paths as they are in a request: names of headers are in lower case there."""
    is_header = setting == SETTINGS[0]
    return {((path[0].lower() if is_header else path[0]), *path[1:]): None for path in paths}


def _named(trees: Iterable[Node]) -> list[str]:
    """The settings that are read."""
    said = {constant for tree in trees for constant in sqltree.constants(tree)}
    return [setting for setting in SETTINGS if setting in said]


def _asked(trees: Iterable[Node], helpers: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The constants that are handed to functions which read a setting."""
    for tree in trees:
        for node in sqltree.walk(tree):
            called = sqltree.called(node)
            setting = next((helpers[name] for name in helpers if called in (name, name.partition(".")[2])), "")
            if called and setting:
                yield setting, [text for part in sqltree.constants(node) if isinstance(text := part, str)]


def _short(trees: Iterable[Node]) -> Iterator[str]:
    """Texts that a caller may come upon."""
    for tree in trees:
        for constant in sqltree.constants(tree):
            if isinstance(constant, str) and 0 < len(constant) < _GUESSED and constant not in SETTINGS:
                yield constant
