"""Differences between two states of a schema, each graded by what it means to those who rely on it.

A grade is given by what a change may do: where its form does not show that access became no wider, it loosens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgassay.checks.snapshot import added, observed, others, rights, tables
from pgassay.checks.snapshot.equality import is_same
from pgassay.checks.snapshot.grades import Change, Difference, Grade, Graded, plain
from pgassay.checks.snapshot.reach import guards, is_definer, is_invoker, reaching
from pgassay.checks.snapshot.state import DROPPED, GONE, KINDS, Object, State

__all__ = ["Difference", "Grade", "compare"]

_RENAMED = ("constraint", "index", "policy", "trigger")
_COLLECTIONS = ("default privileges", "settings", "security label")
"""Kinds that are no more than their entries: there is no difference between none and an empty one."""


def compare(before: State, after: State) -> list[Difference]:
    """The differences in the order of the objects."""
    if not (any(kind == "access" for kind, _ in before.objects) and any(kind == "access" for kind, _ in after.objects)):
        before, after = before.without(["access"]), after.without(["access"])
    if untold := before.untold | after.untold:
        before, after = before.without(untold), after.without(untold)
    relied_on = guards(before) | guards(after)
    found: list[Difference] = []
    keys = sorted({**before.objects, **after.objects}, key=lambda key: (KINDS.index(key[0]), key[1]))
    for key in keys:
        old, new = before.objects.get(key), after.objects.get(key)
        if key[0] in _COLLECTIONS or any(thing is not None and thing.partial for thing in (old, new)):
            nothing = Object(*key, {}, partial=all(thing is None or thing.partial for thing in (old, new)))
            old, new = _comparable(old or nothing, new or nothing)
        if old is None:
            assert new is not None
            if key[0] != "access" or any((kind, key[1]) in before.objects for kind in ("table", "view")):
                found.append(_new(new, after))
        elif new is None:
            if key[0] != "access" or any((kind, key[1]) in after.objects for kind in ("table", "view")):
                found.append(_lost(old))
        else:
            found += _entries(old, new, relied_on, after)
    return list(observed.told(found, before, after))


def _comparable(old: Object, new: Object) -> tuple[Object, Object]:
    """Two of which one at least is told in part: what the other takes away was there, and the rest is not looked at."""
    if old.partial != new.partial:
        told = {key.removeprefix(GONE) for key in (old if old.partial else new).entries}
        old, new = (
            replace(thing, entries={k: v for k, v in thing.entries.items() if k.removeprefix(GONE) in told})
            for thing in (old, new)
        )
    sides = []
    for one, other in ((old, new), (new, old)):
        entries = {key: text for key, text in one.entries.items() if not key.startswith(GONE)}
        for key, text in other.entries.items():
            if key.startswith(GONE) and key not in one.entries and one.partial:
                entries.setdefault(key.removeprefix(GONE), text)
        sides.append(replace(one, entries=entries))
    return sides[0], sides[1]


def _entries(old: Object, new: Object, relied_on: frozenset[str], state: State) -> Iterator[Difference]:
    keys = [key for key in {**old.entries, **new.entries} if old.entries.get(key) != new.entries.get(key)]
    keys = [DROPPED] if DROPPED in keys else keys
    keys = [key for key in keys if key not in old.entries or key not in new.entries or not is_same(old, new, key)]
    renamed = dict(_renames(old, new, keys))
    comments = {f"comment on {key}" for pair in renamed.items() for key in pair}
    for key in keys:
        if key in renamed.values() or key in comments:
            continue
        before, after = old.entries.get(key), new.entries.get(key)
        if key in renamed:
            what = f"{key} is now called {renamed[key].split(' ', 1)[1]}"
            yield Difference(Grade.CHANGES, new, key, what, before, new.entries[renamed[key]])
            continue
        grade, what = _grade(Change(old, new, key, before, after, relied_on, state))
        yield Difference(grade, new, key, what, before, after)


def _renames(old: Object, new: Object, keys: list[str]) -> Iterator[tuple[str, str]]:
    """Entries that went under one name and came under another, with nothing else changed."""
    came = {key for key in keys if key not in old.entries}
    for key in keys:
        word = key.split(" ", 1)[0]
        if key in new.entries or word not in _RENAMED:
            continue
        same = sorted(k for k in came if k.startswith(f"{word} ") and new.entries[k] == old.entries[key])
        if same:
            came.discard(same[0])
            yield key, same[0]


def _grade(change: Change) -> Graded:
    if change.kind == "access":
        return others.access(change)
    if change.kind in added.KINDS:
        return added.KINDS[change.kind](change)
    for beginning, judge in _JUDGES.items():
        if change.key == beginning or change.key.startswith(f"{beginning} "):
            return judge(change)
    return plain(change)


def _new(new: Object, state: State) -> Difference:
    grade, what = Grade.ADDS, f"{new.kind} is new"
    if new.kind in added.NEW:
        grade, what = added.NEW[new.kind](new)
        return Difference(grade, new, "", what, None, _text(new))
    readers = " and ".join(sorted(reaching(new, state)))
    if readers and new.kind == "view" and not is_invoker(new):
        grade, what = Grade.LOOSENS, f"view is new, reads with its owner's rights, and {readers} may use it"
    elif readers and new.kind == "materialized view":
        grade, what = Grade.LOOSENS, f"materialized view is new, knows no row level security, and {readers} may use it"
    elif readers and is_definer(new):
        grade, what = (
            Grade.LOOSENS,
            f"function is new, has its owner's rights (SECURITY DEFINER), and {readers} may call it",
        )
    return Difference(grade, new, "", what, None, _text(new))


def _lost(old: Object) -> Difference:
    grade = {
        "event trigger": Grade.LOOSENS,
        "access": Grade.CHANGES,
        "default privileges": Grade.CHANGES,
        "statistics": Grade.CHANGES,
    }
    return Difference(
        grade.get(old.kind, Grade.BREAKS),
        old,
        "",
        "it is not judged any more" if old.kind == "access" else f"{old.kind} was dropped",
        _text(old),
        None,
    )


def _text(thing: Object) -> str:
    return "\n".join(line.removeprefix("    ") for line in thing.lines()[1:])


def _dropped(change: Change) -> Graded:
    if change.after is None:
        return Grade.ADDS, f"{change.kind} stays, which was dropped before"
    return Grade.BREAKS, f"{change.kind} was dropped"


_JUDGES = {DROPPED: _dropped, **added.JUDGES, **others.JUDGES, **tables.JUDGES, **rights.JUDGES}
"""By how the key of an entry begins."""
