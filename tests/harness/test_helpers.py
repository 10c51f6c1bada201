"""Functions in conditions are followed: what a policy asks for is read out of their bodies, in SQL and in PL/pgSQL."""

from __future__ import annotations

import pytest

from pgassay.schema import conditions, patterns
from pgassay.schema.conditions import Special
from pgassay.schema.helpers import Helpers

_ROLE = """
create function app.role() returns text language sql stable
as $$ select coalesce(auth.jwt() -> 'app_metadata' ->> 'org_role', 'guest') $$
"""
_ADMIN = """
create function app.is_admin() returns boolean language sql stable
as $$ select app.role() in ('owner', 'admin') $$
"""
_WRITES = """
create function app.writes() returns boolean language plpgsql stable
as $$
declare
    r text := app.role();
begin
    if r = 'guest' then
        return false;
    end if;
    return r = 'editor' or r = 'owner';
end
$$
"""
_HAS = """
create function app.has(org uuid, variadic roles text[]) returns boolean language sql stable
as $$ select exists (
    select 1 from public.members as m where m.org_id = org and m.user_id = auth.uid() and m.role = any (roles)
) $$
"""
_ATOMIC = """
create function app.manages(org uuid) returns boolean language sql stable
return exists (select 1 from public.members as m where m.org_id = org and m.role = 'manager')
"""
_STATE = """
create function app.state_of(doc uuid) returns text language plpgsql stable
as $$
declare
    v_state text;
begin
    select d.state into v_state from public.docs as d where d.id = doc;
    return v_state;
end
$$
"""
_LOOP = """
create function app.loops(org uuid) returns boolean language plpgsql stable
as $$
begin
    for i in 1..3 loop
        return true;
    end loop;
end
$$
"""
_ITSELF = """
create function app.itself(n integer) returns boolean language sql stable as $$ select app.itself(n - 1) $$
"""
_RAISES = """
create function app.asserts(wanted text) returns boolean language plpgsql stable
as $$
begin
    if app.role() <> wanted then
        raise exception 'no';
    end if;
    return true;
end
$$
"""
HELPERS = Helpers((_ROLE, _ADMIN, _WRITES, _HAS, _ATOMIC, _STATE, _LOOP, _ITSELF, _RAISES, "no function at all"))


def claims(condition: str) -> set[object]:
    """The values that a token needs, by one branch or another."""
    return {asked.value for form in HELPERS.forms(condition) for asked in conditions.claims(form)}


def test_claims_are_read_out_of_helpers_that_call_helpers() -> None:
    assert claims("org_id = 1 AND app.is_admin()") == {"admin"}
    assert claims("(SELECT app.is_admin() AS is_admin)") == {"admin"}


def test_a_variable_of_plpgsql_stands_for_what_it_was_given() -> None:
    assert claims("app.writes()") == {"editor", "owner"}


def test_an_exception_lets_nobody_through() -> None:
    assert all("no" not in form for form in HELPERS.forms("app.asserts('boss'::text)"))
    assert HELPERS.forms("app.asserts('boss'::text)")


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        ("app.has(org_id, VARIADIC ARRAY['boss'::text])", [{"role": "boss"}]),
        ("app.has(org_id, 'boss'::text, 'clerk'::text)", [{"role": "boss"}, {"role": "clerk"}]),
        ("app.manages(org_id)", [{"role": "manager"}]),
    ],
)
def test_members_of_a_kind_are_read_out_of_helpers(condition: str, kinds: list[dict[str, str]]) -> None:
    (form,) = HELPERS.forms(condition)
    assert conditions.asked_of(form, "public.members") == kinds


def test_a_column_that_is_handed_in_stays_that_of_the_row() -> None:
    (form,) = HELPERS.forms("app.has(org_id, 'boss'::text)")
    assert "pgassay_row.org_id" in form


def test_a_variable_that_a_query_fills_is_that_query() -> None:
    (form,) = HELPERS.forms("app.state_of(id) = 'live'::text")
    assert "SELECT d.state FROM public.docs" in form
    assert "pgassay_row.id" in form


@pytest.mark.parametrize(
    "condition", ["org_id = 1", "app.loops(org_id)", "other.unknown(org_id)", "app.has()", "not )"]
)
def test_what_cannot_be_followed_has_no_forms(condition: str) -> None:
    assert HELPERS.forms(condition) == []


def test_a_function_that_calls_itself_comes_to_an_end() -> None:
    assert len(HELPERS.forms("app.itself(1)")) == 1


def test_a_table_that_a_function_reads_is_not_the_row_even_if_it_has_its_name() -> None:
    helpers = Helpers(
        (
            """create function app.leads(doc uuid) returns boolean language sql stable
            as $$ select exists (select from public.docs where id = doc and lead = auth.uid()) $$""",
        )
    )
    (form,) = helpers.forms("app.leads(parent_id)")
    assert "pgassay_row.parent_id" in form
    (pattern,) = patterns.of(form, "public", "docs", lambda _, __: ("public.docs", ("id", "parent_id", "lead")))
    row, lead = (dict(needed.values) for needed in pattern)
    assert row == {"parent_id": lead["id"]}
    assert lead["lead"] is Special.CALLER


def test_tables_of_functions_that_call_each_other_are_told_apart() -> None:
    helpers = Helpers(
        (
            """create function app.is_in(org uuid) returns boolean language sql stable
            as $$ select exists (select from public.members as m where m.org_id = org and m.user_id = auth.uid()) $$""",
            """create function app.leads(doc uuid) returns boolean language sql stable as $$
                select exists (select from public.leads as m where m.doc_id = doc and app.is_in(m.org_id))
            $$""",
        )
    )
    (form,) = helpers.forms("app.leads(id)")
    tables = {"leads": ("doc_id", "org_id"), "members": ("org_id", "user_id"), "docs": ("id",)}
    (pattern,) = patterns.of(form, "public", "docs", lambda _, name: (f"public.{name}", tables[name]))
    values = {needed.relation: dict(needed.values) for needed in pattern}
    assert values["public.leads"]["org_id"] == values["public.members"]["org_id"]
