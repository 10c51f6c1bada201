"""What was observed of access before and after, said beside what a change of the text may have loosened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pgassay.checks.snapshot import others
from pgassay.checks.snapshot.grades import Change, Difference, Grade
from pgassay.checks.snapshot.state import Object, State

_CALLED = ("function", "procedure", "aggregate")
_RELATIONS = ("table", "foreign table", "view", "materialized view")


def told(differences: Iterable[Difference], before: State, after: State) -> Iterator[Difference]:
    """The differences, those that loosen with whether anybody was seen to reach more.

    At a table or view, that is asked of its own rows; at all else, of the rows of all tables that were tried on both
    sides. Nothing is said where nothing was tried. Functions are not called here, so that is said of them.
    """
    wider = {old.name: list(_wider(old, new, after)) for old, new in _tried(before, after)}
    for difference in differences:
        if difference.grade is not Grade.LOOSENS or difference.object.kind == "access" or not wider:
            yield difference
            continue
        name = difference.object.name
        if difference.object.kind in _RELATIONS:
            seen, where = wider.get(name), "of its rows"
        else:
            seen, where = [line for lines in wider.values() for line in lines], "rows"
        if seen is None:
            yield difference
        elif seen:
            yield replace(difference, what=f"{difference.what}; observed: {seen[0]}")
        elif difference.object.kind in _CALLED:
            said = "nobody was observed to reach more in tables and views; it was not called, as pgassay check does"
            yield replace(difference, what=f"{difference.what}; {said}")
        else:
            yield replace(difference, what=f"{difference.what}; nobody was observed to reach more {where}")


def _tried(before: State, after: State) -> Iterator[tuple[Object, Object]]:
    for key, old in before.objects.items():
        if old.kind == "access" and key in after.objects:
            yield old, after.objects[key]


def _wider(old: Object, new: Object, after: State) -> Iterator[str]:
    for who in old.entries:
        if who in new.entries:
            change = Change(old, new, who, old.entries[who], new.entries[who], frozenset(), after)
            grade, what = others.access(change)
            if grade is Grade.LOOSENS:
                yield f"{what} ({old.name})"
