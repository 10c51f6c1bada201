"""What the server says besides rows: notices, warnings and errors, with their details and hints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pgassay.checks.isolation.writes import RAISED
from pgassay.identity import Session

_COLLISIONS = ("23505", "23P01")


@contextmanager
def heard(session: Session) -> Iterator[list[list[str]]]:
    """The words of notices and warnings within the block, in the last of some lists."""
    words: list[list[str]] = [[]]

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        words[-1].extend(said(notice))

    session.add_notice_handler(hear)
    try:
        yield words
    finally:
        session.remove_notice_handler(hear)


def said(diagnostic: psycopg.errors.Diagnostic) -> list[str]:
    """What the API tells of a message; of a key that is taken without the key, which comes of what was sent."""
    is_taken = diagnostic.sqlstate in _COLLISIONS and diagnostic.source_function != RAISED
    detail = None if is_taken else diagnostic.message_detail
    told = (diagnostic.message_primary, detail, diagnostic.message_hint)
    return [words for words in told if words]
