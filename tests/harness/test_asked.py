"""What a schema asks for: which columns decide what is open, and with what they are compared."""

from __future__ import annotations

from pgassay.schema import asked
from pgassay.schema.sources import Condition, Function, Sources, View

POLICY = (
    "(EXISTS ( SELECT FROM public.profiles p WHERE ((p.id = (SELECT auth.uid())) AND ((p.level)::text >= 'staff'))))"
)
CALLS = "(app.may_read(org_id) AND (kind = ANY (ARRAY['open'::text, 'shared'::text])))"
HELPER = """
create or replace function app.may_read(org uuid) returns boolean language plpgsql stable as $$
begin
    return exists (select from app.seats as s where s.org_id = org and s.banned is not true) or app.is_root();
end $$
"""
DEEPER = """
create or replace function app.is_root() returns boolean language sql stable as $$
select exists (select from app.roots as r where r.user_id = auth.uid() and 7 < r.rank)
$$
"""
UNUSED = """
create or replace function app.report() returns bigint language sql stable as $$
select count(*) from app.visits as v where v.page = 'home'
$$
"""
VIEW = "select d.id, d.title from public.docs as d where (d.owner in (select f.friend from public.friends as f))"


SOURCES = Sources(
    tuple(
        Function("app", name, (), text)
        for name, text in (("may_read", HELPER), ("is_root", DEEPER), ("report", UNUSED))
    ),
    (View("app.seen", VIEW),),
    tuple(Condition("app.docs", "policy", text) for text in (POLICY, CALLS, "not ( sql")),
)


def test_columns_decide_that_a_policy_or_view_reads_elsewhere_itself_or_by_functions() -> None:
    columns = asked.read(SOURCES).columns
    assert {"id", "level"} <= columns["profiles"]
    assert {"org_id", "banned"} <= columns["seats"]
    assert {"user_id", "rank"} <= columns["roots"]
    assert {"friend"} <= columns["friends"]


def test_what_nothing_asks_for_decides_nothing() -> None:
    columns = asked.read(SOURCES).columns
    assert "visits" not in columns  # no policy calls the function
    assert "docs" not in columns  # the view shows its rows, and asks others
    assert "title" not in columns["friends"]


def test_constants_are_those_that_columns_are_compared_with() -> None:
    constants = asked.read(SOURCES).constants
    assert constants == {"level": ("staff",), "kind": ("open", "shared"), "rank": (7,)}
