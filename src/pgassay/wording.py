"""Numbers of things in sentences."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number of things, as a person writes it."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
