"""Platforms: only their own modules name their roles, users and claims, and all others ask the one of the run."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from pgassay import catalog, hints
from pgassay.checks import rules
from pgassay.identity import Clone, Session
from pgassay.platforms import DEFAULT
from pgassay.schema import tokens
from pgassay.schema.sources import Condition, Sources
from tests.harness import platform_names


def test_no_other_module_names_what_is_the_platforms() -> None:
    assert platform_names.everywhere() == []


@pytest.mark.parametrize(
    "line",
    [
        'role = "service_role"',
        "query = \"select pg_has_role('authenticator', 'a_role', 'member')\"",
        'query = "select from auth.users"',
        'query = f"grant select on {table} to anon, {other}"',
        "identity = Identity.anon()",
        "find(authenticated=True)",
        "query = \"select current_setting('request.jwt.claim.sub')\"",
        'schema = "auth"',
        "from roles import service_role",
    ],
)
def test_a_name_or_constant_of_the_platforms_is_found_with_its_line(line: str) -> None:
    assert [number for number, _ in platform_names.named(f"\n{line}\n")] == [2]


@pytest.mark.parametrize(
    "text",
    [
        '"""Of the role anon."""',
        "x = 1  # for auth.users",
        'x = 1\n"""What service_role has."""',
        'x = "anonymous authors"',
        "def as_anon(): ...",
    ],
)
def test_prose_and_other_words_are_left_alone(text: str) -> None:
    assert platform_names.named(text) == []


def test_a_platform_is_handed_to_the_workers_of_a_run_as_it_is() -> None:
    assert pickle.loads(pickle.dumps(DEFAULT)) == DEFAULT


def test_sessions_have_the_platform_of_their_server(clone: Clone) -> None:
    with clone.server.connect(clone.name, kind=Session) as session:
        assert session.platform is clone.server.platform
    other = replace(clone.server, platform=replace(DEFAULT, name="another"))
    with other.connect(clone.name, kind=Session) as session:
        assert session.platform.name == "another"


@pytest.mark.parametrize(
    ("role", "written"), [("anon", "anon"), ("Back End", '"Back End"'), ('a"b', '"a""b"'), ("1a", '"1a"')]
)
def test_roles_are_quoted_in_sql_where_they_need_it(role: str, written: str) -> None:
    roles = replace(DEFAULT.roles, anonymous=role, signed_in="users")
    assert roles.held == f"{written}, users"
    assert roles.told == f"{role} and users"


OTHER = replace(
    DEFAULT,
    name="another",
    roles=replace(DEFAULT.roles, anonymous="visitor", signed_in="customer"),
    words=replace(DEFAULT.words, user="public.caller", claim_prefix="jwt.claims."),
)
SCHEMA = """
create role visitor;
create role customer;
grant usage on schema public to visitor, customer;
create function public.caller() returns uuid language sql as $$ select null::uuid $$;
create table public.notes (id int primary key, author uuid);
revoke all on public.notes from public, anon, authenticated, service_role;
grant select on public.notes to customer;
"""


def test_claims_of_another_platform_are_read_by_its_own_prefix() -> None:
    asked = (Condition("public.notes", "own", "author = current_setting('jwt.claims.person')"),)
    assert tokens.read(Sources(conditions=asked, platform=OTHER)).reads("person")
    assert not tokens.read(Sources(conditions=asked)).reads("person")


def test_the_schema_is_read_and_judged_for_the_callers_of_the_sessions_platform(clone: Clone) -> None:
    with clone.connect() as session, session.transaction(force_rollback=True):
        session.execute(SCHEMA.encode())
        relations = catalog.read(session)
        assert "public.notes" not in hints.read(session, relations).reached
        assert "public.notes" not in {finding.object for finding in rules.check(session, frozenset())}
        session.platform = OTHER
        assert "public.notes" in hints.read(session, relations).reached
        (found,) = [one for one in rules.check(session, frozenset()) if one.object == "public.notes"]
        assert "customer can reach" in found.observed
        session.execute("alter table public.notes enable row level security")
        session.execute("create policy own on public.notes to customer using (author = public.caller())")
        assert hints.read(session, relations).policies["public.notes"].callers
        session.platform = DEFAULT
        assert not hints.read(session, relations).policies["public.notes"].callers
