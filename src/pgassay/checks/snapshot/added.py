"""Differences of roles, of the platform's state, and of kinds of objects that few projects have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pgassay.checks.snapshot import layout
from pgassay.checks.snapshot.grades import UNSHOWN, Change, Grade, Graded, plain
from pgassay.checks.snapshot.state import Object

_STRONG = {
    "superuser": "may do everything",
    "bypassrls": "passes row level security",
    "createrole": "may make roles and give their rights",
    "replication": "may read what is replicated",
}
"""What attributes of a role are worth."""
_TRUSTED = ("role", "session_replication_role", "row_security", "pgrst.")
"""How settings begin by which somebody may get at more: roles and triggers of the session, and PostgREST's own."""


def _new_role(role: Object) -> Graded:
    strong = [words for attribute, words in _STRONG.items() if role.entries.get(attribute) == "yes"]
    if strong:
        return Grade.LOOSENS, f"role is new, and {' and '.join(strong)}"
    joined = [key.removeprefix("member of ") for key in role.entries if key.startswith("member of ")]
    if joined:
        return Grade.LOOSENS, f"role is new, and has the rights of {' and '.join(sorted(joined))}"
    return Grade.ADDS, "role is new"


def _role(change: Change) -> Graded:
    if change.key.startswith("member of "):
        return _membership(change)
    if change.key.startswith("set "):
        return _setting(change)
    if change.key in ("connection limit", "valid until"):
        return plain(change)
    usual = "yes" if change.key == "inherit" else "no"
    after = change.after or usual
    if after == "yes":
        return Grade.LOOSENS, f"it {_STRONG.get(change.key, f'has the attribute {change.key}')} now"
    return Grade.BREAKS, f"it has not the attribute {change.key} any more"


def _membership(change: Change) -> Graded:
    role = change.key.removeprefix("member of ")
    before, after = (None if text == "no" else text for text in (change.before, change.after))
    if after is None:
        return Grade.BREAKS, f"it has not the rights of {role} any more"
    if before is None:
        return Grade.LOOSENS, f"it has the rights of {role} now"
    return Grade.LOOSENS, f"its membership of {role} is {after or 'a plain one'} now: {UNSHOWN}"


def _setting(change: Change) -> Graded:
    setting = change.key.removeprefix("set ")
    what = f"{setting} is {change.after or 'not set'} now"
    if setting == _TRUSTED[0] or setting.startswith(_TRUSTED[1:]):
        return Grade.LOOSENS, f"{what}, which may open more"
    return Grade.CHANGES, what


def _new_bucket(bucket: Object) -> Graded:
    if bucket.entries.get("public") == "yes":
        return Grade.LOOSENS, "bucket is new, and public: who has a file's name reads it"
    return Grade.ADDS, "bucket is new"


def _bucket(change: Change) -> Graded:
    if change.key == "public":
        if change.after == "yes":
            return Grade.LOOSENS, "it is public now: who has a file's name reads it"
        return Grade.BREAKS, "it is not public any more"
    if change.key == "file size limit":
        before, after = (None if text is None else int(text) for text in (change.before, change.after))
        wider = before is not None and (after is None or after > before)
        return (Grade.LOOSENS if wider else Grade.BREAKS), f"files of {change.after or 'any'} bytes may be uploaded now"
    if change.key == "mime types":
        old, new = (None if text is None else set(layout.parts(text)) for text in (change.before, change.after))
        wider = old is not None and (new is None or not new <= old)
        return (Grade.LOOSENS if wider else Grade.BREAKS), f"files of {change.after or 'any type'} may be uploaded now"
    return plain(change)


def _cloned_trigger(change: Change) -> Graded:
    if change.after in ("disabled", "enabled for replicas only"):
        return Grade.LOOSENS, f"{change.key} does not fire on this partition any more"
    if change.before in ("disabled", "enabled for replicas only"):
        return Grade.CHANGES, f"{change.key} fires on this partition now"
    return Grade.CHANGES, f"{change.key} was changed on this partition"


def _label(change: Change) -> Graded:
    if change.before is None:
        return Grade.CHANGES, f"label of {change.key} is new"
    return Grade.LOOSENS, f"label of {change.key} was {'dropped' if change.after is None else 'changed'}: {UNSHOWN}"


def _decided(change: Change) -> Graded:
    """Which function an operator is."""
    if change.kind == "operator":
        return Grade.LOOSENS, f"{change.after} decides it now, and conditions may rely on it: {UNSHOWN}"
    if change.kind == "event trigger":
        return Grade.LOOSENS, f"it calls {change.after} now: {UNSHOWN}"
    return plain(change)


def _tags(change: Change) -> Graded:
    before, after = (None if text is None else set(layout.parts(text)) for text in (change.before, change.after))
    fewer = after is not None and (before is None or not before <= after)
    return (Grade.LOOSENS if fewer else Grade.CHANGES), f"it fires for {change.after or 'every command'} now"


KINDS: Mapping[str, Callable[[Change], Graded]] = {
    "role": _role,
    "settings": _setting,
    "bucket": _bucket,
    "security label": _label,
}
"""By the kind of the object, for those whose entries nobody else judges."""
NEW: Mapping[str, Callable[[Object], Graded]] = {
    "role": _new_role,
    "bucket": _new_bucket,
}
"""New objects that may open something."""
JUDGES: Mapping[str, Callable[[Change], Graded]] = {
    "cloned trigger": _cloned_trigger,
    "function": _decided,
    "tags": _tags,
}
"""By how the key of an entry begins."""
