"""A POST that is repeated with the same Idempotency-Key gives the job that the first one created."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

from psycopg import Rollback

from campaigns import jobs
from campaigns.contracts import NewJob
from campaigns.database import Connection, Database
from campaigns.problems import Problem
from campaigns.tokens import Caller

Row = dict[str, Any]


async def create_once(database: Database, caller: Caller, key: str, body: NewJob) -> tuple[Row, bool]:
    """Create the job unless the caller has done so with this key; the job, and whether it is new."""
    marked = fingerprint(body)
    async with database.acting_as(caller) as connection:
        known = await _created_with(connection, key, marked)
        if known is not None:
            return known, False
        with suppress(Rollback):
            async with connection.transaction() as attempt:
                job = await jobs.create(connection, body.org_id, body.name, body.description, body.params)
                if not await _note(connection, key, marked, job):
                    raise Rollback(attempt)  # the same request was quicker: its job counts, and this one is undone
                return job, True
        known = await _created_with(connection, key, marked)
    if known is None:
        raise Problem(409, "A request with this Idempotency-Key has just been undone.", hint="Try again.")
    return known, False


async def _created_with(connection: Connection, key: str, fingerprint: str) -> Row | None:
    """The job that the caller has created with that key. Raises `Problem` where that was another request."""
    cursor = await connection.execute(
        "select r.job_id, r.fingerprint from public.job_requests as r "
        "where r.user_id is not distinct from (select auth.uid()) and r.key = %s",
        [key],
    )
    noted = await cursor.fetchone()
    if noted is None:
        return None
    if noted["fingerprint"] != fingerprint:
        raise Problem(422, "This Idempotency-Key belongs to another request.", hint="Take a new key for a new job.")
    return await jobs.find(connection, noted["job_id"])


async def _note(connection: Connection, key: str, fingerprint: str, job: Row) -> bool:
    """Note the key with which a job was created; False where another request has it meanwhile."""
    cursor = await connection.execute(
        "insert into public.job_requests (key, org_id, job_id, fingerprint) values (%s, %s, %s, %s) "
        "on conflict do nothing",
        [key, job["org_id"], job["id"], fingerprint],
    )
    return cursor.rowcount == 1


def fingerprint(body: NewJob) -> str:
    """The same text for the same request, in whatever order its members stand."""
    return hashlib.sha256(json.dumps(body.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
