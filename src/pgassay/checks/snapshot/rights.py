"""Differences of rights: what a role may do to an object, and to those that are made from now on."""

from __future__ import annotations

from pgassay.checks.snapshot import layout
from pgassay.checks.snapshot.grades import Change, Grade, Graded
from pgassay.checks.snapshot.reading import ALL, OWNER, RIGHTS
from pgassay.checks.snapshot.state import PLATFORM_RIGHTS

Right = tuple[str, str, bool]
"""A right, the column that it is on or nothing, and whether it may be passed on."""


def _grant(change: Change) -> Graded:
    role = change.key.rsplit(" to ", 1)[1]
    kind = change.kind if change.kind in RIGHTS else "table"
    if change.kind == PLATFORM_RIGHTS:
        kind = change.new.name.split(" ", 1)[0]
    kind = "function" if change.kind in ("function", "aggregate") else kind
    kind = "type" if change.kind in ("enum", "domain", "composite type", "range type") else kind
    missing = ""
    if role == OWNER:
        missing = ALL if len(RIGHTS[kind]) > 1 else next(iter(RIGHTS[kind]))
    elif kind == "type" and role == "public":
        missing = "usage"
    before, after = (_rights(text if text is not None else missing, kind) for text in (change.before, change.after))
    more = sorted(right for right in after if not _has(before, right))
    if more:
        return Grade.LOOSENS, f"{role} may {_rights_in_words(more)} now"
    less = sorted(right for right in before if not _has(after, right))
    if not less:
        return Grade.CHANGES, f"{role} has the same rights as before, written otherwise"
    return Grade.BREAKS, f"{role} may not {_rights_in_words(less)} any more"


def _rights(text: str, kind: str) -> set[Right]:
    found: set[Right] = set()
    for part in layout.parts("" if text == "nothing" else text):
        written = layout.clauses(part, ("with", "grant", "option"))
        right, _, columns = written[""].partition("(")
        for one in RIGHTS[kind] if right.strip() == ALL.lower() else (right.strip(),):
            for column in layout.parts(columns.removesuffix(")")) or ("",):
                found |= {(one, column, False)} | ({(one, column, True)} if len(written) > 1 else set())
    return found


def _has(rights: set[Right], wanted: Right) -> bool:
    return wanted in rights or (wanted[0], "", wanted[2]) in rights


def _rights_in_words(rights: list[Right]) -> str:
    parts: dict[str, list[str]] = {}
    for right, column, option in rights:
        parts.setdefault("pass on " * option + right, []).append(column)
    return ", ".join(f"{right} ({', '.join(columns)})" if any(columns) else right for right, columns in parts.items())


def _default_grant(change: Change) -> Graded:
    kinds, _, role = change.key.removeprefix("grant on ").partition(" to ")
    kind = kinds.removesuffix("s")
    before, after = (_rights(text or "", kind) for text in (change.before, change.after))
    if change.before == "nothing" or any(not _has(before, right) for right in after):
        return Grade.LOOSENS, f"{role} gets rights on {kinds} that are made from now on"
    return Grade.CHANGES, f"{role} gets fewer rights on {kinds} that are made from now on"


JUDGES = {
    "grant to": _grant,
    "grant on": _default_grant,
}
"""By how the key of an entry begins."""
