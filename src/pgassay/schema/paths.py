"""Paths of files: the buckets and folders for which policies on ``storage.objects`` ask, however they are written.

Functions that a policy calls are followed, with what is handed to them. It is a guess at files that are worth making.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pgassay import sqltree
from pgassay.schema.sources import Function, Sources
from pgassay.sqltree import Node

_DEPTH = 6
_LITERAL = re.compile(r"\^?([\w./-]+)")
"""How the pattern of a regular expression begins."""
_TABLE = "storage.objects"


@dataclass(frozen=True)
class Term:
    """What is read of a file: its bucket, the whole path, the list of its folders, or the one of that ``number``."""

    kind: str
    number: int = 0


@dataclass
class Paths:
    """What one policy asks of a file.

    ``fixed`` are constants for folders by their numbers, ``free`` the folders that are compared with something else.
    ``tables`` are those that the policy and its functions read.
    """

    buckets: dict[str, None] = field(default_factory=dict)
    fixed: dict[int, str] = field(default_factory=dict)
    free: set[int] = field(default_factory=set)
    tables: set[str] = field(default_factory=set)


def read(sources: Sources) -> list[Paths]:
    """What each policy on ``storage.objects`` asks of a file."""
    policies: dict[str, list[Node]] = {}
    for condition in sources.conditions:
        if condition.relation == _TABLE:
            policies.setdefault(condition.policy, []).extend(condition.trees)
    functions = sources.followed()
    found = []
    for trees in filter(None, policies.values()):
        reading = _Reading(functions)
        reading.take(trees, {}, _DEPTH)
        found.append(reading.found)
    return found


class _Reading:
    """Reads the expressions of a policy and of the functions that it calls."""

    def __init__(self, functions: Mapping[str, list[Function]]) -> None:
        self._functions = functions
        self.found = Paths()

    def take(self, trees: Iterable[Node], known: Mapping[str, Term], depth: int) -> None:
        """Note all comparisons; ``known`` are the parameters of a function, by name and as ``$1``; none in a policy."""
        for tree in trees:
            self.found.tables.update(sqltree.tables(tree))
            for node in sqltree.walk(tree):
                self._compare(node, known)
                self._call(node, known, depth)

    def _compare(self, node: Node, known: Mapping[str, Term]) -> None:
        for one, others, is_pattern in _comparisons(node):
            term = self._term(one, known)
            if term is None:
                continue
            texts = [text for other in others if isinstance(text := sqltree.constant(sqltree.uncast(other)), str)]
            for text in texts:
                self._note(term, _beginning(text) if is_pattern else text)
            if not texts and term.kind == "folder":
                self.found.free.add(term.number)

    def _note(self, term: Term, text: str) -> None:
        if term.kind == "bucket" and text:
            self.found.buckets.setdefault(text)
        elif term.kind == "folder" and text:
            self.found.fixed.setdefault(term.number, text)
        elif term.kind == "path":
            for number, part in enumerate(text.split("/")[:-1], start=1):
                self.found.fixed.setdefault(number, part)

    def _call(self, node: Node, known: Mapping[str, Term], depth: int) -> None:
        name = sqltree.called(node)
        handed = {f"${n}": self._term(part, known) for n, part in enumerate(sqltree.arguments(node), start=1)}
        terms = {key: term for key, term in handed.items() if term is not None}
        for full_name in self._functions if name and depth else ():
            if name not in (full_name, full_name.partition(".")[2]):
                continue
            self.found.free.update(term.number for term in terms.values() if term.kind == "folder")
            for function in self._functions[full_name]:
                names = function.parameters
                named = {names[int(key[1:]) - 1]: term for key, term in terms.items() if int(key[1:]) <= len(names)}
                self.take(function.trees, {**terms, **named, "": Term("")}, depth - 1)

    def _term(self, node: Node, known: Mapping[str, Term]) -> Term | None:
        node = sqltree.uncast(node)
        if key := sqltree.parameter(node):
            return known.get(key)
        if sqltree.kind(node) == "ColumnRef":
            names = next(sqltree.columns(node))
            if known:
                return known.get(names[-1])
            return _COLUMNS.get(names[-1]) if names[:-1] in ([], ["objects"]) else None
        if (element := sqltree.element(node)) is not None:
            base = self._term(element[0], known)
            return Term("folder", element[1]) if base is not None and base.kind == "folders" else None
        return self._of_call(node, known)

    def _of_call(self, node: Node, known: Mapping[str, Term]) -> Term | None:
        name = sqltree.called(node).rpartition(".")[2]
        parts = sqltree.arguments(node)
        base = self._term(parts[0], known) if name and parts else None
        if base is None:
            return None
        if any(name == own.rpartition(".")[2] for own in self._functions):
            return None  # what the schema's own function makes of it is followed, and need not be the path
        if base.kind == "path" and name in ("foldername", "string_to_array", "regexp_split_to_array"):
            return Term("folders")
        if base.kind == "path" and name == "split_part":
            number = sqltree.constant(parts[-1])
            return Term("folder", number) if isinstance(number, int) and number > 0 else None
        return base if len(parts) == 1 and name not in ("filename", "extension") else None


_COLUMNS = {"bucket_id": Term("bucket"), "name": Term("path"), "path_tokens": Term("folders")}


def _comparisons(node: Node) -> Iterator[tuple[Node, list[Node], bool]]:
    """What is compared with what, either way round, and whether that is a pattern."""
    if (liked := sqltree.liked(node)) is not None:
        yield liked[0], [liked[1]], True
    elif sqltree.called(node).rpartition(".")[2] == "starts_with" and len(parts := sqltree.arguments(node)) == 2:
        yield parts[0], [parts[1]], True
    elif (sought := sqltree.sought(node)) is not None:
        yield sought, [], False
    elif (compared := sqltree.comparison(node)) is not None and compared[0] in ("=", "<>", "in", "= any"):
        operator, left, right = compared
        several = sqltree.elements(right[0]) if operator == "= any" and right else []
        yield left, several or right, False
        for part in right:
            yield part, [left], False


def _beginning(pattern: str) -> str:
    """The text with which a pattern begins."""
    found = _LITERAL.match(pattern.partition("%")[0])
    return found[1] if found else ""
