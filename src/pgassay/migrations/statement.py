"""Statements of a script: where each begins, what it begins with, and what the parser makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pgassay.sqltree import trees, words

_TRANSACTION_CONTROL = ("begin", "start", "commit", "end", "rollback", "abort")
_DATA = ("insert", "update", "delete", "select", "with", "values", "merge", "table", "copy")
"""Verbs of statements about rows, of which a file may have any number: nothing has to be known of them."""
_WORD = re.compile(r"\w*")


@dataclass(frozen=True)
class Statement:
    """A statement of a script, with the comments before it, and the line that it begins at."""

    text: str
    line: int

    @property
    def code_line(self) -> int:
        """The line of its first word."""
        return self.line + code_offset(self.text)

    @cached_property
    def verb(self) -> str:
        """Its first word, in lower case."""
        return _first_word(self.text).lower()

    @property
    def ends_transaction(self) -> bool:
        """Whether it begins or ends a transaction."""
        return _ends_transaction(self)

    @cached_property
    def words(self) -> list[str]:
        """Its tokens in lower case, without comments; none where it cannot be read."""
        return _words(self.text)

    @cached_property
    def node(self) -> Any:
        """The statement as the parser reads it; None where it is about rows, cannot be read, or is several."""
        if self.verb in _DATA:
            return None
        parsed = trees.parsed(self.text) or []
        return parsed[0] if len(parsed) == 1 else None


def statements_of(text: str) -> list[Statement] | None:
    """The statements of ``text``; None where the parser does not know the syntax."""
    return None if words.split(text) is None else split(text)


def statements(text: str) -> list[str]:
    """The statements of ``text`` as the Supabase CLI writes them into its ledger: with the comments before each."""
    found = []
    start = position = 0
    for statement in split(text):
        position = text.index(statement.text, position) + len(statement.text)
        found.append(text[start:position].lstrip(";").strip().removesuffix(";").rstrip())
        start = position
    rest = text[start:].lstrip(";").strip()
    return [*found, rest] if rest else found


def split(text: str) -> list[Statement]:
    """The statements of ``text``; all of it as one where the parser does not know the syntax: the server judges.

    The server's simple protocol takes several statements at once.
    """
    return list(_split(text))


@lru_cache(maxsize=64)
def _split(text: str) -> tuple[Statement, ...]:
    parts = words.split(text)
    if parts is None:
        parts = [text]
    statements = []
    position = counted = 0
    line = 1
    for part in parts:
        position = text.index(part, position)
        body = part.lstrip()
        start = position + len(part) - len(body)
        line += text.count("\n", counted, start)
        statements.append(Statement(body, line))
        position, counted = position + len(part), start
    return tuple(statements)


def code_offset(text: str) -> int:
    """How many lines of comments and space stand before the first word of ``text``."""
    first = next(iter(words.said(text)), None)
    return 0 if first is None else text.encode()[: first.start].count(b"\n")


def _ends_transaction(statement: Statement) -> bool:
    if statement.verb == "prepare":
        return statement.words[1:2] == ["transaction"]
    return statement.verb in _TRANSACTION_CONTROL


def _first_word(text: str) -> str:
    """The first word of a statement, after the comments before it."""
    start = 0
    while start < len(text):
        if text[start].isspace():
            start += 1
        elif text.startswith("--", start):
            start = (text.find("\n", start) + 1) or len(text)
        elif text.startswith("/*", start):
            start = _end_of_comment(text, start)
        else:
            break
    return _WORD.match(text, start)[0]  # type: ignore[index]


def _end_of_comment(text: str, start: int) -> int:
    """The end of a comment in slashes and asterisks, which may have others in it."""
    depth, position = 0, start
    while position < len(text):
        pair = text[position : position + 2]
        depth += (pair == "/*") - (pair == "*/")
        position += 2 if pair in ("/*", "*/") else 1
        if not depth:
            break
    return position


def _words(text: str) -> list[str]:
    """The tokens of ``text`` in lower case, without comments; none where it cannot be read."""
    return [word.text.lower() for word in words.said(text)]
