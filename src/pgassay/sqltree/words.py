"""The words of SQL, as libpg_query's scanner finds them: also where the whole is not understood."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import postgast

_REMEMBERED = 4096
_COMMENTS = ("SQL_COMMENT", "C_COMMENT")
_QUOTE = "'"
_KINDS = {number: str(name) for name, number in postgast.pg_query_pb2.Token.items()}
_KEYWORDS = {number: str(name) for name, number in postgast.pg_query_pb2.KeywordKind.items()}


@dataclass(frozen=True)
class Word:
    """A word as it is written, from the byte ``start`` to the byte ``end`` of the text.

    ``kind`` is the scanner's name for it, as ``IDENT`` or ``SCONST``; ``keyword`` says which kind of keyword it is.
    """

    text: str
    start: int
    end: int
    kind: str
    keyword: str

    @property
    def is_comment(self) -> bool:
        """Whether it is a comment, of either kind."""
        return self.kind in _COMMENTS

    @property
    def is_text(self) -> bool:
        """Whether it is a constant text, in quotes of any kind."""
        return self.kind == "SCONST"

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.kind in ("ICONST", "FCONST")

    @property
    def value(self) -> str:
        """What a constant text stands for."""
        text = self.text
        if text.startswith("$"):
            tag = text[: text.index("$", 1) + 1]
            return text[len(tag) : -len(tag)]
        inner = text[text.index(_QUOTE) + 1 : -1]
        if text[0] in "Ee":
            return inner.replace(_QUOTE * 2, _QUOTE).replace("\\\\", "\\")
        return "".join(part for n, part in enumerate(_pieces(inner)) if n % 2 == 0)


def _pieces(inner: str) -> list[str]:
    """What is within quotes, and between the parts of one constant that is written in several: ``'a'`` line ``'b'``."""
    pieces = [""]
    position = 0
    while position < len(inner):
        if inner.startswith(_QUOTE * 2, position) and len(pieces) % 2:
            pieces[-1] += _QUOTE
            position += 2
        elif inner[position] == _QUOTE:
            pieces.append("")
            position += 1
        else:
            pieces[-1] += inner[position]
            position += 1
    return pieces


@functools.lru_cache(_REMEMBERED)
def scanned(text: str) -> tuple[Word, ...] | None:
    """The words of ``text``, with its comments; None where it is no SQL."""
    try:
        found = postgast.scan(text).tokens
    except postgast.PgQueryError:
        return None
    encoded = text.encode()
    return tuple(
        Word(
            encoded[token.start : token.end].decode(),
            token.start,
            token.end,
            _KINDS.get(token.token, ""),  # nothing for a character that no SQL has, as a brace
            _KEYWORDS[token.keyword_kind],
        )
        for token in found
    )


def said(text: str) -> list[Word]:
    """The words of ``text`` without its comments; none where it is no SQL."""
    return [word for word in scanned(text) or () if not word.is_comment]


def split(text: str) -> Sequence[str] | None:
    """The statements of ``text``, as they are written; None where the parser does not know the syntax."""
    try:
        parts: Sequence[str] = postgast.split(text)
    except postgast.PgQueryError:
        return None
    return parts
