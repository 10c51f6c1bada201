"""Pages by key: a cursor holds the place after which the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from campaigns.problems import Problem

MOST = 100
"""The largest page."""

_LARGEST = 2**63 - 1
_READERS: dict[type, Callable[[Any], object]] = {
    datetime: lambda value: datetime.fromisoformat(value),
    UUID: lambda value: UUID(value),
    int: lambda value: _bigint(value),
}


@dataclass(frozen=True)
class Page:
    """Rows of one page, and the cursor of the next one; None for the last page."""

    items: list[dict[str, Any]]
    next: str | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"items": self.items, "next": self.next}


def page(rows: list[dict[str, Any]], limit: int, key: Sequence[str]) -> Page:
    """The page that these rows make, of which one more than `limit` was asked for."""
    items = rows[:limit]
    return Page(items, _cursor([items[-1][name] for name in key]) if len(rows) > limit else None)


def place(cursor: str | None, kinds: Sequence[type]) -> list[Any]:
    """The values of a cursor; as many None for no cursor. Raises `Problem` for one that is none of ours."""
    if cursor is None:
        return [None] * len(kinds)
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        return [_READERS[kind](value) for kind, value in zip(kinds, values, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise Problem(400, "after is no cursor that a page has given as next.", field="after") from None


def _cursor(values: Sequence[object]) -> str:
    texts = [value if isinstance(value, int) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode()


def _bigint(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(value)
    return value
