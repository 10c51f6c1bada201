"""Which of two conditions lets in more, as far as their forms tell."""

from __future__ import annotations

from collections.abc import Collection

from pgassay import sqltree
from pgassay.schema import policies
from pgassay.sqltree import AND, OR, Node


def implies(narrower: Node | None, wider: Node | None) -> bool:
    """Whether a condition holds only where the other one does; False where their forms do not show it.

    A condition that is None could not be read. Casts count: a value of another type may compare otherwise. What is
    NULL in ``narrower`` is true or NULL in ``wider``, so that it holds for CHECK constraints too.
    """
    if narrower is None or wider is None:
        return False
    if sqltree.ordered(narrower) == sqltree.ordered(wider) or sqltree.constant(wider) is True:
        return True
    branches = policies.forms(narrower)
    if branches is None:  # more than are taken apart: whole parts of it are compared
        branches = [sqltree.operands(narrower, AND) or [narrower]]
    return all(_follows(wider, branch) for branch in branches)


def _follows(wanted: Node, known: list[Node]) -> bool:
    """Whether a condition holds where all of ``known`` does."""
    wanted = sqltree.bare(wanted)
    if sqltree.constant(wanted) is True:
        return True
    texts = {sqltree.ordered(literal) for literal in known}
    if sqltree.ordered(wanted) in texts:
        return True
    if conditions := sqltree.operands(wanted, AND):
        return all(_follows(condition, known) for condition in conditions)
    if conditions := sqltree.operands(wanted, OR):
        return any(_follows(condition, known) for condition in conditions)
    return any(_lists_less(literal, wanted) for literal in known)


def _lists_less(narrower: Node, wider: Node) -> bool:
    """Whether both hold the same expression to constants, the narrower one to some of those of the wider one."""
    one, other = _listed(narrower), _listed(wider)
    return one is not None and other is not None and one[0] == other[0] and set(one[1]) <= set(other[1])


def _listed(node: Node) -> tuple[str | None, Collection[str | None]] | None:
    """What is held to a list of values, and these."""
    compared = sqltree.comparison(node)
    if compared is None or compared[0] not in ("=", "in", "= any"):
        return None
    operator, left, right = compared
    values = sqltree.elements(right[0]) if operator == "= any" else right
    return (sqltree.ordered(left), {sqltree.ordered(value) for value in values}) if values else None
