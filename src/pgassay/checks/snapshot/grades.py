"""Grades of differences, and what each difference is graded by."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pgassay.checks.snapshot.state import Object, State


class Grade(enum.IntEnum):
    """What a difference means, from harmless to dangerous."""

    ADDS = 1
    CHANGES = 2
    BREAKS = 3
    LOOSENS = 4

    @property
    def word(self) -> str:
        """As it is written in the configuration and in rules."""
        return self.name.lower()


@dataclass(frozen=True)
class Difference:
    """One difference: at ``object``, of its entry ``key`` or of all of it where that is empty, in words in ``what``.

    ``before`` and ``after`` are the texts of the entry, None where there is none.
    """

    grade: Grade
    object: Object
    key: str
    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """An entry that differs, and where it is; ``state`` is all that is there now.

    ``relied_on`` are the functions that decide who may what.
    """

    old: Object
    new: Object
    key: str
    before: str | None
    after: str | None
    relied_on: frozenset[str]
    state: State

    @property
    def kind(self) -> str:
        """Of which kind the object is."""
        return self.new.kind


UNSHOWN = "could not be shown to be narrower"
"""Said of what may let through more, because neither is proved."""

Graded = tuple[Grade, str]
"""A grade, and the difference in words."""


def plain(change: Change) -> Graded:
    """The grade of an entry of which nothing else is known."""
    if change.before is None:
        return (Grade.ADDS if change.key.startswith("comment") else Grade.CHANGES), f"{change.key} is new"
    if change.after is None:
        return Grade.CHANGES, f"{change.key} was dropped"
    return Grade.CHANGES, f"{change.key} was changed"
