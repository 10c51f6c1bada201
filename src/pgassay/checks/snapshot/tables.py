"""Differences of tables: their columns, constraints, indexes, policies, triggers and rules."""

from __future__ import annotations

from pgassay.checks.snapshot import entries, layout
from pgassay.checks.snapshot.entries import Constraint, Policy
from pgassay.checks.snapshot.grades import UNSHOWN, Change, Grade, Graded, plain
from pgassay.checks.snapshot.reach import bypassing, rest
from pgassay.checks.snapshot.state import State
from pgassay.schema.implying import implies


def _row_level_security(change: Change) -> Graded:
    before, after = change.before or "", change.after or ""
    if after.startswith("off") and not before.startswith("off"):
        return Grade.LOOSENS, "row level security was switched off"
    if "forced" in before and "forced" not in after:
        return Grade.LOOSENS, "row level security does not hold for its owner any more"
    return Grade.CHANGES, f"row level security is {after} now"


def _column(change: Change) -> Graded:
    if change.after is None:
        return Grade.BREAKS, f"{change.key} was dropped"
    after = entries.column(change.after)
    if change.before is None:
        if after.is_not_null and not after.has_default and not after.is_generated and change.kind == "table":
            return Grade.BREAKS, f"{change.key} is new, and an insert that leaves it out fails"
        return Grade.ADDS, f"{change.key} is new"
    before = entries.column(change.before)
    if before.type != after.type:
        return Grade.BREAKS, f"{change.key} is {after.type} now, and not {before.type}"
    if before.is_not_null and not after.is_not_null:
        return Grade.LOOSENS, f"{change.key} may be NULL"
    if after.is_generated and not before.is_generated:
        return Grade.BREAKS, f"{change.key} is generated now"
    if after.is_not_null and before.has_default and not after.has_default:
        return Grade.BREAKS, f"{change.key} has no default any more, and an insert that leaves it out fails"
    return Grade.CHANGES, f"{change.key} was changed"


def _constraint(change: Change) -> Graded:
    if change.before is None:
        return Grade.CHANGES, f"{change.key} is new, and refuses more rows"
    if change.after is None:
        return _gone_with_column(change) or (Grade.LOOSENS, f"{change.key} was dropped")
    before, after = (entries.constraint(text) for text in (change.before, change.after))
    if before is not None and after is not None:
        if before.is_valid and not after.is_valid:
            return Grade.LOOSENS, f"{change.key} does not hold for the rows that are there"
        judge = _CONSTRAINTS.get(after.kind) if after.is_enforced and before.kind == after.kind else None
        narrower = judge(before, after) if judge is not None else ""
        if narrower:
            return Grade.CHANGES, f"{change.key} {narrower}"
    return Grade.LOOSENS, f"{change.key} may let in what it refused: {UNSHOWN}"


def _check(before: Constraint, after: Constraint) -> str:
    return "refuses more rows" if implies(after.condition, before.condition, nulls_pass=True) else ""


def _foreign_key(before: Constraint, after: Constraint) -> str:
    same = before.reference == after.reference
    return "does something else when the row that it refers to goes or changes" if same else ""


def _unique(before: Constraint, after: Constraint) -> str:
    narrower = after.keys and after.keys <= before.keys and before.nulls_differ >= after.nulls_differ
    return "refuses more rows, or refuses them at another time" if narrower else ""


_CONSTRAINTS = {
    "CONSTR_CHECK": _check,
    "CONSTR_FOREIGN": _foreign_key,
    "CONSTR_UNIQUE": _unique,
    "CONSTR_PRIMARY": _unique,
}
"""How each kind may have become narrower, in words; nothing where it may have become wider."""


def _index(change: Change) -> Graded:
    unique = [text is not None and text.startswith("unique ") for text in (change.before, change.after)]
    if change.before is None:
        if unique[1]:
            return Grade.CHANGES, f"{change.key} is new, and refuses more rows"
        return Grade.ADDS, f"{change.key} is new"
    if unique[0] and change.after is None:
        return _gone_with_column(change) or (Grade.LOOSENS, f"{change.key} was dropped")
    if unique[0]:
        return Grade.LOOSENS, f"{change.key} may let in what it refused"
    return plain(change)


def _gone_with_column(change: Change) -> Graded | None:
    """How that grades what was dropped because a column is no more, which it named."""
    words = {token.text for token in layout.tokens(change.before or "") or ()}
    lost = {key.removeprefix("column ") for key in change.old.entries if key not in change.new.entries}
    return (Grade.BREAKS, f"{change.key} went with its column") if words & lost else None


def _policy(change: Change) -> Graded:
    before, after = (entries.policy(text or other or "") for text, other in _both(change))
    if before is None or after is None:
        return Grade.LOOSENS, f"{change.key} was {'dropped' if change.after is None else 'changed'}, and cannot be read"
    if change.after is None:
        if before.restrictive:
            return Grade.LOOSENS, f"{change.key} was dropped, which narrowed what others allow"
        return Grade.BREAKS, f"{change.key} was dropped, and lets nobody through any more"
    if change.before is None:
        if after.restrictive:
            return Grade.CHANGES, f"{change.key} is new, and narrows what others allow"
        if change.old.entries.get("row level security", "").startswith("off"):
            return Grade.ADDS, f"{change.key} is new, on a table that was open to all"
        return Grade.LOOSENS, f"{change.key} is new, and allows what was not allowed"
    wider = _widened(before, after, change.state)
    if wider:
        return Grade.LOOSENS, f"{change.key} {wider}"
    return Grade.CHANGES, f"{change.key} is narrower"


def _both(change: Change) -> tuple[tuple[str | None, str | None], ...]:
    return (change.before, change.after), (change.after, change.before)


def _widened(before: Policy, after: Policy, state: State) -> str:
    """How a policy may let through more than it did; nothing where it cannot."""
    if before.restrictive and not after.restrictive:
        return "is restrictive no more: it adds to what others allow"
    if after.restrictive and not before.restrictive:
        return ""
    small, large = (before, after) if before.restrictive else (after, before)
    if "public" not in large.roles and rest(small.roles - bypassing(state), large.roles, state):
        return "holds for fewer roles" if before.restrictive else f"holds for {', '.join(sorted(after.roles))} now"
    if not small.commands <= large.commands:
        return "holds for fewer commands" if before.restrictive else f"holds for {after.command} now"
    conditions = ((before.using, after.using, "let", "through"), (before.check, after.check, "let", "be written"))
    for old, new, word, end in conditions:
        if not implies(new, old):
            if implies(old, new):
                return f"{word}s more rows {end}"
            return f"may {word} other rows {end}: {UNSHOWN}"
    return ""


def _trigger(change: Change) -> Graded:
    if change.before is None:
        return Grade.ADDS, f"{change.key} is new"
    if change.after is None:
        return Grade.LOOSENS, f"{change.key} was dropped"
    before, after = (entries.trigger(text) for text in (change.before, change.after))
    if before is None or after is None:
        return Grade.LOOSENS, f"{change.key} was changed"
    if after.is_off and before.fires != after.fires:
        return Grade.LOOSENS, f"{change.key} does not fire any more"
    if not all(any(one.covers(other) for one in after.events) for other in before.events):
        return Grade.LOOSENS, f"{change.key} does not fire on all that it fired on"
    if not implies(before.when, after.when):
        return Grade.LOOSENS, f"{change.key} may not fire when it did"
    if before.does != after.does:
        return Grade.LOOSENS, f"{change.key} does something else, or at another time"
    return Grade.CHANGES, f"{change.key} was changed"


def _rule(change: Change) -> Graded:
    if change.before is None:
        return Grade.CHANGES, f"{change.key} is new"
    return Grade.LOOSENS, f"{change.key} was {'dropped' if change.after is None else 'changed'}"


JUDGES = {
    "row level security": _row_level_security,
    "column": _column,
    "constraint": _constraint,
    "index": _index,
    "policy": _policy,
    "trigger": _trigger,
    "rule": _rule,
}
"""By how the key of an entry begins."""
