"""Hints: what the text of a constraint tells about the values that it lets in.

They need not be right: whether a value goes in, PostgreSQL is asked.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from pgassay.sqltree import words

if TYPE_CHECKING:  # it is a third of a start of the command, and only patterns need it
    from hypothesis.strategies import SearchStrategy

_LONGEST = 2000
_MANY = 20
_ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "1234567890", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "blank": " ", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9a-fA-F", "word": r"\w",
}  # fmt: skip
_CLASS = re.compile(r"\[:(\w+):\]")
_LIKE_PART = re.compile(r"\\.|.", re.DOTALL)
_SYNTAX = frozenset("[]\\^$*+?(){}|.")


@dataclass(frozen=True)
class Hints:
    """The constants of an expression, in their order."""

    numbers: tuple[Decimal, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def lengths(self) -> list[int]:
        """Lengths that a text may be held to: each number and its neighbours, zero if there is a number at all."""
        found = [int(number) + step for number in self.numbers for step in (0, 1, -1)]
        return sorted({length for length in found if 0 <= length <= _LONGEST})


def read(sources: Iterable[str]) -> Hints:
    """The constants in pieces of SQL: expressions, or the bodies of functions."""
    numbers: list[Decimal] = []
    texts: list[str] = []
    for source in sources:
        for constant in _constants(source):
            texts.append(constant)
            try:
                number = Decimal(constant)
            except InvalidOperation:
                continue
            if number.is_finite():
                numbers.append(number)
    return Hints(tuple(dict.fromkeys(numbers)), tuple(dict.fromkeys(texts)))


def _constants(source: str) -> Iterator[str]:
    for word in words.said(source):
        if word.is_number:
            yield word.text.replace("_", "")
        elif word.is_text and word.text.endswith("'"):
            yield word.value


def numbers(hints: Hints) -> Iterator[Decimal]:
    """Each number with what is just above and below it, and what lies between two of them."""
    yield from hints.numbers
    for number in hints.numbers:
        for step in ("1", "-1", "0.5", "-0.5", "0.01", "-0.01"):
            yield number + Decimal(step)
    ordered = sorted(hints.numbers)
    for low, high in itertools.pairwise(ordered):
        yield (low + high) / 2
    for number in hints.numbers:
        yield -number
        yield number * 2


def texts(hints: Hints) -> Iterator[str]:
    """The texts themselves, what fits them if they are patterns, and texts of the lengths that numbers may mean."""
    yield from sorted(hints.texts, key=lambda text: text.replace(".", "").isdigit())
    for text in hints.texts:
        if "%" in text or "_" in text:
            yield from _like(text, hints.lengths)
    for text in hints.texts:
        if _SYNTAX & set(text):
            yield from matching(text)
    for length in hints.lengths:
        for alphabet in _ALPHABETS:
            yield (alphabet * (length // len(alphabet) + 1))[:length]
    for text in hints.texts:
        yield from (text.lower(), text.upper(), text + "a", "a" + text, text + "1", f"a{text}b")


def _like(pattern: str, lengths: Iterable[int]) -> Iterator[str]:
    """Texts that match a pattern of LIKE, many enough for a column in which each has to be another one."""
    parts = [(part[1:] if part.startswith("\\") else part, part) for part in _LIKE_PART.findall(pattern)]
    plain = "".join("a" if part == "_" else text for text, part in parts)
    places = [n for n, (_, part) in enumerate(parts) if part == "%"]

    def filled(*fillings: str) -> str:
        by_place = dict(zip(places, itertools.chain(fillings, itertools.repeat("")), strict=False))
        return "".join(by_place.get(n, "a" if part == "_" else text) for n, (text, part) in enumerate(parts))

    for filling in ("", "1234567", "abcdefg", "a", *map(str, range(1001, 1001 + _MANY))):
        yield filled(*[filling] * len(places))
    missing = {length - (len(plain) - len(places)) for length in lengths}
    for filling in ("1234567890", "abcdefghij"):
        for length in sorted(missing):
            if length > 0:
                yield filled((filling * (length // 10 + 1))[:length])


@cache
def _plain_texts() -> tuple[str, ...]:
    """Texts of several lengths in letters or digits, enough for the usual patterns."""
    return tuple(
        (alphabet * 2)[start : start + length]
        for length in (1, 3, 6, 10)
        for alphabet in _ALPHABETS
        for start in range(len(alphabet))
    )


@lru_cache(maxsize=1000)
def matching(pattern: str) -> tuple[str, ...]:
    """Texts that match a regular expression, as Python understands it; none where it does not."""
    translated = _CLASS.sub(lambda found: _CLASSES.get(found[1], ""), pattern)
    translated = re.sub(r"\\[mMyY]", r"\\b", translated).removeprefix("***:")
    try:
        plain = [text for text in _plain_texts() if re.fullmatch(translated, text)]
    except (re.error, RecursionError, OverflowError):
        return ()
    if len(plain) >= _MANY:
        return tuple(plain)
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException

    try:
        strategy = st.from_regex(
            translated, fullmatch=True, alphabet=st.characters(min_codepoint=32, max_codepoint=126)
        )
        found = samples(strategy, 40)
    except (re.error, HypothesisException, RecursionError, OverflowError):
        return ()
    return tuple(sorted((text for text in found if len(text) <= _LONGEST), key=lambda text: (len(text) > 40, text)))


def samples(strategy: SearchStrategy[Any], count: int) -> list[Any]:
    """Values of a strategy, the same ones every time."""
    from hypothesis import HealthCheck, Phase, given, settings

    found: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found
