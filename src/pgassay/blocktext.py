"""DO blocks as text: the statements in one that are replaced by calls, which a block makes by PERFORM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from pgassay.sqltree import trees, words

_BEFORE_A_STATEMENT = {"begin", "then", "else", "loop", ";"}
_VERBS = {"create", "alter", "drop", "comment", "security", "import"}

Calls = Callable[[Any], Sequence[sql.Composed]]


@dataclass(frozen=True)
class _Piece:
    """A statement in the body: where it stands, in bytes, and its text."""

    start: int
    end: int
    text: str


def body_of(node: Any) -> tuple[str, str]:
    """The body of a DO statement, and the language that it is in."""
    options = {option.def_elem.defname: option.def_elem.arg.string.sval for option in node.args}
    return options.get("as", ""), options.get("language", "plpgsql")


def statements(body: str) -> Iterator[tuple[Any, _Piece]]:
    """The statements about objects of the schema that a body executes as they stand there, as the parser reads them."""
    for piece in _pieces(body):
        parsed = trees.parsed(piece.text) or []
        if len(parsed) == 1:
            yield parsed[0], piece


def rewritten(body: str, calls: Calls) -> str | None:
    """A DO statement whose body makes the ``calls`` in place of the statements that they are for; None without any.

    Each line stays where it is.
    """
    encoded = body.encode()
    parts: list[bytes] = []
    end = 0
    for node, piece in statements(body):
        called = calls(node)
        if not called:
            continue
        texts = [each.as_string(None) for each in called]
        performed = "; ".join(
            "perform " + text.removeprefix("select ") if text.startswith("select ") else text for text in texts
        )
        lines = encoded.count(b"\n", piece.start, piece.end)
        parts += [encoded[end : piece.start], performed.encode(), b"\n" * lines]
        end = piece.end
    if not parts:
        return None
    whole = b"".join([*parts, encoded[end:]]).decode()
    tag = "$pgassay$"
    while tag in whole:
        tag = tag[:-1] + "_$"
    return f"do language plpgsql {tag}{whole}{tag}"


def _pieces(body: str) -> Iterator[_Piece]:
    """What stands between two semicolons and begins with a verb; and literals that EXECUTE gets, and nothing else."""
    said = words.said(body)
    encoded = body.encode()
    texts = [word.text.lower() for word in said]
    for number, text in enumerate(texts):
        if number and texts[number - 1] not in _BEFORE_A_STATEMENT:
            continue
        if text == "execute" and texts[number + 2 : number + 3] == [";"] and said[number + 1].is_text:
            yield _Piece(said[number].start, said[number + 1].end, said[number + 1].value)
        elif text in _VERBS:
            last = next((n for n in range(number, len(texts)) if texts[n] == ";"), len(texts))
            start, end = said[number].start, said[last - 1].end
            yield _Piece(start, end, encoded[start:end].decode())
