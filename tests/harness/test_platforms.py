"""Platforms: only their own modules name their roles, users and claims, and all others ask the one of the run."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from pgassay.identity import Clone, Session
from pgassay.platforms import DEFAULT
from tests.harness import platform_names


def test_no_other_module_names_what_is_the_platforms() -> None:
    assert platform_names.everywhere() == []


@pytest.mark.parametrize(
    "line",
    [
        'role = "service_role"',
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
