"""Functions in conditions are followed: what a policy asks for is read out of their bodies, in SQL and in PL/pgSQL."""

from __future__ import annotations

import pytest

from pgassay.schema import conditions
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
    return {asked.value for form in HELPERS.forms(condition, "docs") for asked in conditions.claims(form)}


def test_claims_are_read_out_of_helpers_that_call_helpers() -> None:
    assert claims("org_id = 1 AND app.is_admin()") == {"admin"}
    assert claims("(SELECT app.is_admin() AS is_admin)") == {"admin"}


def test_a_variable_of_plpgsql_stands_for_what_it_was_given() -> None:
    assert claims("app.writes()") == {"editor", "owner"}


def test_an_exception_lets_nobody_through() -> None:
    assert all("no" not in form for form in HELPERS.forms("app.asserts('boss'::text)", "docs"))
    assert HELPERS.forms("app.asserts('boss'::text)", "docs")


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        ("app.has(org_id, VARIADIC ARRAY['boss'::text])", [{"role": "boss"}]),
        ("app.has(org_id, 'boss'::text, 'clerk'::text)", [{"role": "boss"}, {"role": "clerk"}]),
        ("app.manages(org_id)", [{"role": "manager"}]),
    ],
)
def test_members_of_a_kind_are_read_out_of_helpers(condition: str, kinds: list[dict[str, str]]) -> None:
    (form,) = HELPERS.forms(condition, "docs")
    assert conditions.asked_of(form, "public.members") == kinds


def test_a_column_that_is_handed_in_stays_that_of_the_row() -> None:
    (form,) = HELPERS.forms("app.has(org_id, 'boss'::text)", "docs")
    assert "docs.org_id" in form


def test_a_variable_that_a_query_fills_is_that_query() -> None:
    (form,) = HELPERS.forms("app.state_of(id) = 'live'::text", "docs")
    assert "SELECT d.state FROM public.docs" in form
    assert "docs.id" in form


@pytest.mark.parametrize(
    "condition", ["org_id = 1", "app.loops(org_id)", "other.unknown(org_id)", "app.has()", "not )"]
)
def test_what_cannot_be_followed_has_no_forms(condition: str) -> None:
    assert HELPERS.forms(condition, "docs") == []


def test_a_function_that_calls_itself_comes_to_an_end() -> None:
    assert len(HELPERS.forms("app.itself(1)", "docs")) == 1
