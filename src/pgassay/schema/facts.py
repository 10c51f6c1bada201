"""What conditions that hold together tell of one expression: the constants that it may be, and its bounds.

Two constants are told apart only where no collation and no type can make them equal, and put in order only where every
type does it alike: numbers and times.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from pgassay import sqltree
from pgassay.sqltree import Node

_FLOATS = ("float4", "float8")
_TIMES = ("date", "timestamp", "timestamptz")
_TEXTS = ("text", "varchar", "bpchar", "uuid", "name")


@dataclass(frozen=True)
class Value:
    """A constant: a number or a time where it has an order, and its text with its cast in any case."""

    key: str
    text: str
    type: str
    number: Decimal | None = None
    time: dt.datetime | None = None

    def equals(self, other: Value) -> bool | None:
        """Whether it is the same as the other one; None where that cannot be told."""
        if self.key == other.key:
            return True
        order = self._order(other)
        if order is not None:
            return order == 0
        if self.type == other.type and self._has_letters and other._has_letters:
            return None if _folded(self.text) == _folded(other.text) else False
        return None

    def is_less(self, other: Value) -> bool | None:
        """Whether it is less than the other one; None where that cannot be told."""
        if self.key == other.key:
            return False
        order = self._order(other)
        return None if order is None else order < 0

    @property
    def _has_letters(self) -> bool:
        """Whether it is a text, or of a type of one's own and no number."""
        return self.type in _TEXTS or any(letter.isalpha() for letter in self.text)

    def _order(self, other: Value) -> int | None:
        exact = self.type not in _FLOATS and other.type not in _FLOATS
        if self.number is not None and other.number is not None and (exact or self.type == other.type):
            return (self.number > other.number) - (self.number < other.number)
        if self.time is not None and other.time is not None and self.type == other.type:
            return (self.time > other.time) - (self.time < other.time)
        return None


def _folded(text: str) -> str:
    """What is left of a text where case, accents and punctuation do not count."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def value(node: Node) -> Value | None:
    """The constant that an expression is; None where it is none."""
    inner, sign = node, 1
    type_ = ""
    while sqltree.kind(inner) == "TypeCast":
        type_ = type_ or inner.type_name.names[-1].string.sval
        if inner.type_name.array_bounds:
            return None
        inner = sqltree.unwrapped(inner.arg)
    if (negated := sqltree.negative(inner)) is not None:
        inner, sign = negated, -1
    constant, key = sqltree.constant(inner), sqltree.deparsed(node)
    if constant is None or isinstance(constant, bool) or key is None:
        return None
    is_text = isinstance(constant, str) and sqltree.is_text(inner)
    number = None if is_text and type_ not in _NUMBERS else _number(constant, sign)
    return Value(key, str(constant), type_, number, _time(str(constant), type_) if is_text else None)


_NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8", "integer", "bigint", "smallint")


def _number(constant: int | str, sign: int) -> Decimal | None:
    try:
        found = sign * Decimal(constant)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _time(text: str, type_: str) -> dt.datetime | None:
    if type_ not in _TIMES:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if type_ == "timestamptz":
        return found if found.tzinfo is not None else None
    return found if found.tzinfo is None else None


@dataclass(frozen=True)
class Held:
    """What a literal holds an expression to: ``operator`` is ``=``, ``<>``, ``<``, ``<=``, ``>`` or ``>=``."""

    term: str
    operator: str
    values: tuple[Value, ...]


_MIRRORED = {"<": ">", "<=": ">=", "=": "=", "<>": "<>"}


def held(literal: Node) -> Held | None:
    """What a literal in its one form holds an expression to; None where it is something else."""
    if sqltree.is_own_operator(literal):
        return None
    if (listed := sqltree.listed(literal)) is not None:
        left, elements, is_in = listed
        return _held(left, "=" if is_in else "<>", elements)
    compared = sqltree.comparison(literal)
    if compared is None or compared[0] not in _MIRRORED:
        return None
    operator, left, (right,) = compared
    return _held(left, operator, [right]) or _held(right, _MIRRORED[operator], [left])


def _held(term: Node, operator: str, elements: Sequence[Node]) -> Held | None:
    values = [value(element) for element in elements]
    key = sqltree.deparsed(term)
    if key is None or value(term) is not None or not values or None in values:
        return None
    return Held(key, operator, tuple(found for found in values if found is not None))


@dataclass
class Facts:
    """What is known of one expression."""

    allowed: list[Value] | None = None
    excluded: list[Value] = field(default_factory=list)
    least: list[tuple[Value, bool]] = field(default_factory=list)
    most: list[tuple[Value, bool]] = field(default_factory=list)

    def add(self, known: Held) -> None:
        """Take in what a literal holds it to."""
        if known.operator == "=":
            old = self.allowed
            self.allowed = [
                value for value in known.values if old is None or any(value.equals(one) is not False for one in old)
            ]
        elif known.operator == "<>":
            self.excluded += known.values
        else:
            bounds = self.least if known.operator.startswith(">") else self.most
            bounds += [(value, known.operator in ("<", ">")) for value in known.values]

    def narrow(self) -> None:
        """Take out of what is allowed what the other literals rule out."""
        if self.allowed is not None:
            self.allowed = [value for value in self.allowed if not self._is_ruled_out(value)]

    @property
    def is_impossible(self) -> bool:
        """Whether no value is left."""
        if self.allowed is not None:
            return not self.allowed
        return any(
            most.is_less(least) is True or ((strict or strict_too) and most.equals(least) is True)
            for least, strict in self.least
            for most, strict_too in self.most
        )

    def imply(self, wanted: Held) -> bool:
        """Whether every value that is left is one that ``wanted`` lets in."""
        if self.allowed is not None and all(_lets_in(wanted, value) for value in self.allowed):
            return True
        if wanted.operator == "<>":
            return all(self._is_ruled_out(value) for value in wanted.values)
        if wanted.operator == "=":
            return False
        (bound,) = wanted.values
        bounds = self.least if wanted.operator.startswith(">") else self.most
        return any(_is_within(one, strict, bound, wanted.operator) for one, strict in bounds)

    def _is_ruled_out(self, value: Value) -> bool:
        return (
            (self.allowed is not None and all(value.equals(one) is False for one in self.allowed))
            or any(value.equals(one) is True for one in self.excluded)
            or any(value.is_less(one) is True or (strict and value.equals(one) is True) for one, strict in self.least)
            or any(one.is_less(value) is True or (strict and value.equals(one) is True) for one, strict in self.most)
        )


def _is_within(known: Value, strict: bool, bound: Value, operator: str) -> bool:
    """Whether what is on the right side of ``known`` is on the right side of ``bound``."""
    beyond = bound.is_less(known) if operator.startswith(">") else known.is_less(bound)
    return beyond is True or (known.equals(bound) is True and (strict or operator in (">=", "<=")))


def _lets_in(wanted: Held, value: Value) -> bool:
    if wanted.operator == "=":
        return any(value.equals(one) is True for one in wanted.values)
    if wanted.operator == "<>":
        return all(value.equals(one) is False for one in wanted.values)
    (bound,) = wanted.values
    if wanted.operator in ("<=", ">=") and value.equals(bound) is True:
        return True
    return (value.is_less(bound) if wanted.operator.startswith("<") else bound.is_less(value)) is True


def gathered(literals: Iterable[Node]) -> dict[str, Facts]:
    """What literals that hold together tell of each expression that they compare with constants."""
    found: dict[str, Facts] = {}
    for literal in literals:
        if (known := held(literal)) is not None:
            found.setdefault(known.term, Facts()).add(known)
    for facts in found.values():
        facts.narrow()
    return found
