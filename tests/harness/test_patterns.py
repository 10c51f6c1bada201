"""What rows a condition needs is read out of its subqueries: one of each table, with values that agree."""

from __future__ import annotations

import pytest

from pgassay.schema import conditions, patterns
from pgassay.schema.conditions import Special
from pgassay.schema.patterns import Needed, Same

_TABLES = {
    "public.docs": ("id", "org_id", "state"),
    "public.members": ("org_id", "user_id", "role_id", "rights"),
    "public.roles": ("id", "key"),
    "public.shares": ("doc_id", "user_id", "until", "revoked"),
}


def _columns(schema: str, table: str) -> tuple[str, tuple[str, ...]] | None:
    name = f"{schema or 'public'}.{table}"
    return (name, _TABLES[name]) if name in _TABLES else None


def of(condition: str) -> list[dict[str, dict[str, object]]]:
    """Each pattern as the values of each table."""
    return [
        {needed.relation: dict(needed.values) for needed in pattern}
        for pattern in patterns.of(condition, "public", "docs", _columns)
    ]


_MEMBER = "SELECT m.org_id FROM public.members m JOIN public.roles r ON r.id = m.role_id WHERE auth.uid() = m.user_id"


@pytest.mark.parametrize(
    "condition",
    [
        f"docs.org_id IN ({_MEMBER} AND r.key = 'boss')",
        f"docs.org_id = ANY ((SELECT COALESCE(array_agg(x.org_id), '{{}}') FROM ({_MEMBER} AND r.key = 'boss') x))",
        "EXISTS (SELECT 1 FROM public.members m, public.roles r WHERE r.id = m.role_id AND auth.uid() = m.user_id"
        " AND docs.org_id = m.org_id AND 'boss' = r.key)",
        "'boss' = (SELECT r.key FROM members m JOIN roles r ON m.role_id = r.id"
        " WHERE m.user_id = (SELECT auth.uid()) AND m.org_id = docs.org_id)",
        "EXISTS (SELECT 1 FROM public.members m WHERE m.user_id = auth.uid() AND m.org_id = docs.org_id"
        " AND m.role_id IN (SELECT r.id FROM public.roles r WHERE r.key IN ('boss')))",
    ],
)
def test_values_agree_however_it_is_written(condition: str) -> None:
    (found,) = of(condition)
    member, role, doc = found["public.members"], found["public.roles"], found["public.docs"]
    assert role["key"] == "boss"
    assert isinstance(role["id"], Same)
    assert member["role_id"] == role["id"]
    assert member["user_id"] is Special.CALLER
    assert doc == {"org_id": member["org_id"]}


def test_the_row_itself_has_what_is_asked_of_it() -> None:
    (found,) = of(f"docs.state = 'live' AND docs.org_id IN ({_MEMBER})")
    assert found["public.docs"]["state"] == "live"


def test_alternatives_are_patterns_of_their_own() -> None:
    found = of(
        "EXISTS (SELECT 1 FROM public.shares s WHERE s.doc_id = docs.id AND auth.uid() = s.user_id"
        " AND (s.until IS NULL OR now() < s.until))"
    )
    assert [shares["public.shares"]["until"] for shares in found] == [None, Special.AFTER]


def test_an_element_of_an_array_is_an_array() -> None:
    (found,) = of("EXISTS (SELECT 1 FROM public.members m WHERE 'write' = ANY (m.rights) AND m.user_id = auth.uid())")
    assert found["public.members"]["rights"] == ("write",)


@pytest.mark.parametrize(
    "condition",
    [
        "docs.state = 'live'",
        "EXISTS (SELECT 1 FROM other.tables t WHERE t.id = docs.id)",
        "EXISTS (SELECT 1 FROM public.roles r LEFT JOIN generate_series(1, 2) g ON true)",
        "EXISTS (SELECT 1 FROM public.roles r WHERE r.key = 'a' AND r.key = 'b')",
        "not )",
    ],
)
def test_what_needs_no_other_row_or_is_not_understood_has_no_pattern(condition: str) -> None:
    assert of(condition) == []


def test_the_row_comes_first() -> None:
    ((first, *_),) = patterns.of(f"docs.org_id IN ({_MEMBER})", "public", "docs", _columns)
    assert isinstance(first, Needed)
    assert first.relation == "public.docs"


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("now() < lower(during)", Special.AFTER),
        ("(now() + '1 day'::interval) < lower(during)", Special.AFTER),
        ("upper(during) <= CURRENT_DATE", Special.BEFORE),
        ("now() < during_since", Special.AFTER),
    ],
)
def test_a_range_begins_or_ends_where_its_bound_is_asked_for(condition: str, value: Special) -> None:
    ((wish,),) = conditions.wishes(condition)
    assert wish.path[0].startswith("during")
    assert wish.value is value
