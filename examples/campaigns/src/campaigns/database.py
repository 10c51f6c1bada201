"""The pool of connections. Each use is one transaction of one caller, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.numeric import FloatLoader
from psycopg_pool import AsyncConnectionPool

from campaigns.tokens import Caller

Connection = AsyncConnection[DictRow]

# In one message. All of it is local to the transaction, as in PostgREST. The role comes last: it may be refused.
_BEGIN = """
begin;
select
    pg_catalog.set_config('statement_timeout', %(timeout)s, true),
    pg_catalog.set_config('lock_timeout', %(timeout)s, true),
    pg_catalog.set_config('request.jwt.claims', %(claims)s, true),
    pg_catalog.set_config('role', %(role)s, true)
"""


class Database:
    """A pool of at most ``size`` connections, which log in as `authenticator`.

    Whoever finds none free waits for at most ``wait`` seconds. A statement may take ``statement_seconds``.
    """

    def __init__(self, conninfo: str, *, size: int, wait: float, statement_seconds: float) -> None:
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo,
            connection_class=AsyncConnection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row, "application_name": "campaigns"},
            min_size=min(2, size),
            max_size=size,
            timeout=wait,
            configure=_configure,
            open=False,
            name="campaigns",
        )
        self._timeout = f"{statement_seconds * 1000:.0f}ms"

    async def open(self) -> None:
        """Connect. Raises `psycopg_pool.PoolTimeout` where the database does not answer."""
        await self.pool.open(wait=True)

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()

    @asynccontextmanager
    async def acting_as(self, caller: Caller) -> AsyncIterator[Connection]:
        """A connection that is the caller's for one transaction, which is committed at the end of the block."""
        given = {"timeout": self._timeout, "claims": caller.claims, "role": caller.role}
        async with self.pool.connection() as connection:  # which commits, or rolls back for an error
            await AsyncClientCursor(connection).execute(_BEGIN, given)
            yield connection

    async def is_alive(self) -> bool:
        """Whether a connection answers."""
        async with self.pool.connection() as connection:
            await connection.execute("select")
        return True


async def _configure(connection: AsyncConnection[Any]) -> None:
    connection.adapters.register_loader("numeric", FloatLoader)  # rates are numbers in JSON, not texts


async def first(cursor: AsyncCursor[DictRow]) -> DictRow:
    """The row of a statement that always gives one."""
    row = await cursor.fetchone()
    assert row is not None
    return row
