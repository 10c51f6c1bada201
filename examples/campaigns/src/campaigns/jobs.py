"""What can be asked of the Jobs system, as its functions and tables answer the caller of a connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from campaigns.database import Connection, first
from campaigns.paging import Page, page, place
from campaigns.problems import Problem

Row = dict[str, Any]

STATUSES = ("pending", "running", "paused", "succeeded", "failed", "cancelled")
FINAL = ("succeeded", "failed", "cancelled")

_SHOWN_ORGANISATIONS = 20

_SUMMARY = sql.SQL(
    "j.id, j.org_id, j.name, j.status, j.created_at, j.started_at, j.finished_at, j.last_run_at, j.total_tasks, "
    "j.completed_tasks, j.failed_tasks, j.cards_created, j.cards_approved, j.cards_executed, j.emails_sent, "
    "j.errors_count"
)
# Organisation by organisation, each along its index: so a page costs what it is, however many jobs there are.
_LIST = sql.SQL("""
select {columns}
from public.organizations as o
cross join lateral (
    select s.*
    from public.jobs as s
    where
        s.org_id = o.id
        and (%(status)s::text is null or s.status = %(status)s)
        and (%(created)s::timestamptz is null or s.created_at <= %(created)s)
        and (%(created)s::timestamptz is null or (s.created_at, s.id) < (%(created)s, %(id)s::uuid))
    order by s.created_at desc, s.id desc
    limit %(limit)s
) as j
order by j.created_at desc, j.id desc
limit %(limit)s
""").format(columns=_SUMMARY)


async def organisations(connection: Connection) -> list[Row]:
    """The caller's organisations by name, so many as can be shown."""
    cursor = await connection.execute(
        "select id, name from public.organizations order by name, id limit %s", [_SHOWN_ORGANISATIONS]
    )
    return await cursor.fetchall()


async def only_organisation(connection: Connection) -> UUID:
    """The caller's organisation. Raises `Problem` unless there is exactly one."""
    found = await organisations(connection)
    if not found:
        raise Problem(403, "You are a member of no organisation.")
    if len(found) > 1:
        raise Problem(
            400,
            "org_id must name one of your organisations.",
            hint=", ".join(f"{each['id']} ({each['name']})" for each in found),
            field="org_id",
            organisations=found,
        )
    organisation: UUID = found[0]["id"]
    return organisation


async def create(connection: Connection, org_id: UUID | None, name: str, description: str | None, params: Any) -> Row:
    """Create a job with its first batch of tasks, in that organisation or in the caller's only one."""
    cursor = await connection.execute(
        "select * from public.create_job(%s, %s, %s, %s)",
        [org_id or await only_organisation(connection), name, description, Jsonb(params)],
    )
    return await first(cursor)


async def find(connection: Connection, job_id: UUID) -> Row:
    """The job. Raises `Problem` where the caller has none of that id."""
    cursor = await connection.execute("select * from public.jobs where id = %s", [job_id])
    row = await cursor.fetchone()
    if row is None:
        raise Problem(404, f"job {job_id} not found")
    return row


async def listed(connection: Connection, status: str | None, after: str | None, limit: int) -> Page:
    """The caller's jobs, newest first."""
    created, last = place(after, (datetime, UUID))
    values = {"status": status, "created": created, "id": last, "limit": limit + 1}
    cursor = await connection.execute(_LIST, values)
    return page(await cursor.fetchall(), limit, ("created_at", "id"))


async def progress(connection: Connection, job_id: UUID) -> Row:
    """The live progress of a job, with its status."""
    cursor = await connection.execute(
        "select public.get_job_progress(%(job)s) as progress, "
        "(select j.status from public.jobs as j where j.id = %(job)s) as status",
        {"job": job_id},
    )
    row = await first(cursor)
    return {"status": row["status"], **row["progress"]}


async def metrics(connection: Connection, job_id: UUID) -> Row | None:
    """The metrics of a job; None where they were not refreshed since it was created."""
    cursor = await connection.execute("select * from public.job_metrics where job_id = %s", [job_id])
    row = await cursor.fetchone()
    if row is None:
        await find(connection, job_id)
    return row


async def transition(connection: Connection, job_id: UUID, status: str) -> Row:
    """Move a job to another status."""
    await connection.execute("select public.transition_job_status(%s, %s)", [job_id, status])
    return await find(connection, job_id)


async def cancel(connection: Connection, job_id: UUID) -> Row:
    """Cancel a job."""
    await connection.execute("select public.cancel_job(%s)", [job_id])
    return await find(connection, job_id)


async def plan(connection: Connection, job_id: UUID) -> int:
    """Make a job's next batch of tasks; how many."""
    cursor = await connection.execute("select public.plan_next_batch(%s) as planned", [job_id])
    planned: int = (await first(cursor))["planned"]
    return planned
