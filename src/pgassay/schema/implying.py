"""Which of two conditions lets in more, as far as their trees show it.

The answer is True only where it is proved: by what each literal compares, and by what subqueries ask besides.
"""

from __future__ import annotations

from functools import cached_property

from pgassay import sqltree
from pgassay.schema import facts, policies
from pgassay.sqltree import AND, NOT, OR, Node, canonical, selects

_MOST = 64
"""A condition of more branches than that is compared by whole parts of it."""
_VALUES = 12
"""A list of so many constants is looked at one by one."""


def implies(narrower: Node | None, wider: Node | None, *, nulls_pass: bool = False) -> bool:
    """Whether a condition holds only where the other one does; False where their trees do not show it.

    A condition that is None could not be read. Casts count: a value of another type may compare otherwise. With
    ``nulls_pass``, NULL counts as held, as for a CHECK constraint.
    """
    if narrower is None or wider is None:
        return False
    return shows(canonical.canonical(narrower), canonical.canonical(wider), nulls_pass=nulls_pass)


def shows(narrower: Node, wider: Node, *, nulls_pass: bool = False) -> bool:
    """Whether a condition holds only where the other one does, of which both are in their one form."""
    return _Proof(nulls_pass=nulls_pass).shows(narrower, wider)


class _Branch:
    """Literals that hold together, each in its one form, and what is known by them."""

    def __init__(self, literals: list[Node]) -> None:
        self.literals = literals
        self.keys = {_key(literal) for literal in literals}

    @cached_property
    def facts(self) -> dict[str, facts.Facts]:
        """What they tell of each expression."""
        return facts.gathered(self.literals)

    @cached_property
    def is_impossible(self) -> bool:
        """Whether nothing makes all of them true."""
        if any(sqltree.constant(literal) is False for literal in self.literals):
            return True
        if any(_key(canonical.negated(literal)) in self.keys for literal in self.literals):
            return True
        nulls = {_key(test[0]) for literal in self.literals if (test := sqltree.tested_for_null(literal)) and test[1]}
        if nulls and any(_needs(literal, nulls) for literal in self.literals):
            return True
        return any(found.is_impossible for found in self.facts.values())


class _Proof:
    """Compares conditions that are in their one form already."""

    def __init__(self, *, nulls_pass: bool) -> None:
        self._nulls_pass = nulls_pass

    def shows(self, narrower: Node, wider: Node) -> bool:
        """Whether the one holds only where the other one does."""
        if _key(narrower) == _key(wider) or sqltree.constant(wider) is True:
            return True
        branches = policies.forms(narrower, _MOST)
        if branches is None:
            branches = [sqltree.operands(narrower, AND) or [narrower]]
        return all(self._follows(wider, [canonical.in_one_form(known) for known in branch]) for branch in branches)

    def _follows(self, wanted: Node, known: list[Node]) -> bool:
        """Whether a condition holds where all of ``known`` does."""
        if self._is_shown(wanted, _Branch(known)):
            return True
        for position, literal in enumerate(known if sqltree.operands(wanted, OR) else ()):
            listed = sqltree.listed(literal)
            if listed is not None and listed[2] and len(listed[1]) <= _VALUES:
                left, elements, _ = listed
                rest = [*known[:position], *known[position + 1 :]]
                each = (_Branch([*rest, canonical.equal(left, value)]) for value in elements)
                return all(self._is_shown(wanted, branch) for branch in each)
        return False

    def _is_shown(self, wanted: Node, known: _Branch) -> bool:
        wanted = sqltree.bare(wanted)
        if sqltree.constant(wanted) is True or _key(wanted) in known.keys:
            return True
        if not self._nulls_pass and known.is_impossible:
            return True
        if parts := sqltree.operands(wanted, AND):
            return all(self._is_shown(part, known) for part in parts)
        if parts := sqltree.operands(wanted, OR):
            return any(self._is_shown(part, known) for part in parts)
        return self._is_literal_shown(wanted, known)

    def _is_literal_shown(self, wanted: Node, known: _Branch) -> bool:
        held = facts.held(wanted)
        if held is not None and held.term in known.facts and known.facts[held.term].imply(held):
            return True
        if any(self._is_weaker(wanted, literal) for literal in known.literals):
            return True
        return not self._nulls_pass and self._is_true(wanted, known)

    def _is_weaker(self, wanted: Node, literal: Node) -> bool:
        """Whether a single literal shows another one."""
        return _compares_less(wanted, literal) or _begins_alike(wanted, literal) or self._selects_less(literal, wanted)

    def _selects_less(self, narrower: Node, wider: Node) -> bool:
        """Whether both ask for a row of the same, and the narrower one with more conditions; or both for none."""
        refused = sqltree.operands(narrower, NOT), sqltree.operands(wider, NOT)
        if all(refused):
            return self._selects_less(refused[1][0], refused[0][0])
        one, other = selects.filtered(narrower), selects.filtered(wider)
        if one is None or other is None or _key(one[0]) != _key(other[0]):
            return False
        return _Proof(nulls_pass=False).shows(one[1], other[1])

    def _is_true(self, wanted: Node, known: _Branch) -> bool:
        """What holds where a condition is true, and need not where it is NULL."""
        tested = sqltree.tested_for_null(wanted)
        if tested is not None and not tested[1]:
            term = {_key(tested[0])}
            return any(_needs(literal, term) for literal in known.literals)
        if (truth := sqltree.tested(wanted)) is not None:
            return self._is_shown(canonical.in_one_form(_as_tested(*truth)), known)
        if sqltree.alternatives(wanted) or sqltree.cases(wanted) is not None:
            branches = policies.forms(wanted) or []
            return any(
                all(self._is_shown(canonical.in_one_form(part), known) for part in branch) for branch in branches
            )
        return False


def _key(node: Node) -> str | None:
    """The text of a part of what is in its one form."""
    return sqltree.deparsed(node)


def _as_tested(node: Node, truth: bool) -> Node:
    return node if truth else sqltree.joined([node], NOT)


def _needs(literal: Node, terms: set[str | None]) -> bool:
    """Whether a literal is true only where one of these expressions is not NULL."""
    parts = [literal]
    if sqltree.is_own_operator(literal):
        return False
    if (compared := sqltree.comparison(literal)) is not None and compared[0] in _STRICT:
        parts += compared[1:2] if compared[0] == "in" else [compared[1], *compared[2]]
    elif (liked := sqltree.liked(literal)) is not None:
        parts += liked
    elif (listed := sqltree.listed(literal)) is not None:
        parts.append(listed[0])
    elif (sought := sqltree.sought(literal)) is not None:
        parts.append(sought)
    elif negated := sqltree.operands(literal, NOT):
        parts += negated
    return not terms.isdisjoint(_key(part) for whole in parts for part in (whole, sqltree.uncast(whole)))


_STRICT = ("=", "<>", "<", "<=", ">", ">=", "in", "= any")


def _compares_less(wanted: Node, literal: Node) -> bool:
    """Whether two sides are held to each other in a way that shows another one."""
    if sqltree.is_own_operator(literal) or sqltree.is_own_operator(wanted):
        return False
    one, other = sqltree.comparison(literal), sqltree.comparison(wanted)
    if one is None or other is None or len(one[2]) != 1 or len(other[2]) != 1:
        return False
    sides = [[_key(part[1]), _key(part[2][0])] for part in (one, other)]
    if one[0] == "<" and other[0] == "<=":
        return sides[0] == sides[1]
    wider = {"<": ("<>",), "=": ("<=",)}.get(one[0], ())
    return other[0] in wider and set(map(str, sides[0])) == set(map(str, sides[1]))


def _begins_alike(wanted: Node, literal: Node) -> bool:
    """Whether a text that begins so, or is that, begins as the other one asks for."""
    asked = _beginning(wanted)
    if asked is None:
        return False
    known = _beginning(literal)
    if known is not None:
        return known[0] == asked[0] and known[1].startswith(asked[1])
    held = facts.held(literal)
    is_it = held is not None and held.operator == "=" and held.term == asked[0]
    return held is not None and is_it and all(value.text.startswith(asked[1]) for value in held.values)


def _beginning(node: Node) -> tuple[str | None, str] | None:
    """The expression that is to begin with a text, and that text, where LIKE says no more than that."""
    liked = sqltree.liked(node)
    if liked is None or not sqltree.is_like(node):
        return None
    pattern = sqltree.constant(liked[1])
    if not isinstance(pattern, str) or not pattern.endswith("%") or set(pattern[:-1]) & set("%_\\"):
        return None
    return _key(liked[0]), pattern[:-1]
