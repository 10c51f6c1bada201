"""Rows of a pattern that have one key are one row."""

from __future__ import annotations

import pytest

from pgassay.schema.conditions import Special
from pgassay.schema.merging import merged
from pgassay.schema.patterns import Needed, Same


def keys(_: str) -> list[tuple[str, ...]]:
    return [("room", "user"), ("badge",)]


def seat(**values: object) -> Needed:
    return Needed("public.seats", tuple(sorted(values.items())))


def test_two_rows_with_one_key_are_asked_for_all_that_either_is() -> None:
    one, other = seat(room=Same(0), user=Special.CALLER), seat(room=Same(0), user=Special.CALLER, leads=True)
    assert merged((one, other), keys) == (other,)


def test_what_is_the_same_in_both_is_the_same_everywhere() -> None:
    row = Needed("public.docs", (("owner", Same(2)),))
    one, other = seat(badge=Same(0), user=Same(1)), seat(badge=Same(0), user=Same(2))
    assert merged((row, one, other), keys) == (Needed("public.docs", (("owner", Same(1)),)), one)


@pytest.mark.parametrize(
    "other",
    [seat(room=Same(1), user=Special.CALLER), seat(room=Same(0)), Needed("public.beds", seat(badge=Same(0)).values)],
)
def test_rows_that_share_no_key_stay_two(other: Needed) -> None:
    one = seat(room=Same(0), user=Special.CALLER)
    assert merged((one, other), keys) == (one, other)


def test_one_row_cannot_have_two_values() -> None:
    assert merged((seat(badge=1, leads=True), seat(badge=1, leads=False)), keys) is None
