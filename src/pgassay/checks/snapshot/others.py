"""Differences of views, functions, types, sequences, publications and event triggers, and of what was observed."""

from __future__ import annotations

from pgassay import sqltree
from pgassay.checks.snapshot import bodies, entries, layout
from pgassay.checks.snapshot.grades import UNSHOWN, Change, Grade, Graded, plain
from pgassay.checks.snapshot.reach import is_invoker, is_on, options, reaching
from pgassay.checks.snapshot.reading import OWNER
from pgassay.schema import implying

_REACH = {"none": 0, "own": 1, "some": 2, "all": 3}


def _owner(change: Change) -> Graded:
    grade = Grade.CHANGES if change.after == OWNER else Grade.LOOSENS
    return grade, f"it belongs to {change.after} now, and not to {change.before}"


def _viewoptions(change: Change) -> Graded:
    before, after = (options(text or "") for text in (change.before, change.after))
    if change.kind == "view":
        if is_on(before.get("security_invoker")) and not is_on(after.get("security_invoker")):
            return Grade.LOOSENS, "it reads with its owner's rights now (security_invoker is gone)"
        if is_on(before.get("security_barrier")) and not is_on(after.get("security_barrier")):
            return Grade.LOOSENS, "conditions of its readers see rows before it filters them (security_barrier is gone)"
        order = (None, "local", "cascaded")
        if order.index(after.get("check_option")) < order.index(before.get("check_option")):
            return Grade.LOOSENS, "rows can be written through it that it does not show (check_option)"
    return Grade.CHANGES, f"its options are {change.after or 'none'} now"


def _definition(change: Change) -> Graded:
    readers = " and ".join(sorted(reaching(change.new, change.state)))
    shown = change.kind == "materialized view" or not is_invoker(change.new)
    if readers and shown and not _shows_less(change.before or "", change.after or ""):
        return Grade.LOOSENS, f"it may show other rows to {readers}, past row level security: {UNSHOWN}"
    return Grade.CHANGES, "its query was changed"


def _shows_less(before: str, after: str) -> bool:
    """Whether a query shows no rows but those that it showed, and in the columns that it had the same as before."""
    old, new = entries.query(before), entries.query(after)
    if old is None or new is None or old.source != new.source or not old.targets <= new.targets:
        return False
    return implying.shows(new.condition, old.condition)


def _arguments(change: Change) -> Graded:
    before, after = (
        [layout.clauses(argument, ("default",)) for argument in layout.parts(text or "")]
        for text in (change.before, change.after)
    )
    if [argument[""] for argument in before] != [argument[""] for argument in after]:
        return Grade.BREAKS, f"its arguments are ({change.after}) now"
    if any(len(one) > len(other) for one, other in zip(before, after, strict=True)):
        return Grade.BREAKS, "an argument lost its default"
    if change.new.name in change.relied_on:
        return Grade.LOOSENS, "a default of its arguments was changed, and policies or checks of access rely on it"
    return Grade.CHANGES, "a default of its arguments was changed"


def _returns(change: Change) -> Graded:
    return Grade.BREAKS, f"it returns {change.after or 'nothing'} now, and not {change.before or 'nothing'}"


def _security(change: Change) -> Graded:
    if change.after == "definer":
        return Grade.LOOSENS, "it has its owner's rights now (SECURITY DEFINER)"
    return Grade.CHANGES, "it has its caller's rights now (SECURITY INVOKER)"


def _setting(change: Change) -> Graded:
    setting = change.key.removeprefix("set ")
    if setting == "search_path":
        definer = change.new.entries.get("security") == "definer"
        if change.after is None:
            return Grade.LOOSENS, "it has no search_path of its own any more"
        if change.before is not None and definer:
            return Grade.LOOSENS, f"it has its owner's rights, and its search_path is {change.after} now"
    elif setting in ("role", "row_security") and change.after is not None:
        return Grade.LOOSENS, f"it runs with {setting} = {change.after}"
    return Grade.CHANGES, f"{setting} is {change.after} in it now" if change.after else f"{setting} is not set in it"


def _leakproof(change: Change) -> Graded:
    if change.after is not None:
        return Grade.LOOSENS, "it sees rows before a security barrier filters them (LEAKPROOF)"
    return Grade.CHANGES, "it is leakproof no more"


def _body(change: Change) -> Graded:
    why = _trusted(change)
    if not why:
        return Grade.CHANGES, f"its {change.key} was changed"
    if change.key == "body" and bodies.is_narrower(change.old, change.new, change.state):
        return Grade.CHANGES, f"its {change.key} was changed, and lets through no more than before"
    return Grade.LOOSENS, f"its {change.key} was changed, and {why}: {UNSHOWN}"


def _trusted(change: Change) -> str:
    """Why access hangs on what a function does; nothing where it does not."""
    if change.new.name in change.relied_on:
        return "policies or checks of access rely on it"
    if change.new.entries.get("returns") in ("trigger", "event_trigger"):
        return "it may be what refuses a row"
    return "it has its owner's rights" if change.new.entries.get("security") == "definer" else ""


def _strict(change: Change) -> Graded:
    if change.after is None and _trusted(change):
        return Grade.LOOSENS, f"it answers where an argument is NULL, and {_trusted(change)}"
    return plain(change)


def _values(change: Change) -> Graded:
    before, after = ((text or "").split("\n") for text in (change.before, change.after))
    lost = [value for value in before if value not in after]
    if lost:
        return Grade.BREAKS, f"it has no {', '.join(lost)} any more"
    if [value for value in after if value in before] != before:
        return Grade.CHANGES, "its values sort in another order"
    return Grade.ADDS, f"it has {', '.join(value for value in after if value not in before)} now"


def _attributes(change: Change) -> Graded:
    before, after = ((text or "").split("\n") for text in (change.before, change.after))
    if set(before) <= set(after):
        return Grade.CHANGES, "it has another attribute, or another order of them"
    return Grade.BREAKS, "an attribute of it went away or has another type"


def _not_null(change: Change) -> Graded:
    if change.after is None:
        return Grade.LOOSENS, "it may be NULL"
    return Grade.CHANGES, "it may not be NULL"


def _type(change: Change) -> Graded:
    return Grade.BREAKS, f"it is {change.after} now, and not {change.before}"


def _sequence_or_options(change: Change) -> Graded:
    if change.kind != "sequence":
        return _viewoptions(change)
    types = [(text or "").split(" ", 1)[0] for text in (change.before, change.after)]
    if types[0] != types[1]:
        return Grade.BREAKS, f"it is {types[1]} now, and not {types[0]}"
    return Grade.CHANGES, f"it runs {change.after} now"


def _published(change: Change) -> Graded:
    if change.before is None:
        return Grade.LOOSENS, f"{change.key} is published now"
    if change.after is None:
        return Grade.BREAKS, f"{change.key} is not published any more"
    before, after = (layout.clauses(text, ("where",)) for text in (change.before, change.after))
    columns = [set(layout.parts(part[""].removeprefix("(").removesuffix(")"))) for part in (before, after)]
    if columns[0] and not (columns[1] and columns[1] <= columns[0]):
        return Grade.LOOSENS, f"more columns of {change.key} are published now"
    old, new = (sqltree.expression(part.get("where", "true")) for part in (before, after))
    if not implying.implies(new, old):
        return Grade.LOOSENS, f"other rows of {change.key} may be published now: {UNSHOWN}"
    return Grade.BREAKS, f"less of {change.key} is published now"


def _publishes(change: Change) -> Graded:
    before, after = (set((text or "").split(", ")) for text in (change.before, change.after))
    return (Grade.CHANGES if before <= after else Grade.BREAKS), f"it publishes {change.after or 'nothing'} now"


def _moved(change: Change) -> Graded:
    return Grade.BREAKS, f"it is in the schema {change.after} now, and not in {change.before}"


def _fires(change: Change) -> Graded:
    if change.after in ("disabled", "enabled for replicas only"):
        return Grade.LOOSENS, "it does not fire any more"
    return Grade.CHANGES, "it fires now"


def access(change: Change) -> Graded:
    """What an identity was observed to reach."""
    if change.before is None or change.after is None:
        return Grade.CHANGES, f"{change.key} was {'not ' * (change.before is None)}tried before"
    before, after = (_reaches(text) for text in (change.before, change.after))
    wider = [word for word, reach in after.items() if reach > before.get(word, 0)]
    if wider:
        return Grade.LOOSENS, f"{change.key} reaches more rows now with {', '.join(wider)}"
    return Grade.BREAKS, f"{change.key} reaches fewer rows now"


def _reaches(text: str) -> dict[str, int]:
    words = (part.split(" ", 1) for part in text.split(", "))
    return {operation: _REACH.get(reach, 0) for operation, reach in words}


JUDGES = {
    "owner": _owner,
    "options": _sequence_or_options,
    "definition": _definition,
    "arguments": _arguments,
    "returns": _returns,
    "security": _security,
    "set": _setting,
    "leakproof": _leakproof,
    "body": _body,
    "language": _body,
    "strict": _strict,
    "values": _values,
    "attributes": _attributes,
    "not null": _not_null,
    "type": _type,
    "of": _type,
    "table": _published,
    "tables of": _published,
    "all tables": _published,
    "publishes": _publishes,
    "schema": _moved,
    "fires": _fires,
}
"""By how the key of an entry begins."""
