"""Who a connection is, and what the connections of a pool still are once nobody has them."""

from __future__ import annotations

import contextlib
from typing import Any

from campaigns.database import Database

WHO = (
    "select current_user::text as role, session_user::text as login, auth.uid() as subject, "
    "coalesce(current_setting('request.jwt.claims', true), '') as claims"
)
NOBODY = {"role": "authenticator", "login": "authenticator", "subject": None, "claims": ""}


async def left_behind(pool: Database, size: int) -> list[dict[str, Any]]:
    """What each connection of the pool says of itself, taken at once so that none is asked twice."""
    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(pool.pool.connection()) for _ in range(size)]
        found = []
        for connection in connections:
            row = await (await connection.execute(WHO.replace("auth.uid()", "null::uuid"))).fetchone()
            assert row is not None
            found.append(row)
        return found
