"""What a schema reads of the caller's token, however it is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pgassay import Session
from pgassay.schema import sources, tokens
from pgassay.schema.tokens import Token

Read = Callable[[str], Token]


@pytest.fixture
def read(session: Session) -> Read:
    """What a schema reads."""

    def reads(schema: str) -> Token:
        with session.example():
            session.execute(schema.encode())
            session.execute("set local search_path = pg_catalog")
            return tokens.read(sources.read(lambda query, values: session.execute(query, values).fetchall()))

    return reads


DOCS = "create table public.docs (id uuid primary key, org text); "


@pytest.mark.parametrize(
    "expression",
    [
        "auth.jwt() -> 'user_metadata' ->> 'org'",
        "(auth.jwt() -> 'user_metadata'::text) ->> 'org'",
        "auth.jwt() #>> '{user_metadata,org}'",
        "(auth.jwt())['user_metadata'] ->> 'org'",
        "jsonb_extract_path_text(auth.jwt(), 'user_metadata', 'org')",
        "current_setting('request.jwt.claims', true)::json -> 'user_metadata' ->> 'org'",
    ],
)
def test_keys_that_users_write_are_seen(read: Read, expression: str) -> None:
    found = read(f"{DOCS} create policy p on public.docs using (org = {expression});")
    assert found.metadata == [("org",)]


def test_keys_deeper_and_through_a_variable(read: Read) -> None:
    deeper = "create policy p on public.docs using (org = auth.jwt() -> 'user_metadata' -> 'team' ->> 'id');"
    assert read(DOCS + deeper).metadata == [("team", "id")]
    variable = """
    create function public.f() returns text language plpgsql as $$
    declare mine jsonb := auth.jwt() -> 'user_metadata'; begin return mine ->> 'org'; end $$;
    """
    assert read(variable).metadata == [("org",)]


def test_a_word_in_a_comment_or_a_column_of_that_name_is_no_claim(read: Read) -> None:
    comment = "-- user_metadata ->> 'org', aal\n"
    found = read(f"create function public.f() returns text language sql as $$ select 1::text {comment} $$;")
    assert (found.metadata, found.reads("aal"), found.is_whole) == ([], False, True)


@pytest.mark.parametrize("expression", ["auth.jwt() ->> 'aal' = 'aal2'", "auth.jwt() #>> '{aal}' = 'aal2'"])
def test_kinds_of_tokens_are_told_apart(read: Read, expression: str) -> None:
    found = read(f"{DOCS} create policy p on public.docs as restrictive using ({expression});")
    assert found.reads("aal", "amr")
    assert not found.reads("is_anonymous")


def test_what_cannot_be_parsed_may_read_anything(read: Read) -> None:
    odd = """
    create schema private; create type private.t as (a text);
    create function public.f() returns text language plpgsql as $$
    declare c cursor (r private.t) for select 1; begin return 'a'; end $$;
    """
    assert read(odd).reads("aal") is False
    found = read(f"{odd} {DOCS} create policy p on public.docs using (public.f() = org);")
    assert (found.is_whole, found.reads("aal")) == (False, True)
    assert read("create function public.g() returns void language plpgsql as $$ begin null; end $$;").is_whole
