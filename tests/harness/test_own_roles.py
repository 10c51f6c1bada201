"""Roles that a project made for its API: those that can be reached try every door; see also corpus/own_roles.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pgassay.checks.isolation import own_roles
from pgassay.config import Tenancy, read_tenancy
from pgassay.errors import ConfigError
from pgassay.identity import Clone, Databases, Identity
from pgassay.platforms import DEFAULT
from tests.harness import schemas

CONTENT = tomllib.loads((Path(__file__).parent / "corpus" / "own_roles.toml").read_text(encoding="utf-8"))
TENANCY: Tenancy = read_tenancy(CONTENT["tenancy"], "here")


@pytest.fixture
def desks(pg_databases: Databases) -> Iterator[Clone]:
    """The schema of the corpus."""
    with schemas.database(pg_databases, CONTENT["schema"]) as clone:
        yield clone


def test_roles_with_rights_here_are_callers_and_no_others(desks: Clone) -> None:
    with desks.connect_as_owner() as session:
        session.execute(
            "do $$ begin create role desk_idle nologin; exception when duplicate_object or unique_violation then null; "
            "end $$; grant desk_idle to authenticator"
        )
        found = own_roles.callers(session)
        assert own_roles.read(session)["desk_idle"] is False
    assert found == (*DEFAULT.roles.api, "desk_back_end", "desk_support")


def test_a_role_that_is_not_declared_is_tried_and_told(pg_databases: Databases, desks: Clone) -> None:
    (matrix,) = schemas.observe_in(pg_databases, desks, replace(TENANCY, trusted=frozenset()))
    assert "role desk_support" in matrix.identities
    assert [note for note in matrix.notes if 'trusted = ["desk_back_end"]' in note]
    found = {(each.object, each.identity, each.severity) for each in matrix.findings}
    assert ("public.tickets", "role desk_back_end", "error") in found


def test_a_role_that_cannot_be_reached_cannot_be_trusted(pg_databases: Databases, desks: Clone) -> None:
    with pytest.raises(ConfigError, match="trusted names desk_nobody, which is no role"):
        schemas.observe_in(pg_databases, desks, replace(TENANCY, trusted=frozenset({"desk_nobody"})))


def test_a_token_of_a_member_names_the_role() -> None:
    member = Identity.user("00000000-0000-4000-8000-000000000001", org="x")
    made = own_roles.identity("desk_support", member)
    assert (made.role, made.given) == ("desk_support", {**member.given, "role": "desk_support"})
    assert own_roles.identity("desk_support").given == {"role": "desk_support"}
