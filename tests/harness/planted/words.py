"""Faults of the words and SQLSTATEs with which something is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgassay import Edit, Fault


def codes_and_words(function: str, test: Any, *texts: tuple[str, str, str], name: str = "") -> Iterator[Fault]:
    """A fault for each (what, old, new) of a refusal."""
    for what, old, new in texts:
        yield Fault(f"{name or function}: {what}", Edit(function, old, new), test)
