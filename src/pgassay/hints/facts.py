"""Facts: what a schema's own SQL compares, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

OBJECTS = "storage.objects"


class Column(NamedTuple):
    """A column of a relation, which is written ``schema.name``."""

    relation: str
    name: str


class Folder(NamedTuple):
    """That part of the path of a stored object, counted from 1."""

    part: int


class Claim(NamedTuple):
    """A claim of the caller's token, or all of them."""

    path: tuple[str, ...]


CALLER = "caller"
Term = Column | Folder | Claim | str | None
"""What an expression stands for: a column, a folder, a claim of the caller's, the caller's id, or nothing known."""


@dataclass
class Facts:
    """What was compared: columns with the caller's id (``callers``) or with a claim, folders of objects with whom.

    ``fixed_folders`` are those that have a name of their own, as ``teams`` in ``teams/<id>/file``. ``timed`` are
    columns that are compared with the present time, ``later`` those of them that it must not have reached. ``joins``
    are pairs of columns of two relations that have to be equal.
    """

    callers: set[Column] = field(default_factory=set)
    claims: set[tuple[Column, tuple[str, ...]]] = field(default_factory=set)
    columns: set[Column] = field(default_factory=set)
    folders: set[int] = field(default_factory=set)
    own_folders: set[int] = field(default_factory=set)
    fixed_folders: set[int] = field(default_factory=set)
    timed: set[Column] = field(default_factory=set)
    later: set[Column] = field(default_factory=set)
    joins: set[frozenset[Column]] = field(default_factory=set)

    def add(self, other: Facts) -> None:
        """Take in all that ``other`` knows."""
        self.callers |= other.callers
        self.claims |= other.claims
        self.columns |= other.columns
        self.folders |= other.folders
        self.own_folders |= other.own_folders
        self.fixed_folders |= other.fixed_folders
        self.timed |= other.timed
        self.later |= other.later
        self.joins |= other.joins


Way = tuple[frozenset[str], ...]
"""What a policy asks for: a relation's own columns in each of the conditions that have to hold together."""


@dataclass(frozen=True)
class Hints:
    """What a schema's own SQL says. Relations are written ``schema.name``.

    ``policies`` are the facts of each relation's policies, of the functions in them too; ``elsewhere`` those of views
    and functions. ``ways`` are those by which rows of each are read, ``entries`` those by which they are written.
    ``defaults`` are the columns that are the caller by default, ``unique`` the columns of each unique key. Everybody
    may read ``open``, by a policy that says so; ``shown`` are relations that ``anon`` was given to read and not to
    write. API roles reach ``reached``; they, or what a function does, may write ``written``. ``unread`` says of objects
    whose SQL an error of ours kept from being read why.
    """

    policies: Mapping[str, Facts]
    ways: Mapping[str, tuple[Way, ...]]
    entries: Mapping[str, tuple[Way, ...]]
    elsewhere: Facts
    defaults: frozenset[Column]
    unique: Mapping[str, tuple[frozenset[str], ...]]
    open: Mapping[str, str]
    shown: frozenset[str]
    reached: frozenset[str]
    unread: Mapping[str, str] = field(default_factory=dict)
    written: frozenset[str] = frozenset()
