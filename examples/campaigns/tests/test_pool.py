"""A request finds nothing on its connection of the requests before, in whatever order, however they ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from campaigns import tokens
from campaigns.database import Database
from campaigns.tokens import Caller
from hypothesis import given
from hypothesis import strategies as st

from pgassay.fixtures import ApiDatabase

from .pools import NOBODY, WHO, left_behind
from .worlds import SECRET, Api, token_of

PEOPLE = [UUID(int=n) for n in range(1, 4)]
ENDINGS = ["commit", "error", "timeout", "cancelled", "left", "forbidden", "set"]


@pytest.fixture(scope="module")
def database(api_database: Api) -> Iterator[ApiDatabase]:
    with api_database() as database:
        yield database


def caller_of(person: UUID | None) -> Caller:
    role = "service_role" if person is None else "authenticated"
    return tokens.verify(token_of(person, role), SECRET)


async def request(pool: Database, person: UUID | None, ending: str, pause: float) -> None:
    """One request, which looks who it is, waits a little, looks again, and ends in some way."""
    caller = caller_of(person)
    async with pool.acting_as(caller) as connection:
        for _ in range(2):
            row = await (await connection.execute(WHO)).fetchone()
            assert row == {
                "role": caller.role,
                "login": "authenticator",
                "subject": person,
                "claims": caller.claims,
            }
            await asyncio.sleep(pause)
        if ending == "error":
            await connection.execute("select 1 / 0")
        elif ending == "timeout":
            await connection.execute("set local statement_timeout = '5ms'")
            await connection.execute("select pg_catalog.pg_sleep(5)")
        elif ending == "cancelled":
            raise asyncio.CancelledError
        elif ending == "left":
            raise KeyError(ending)
        elif ending == "forbidden":
            await connection.execute("select * from private.job_plans")
        elif ending == "set":
            await connection.execute('set local request.jwt.claims = \'{"sub": "x"}\'')


requests = st.tuples(st.sampled_from([*PEOPLE, None]), st.sampled_from(ENDINGS), st.sampled_from([0.0, 0.001, 0.004]))


@given(st.lists(requests, min_size=1, max_size=12))
def test_no_request_finds_or_leaves_anything_of_another(
    database: ApiDatabase, wanted: list[tuple[UUID | None, str, float]]
) -> None:
    async def play() -> list[dict[str, Any]]:
        pool = Database(database.url, size=2, wait=30, statement_seconds=8)
        await pool.open()
        try:
            ends = await asyncio.gather(*(request(pool, *each) for each in wanted), return_exceptions=True)
            unexpected = (KeyError, asyncio.CancelledError, psycopg.Error)
            assert [end for end in ends if not isinstance(end, unexpected) and end is not None] == []
            return await left_behind(pool, 2)
        finally:
            await pool.close()

    assert asyncio.run(play()) == [NOBODY, NOBODY]


def test_a_role_that_stays_would_be_noticed(database: ApiDatabase) -> None:
    async def play() -> list[dict[str, Any]]:
        pool = Database(database.url, size=1, wait=30, statement_seconds=8)
        await pool.open()
        try:
            async with pool.acting_as(caller_of(PEOPLE[0])) as connection:
                await connection.execute("set session role service_role")
            return await left_behind(pool, 1)
        finally:
            await pool.close()

    assert asyncio.run(play())[0]["role"] == "service_role"
