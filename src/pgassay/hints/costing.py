"""What a failure of ours costs while a schema is read: the one thing that was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pgassay.errors import internal_error


@contextmanager
def costing(name: str, unread: dict[str, str]) -> Iterator[None]:
    """A block whose failure costs what it reads, which is ``name``'s, and nothing else."""
    try:
        yield
    except psycopg.Error:
        raise
    except Exception as error:
        unread.setdefault(name, internal_error(error))
