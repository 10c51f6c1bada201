"""Moments that Python has no value for, as ``infinity``: they are read as their text."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader


class _AsText:
    """Whatever its other base cannot load, as text."""

    def load(self, data: Buffer) -> Any:
        try:
            return super().load(data)  # type: ignore[misc]  # of the loader besides
        except psycopg.DataError:
            return bytes(data).decode()


class _Date(_AsText, DateLoader):
    pass


class _Timestamp(_AsText, TimestampLoader):
    pass


class _Timestamptz(_AsText, TimestamptzLoader):
    pass


def as_text(context: AdaptContext) -> None:
    """Have such moments read as text by a connection or cursor, which would fail else."""
    if context.adapters is not None:
        for name, loader in (("date", _Date), ("timestamp", _Timestamp), ("timestamptz", _Timestamptz)):
            context.adapters.register_loader(name, loader)
