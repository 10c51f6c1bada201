"""A job's tasks: listed, claimed, finished, failed and retried."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from campaigns import jobs
from campaigns.database import Connection
from campaigns.paging import Page, page, place
from campaigns.problems import Problem

Row = dict[str, Any]

STATUSES = ("pending", "running", "done", "error", "skipped")

_COLUMNS = sql.SQL(
    "t.id, t.job_id, t.batch, t.step, t.kind, t.status, t.input, t.output, t.error_message, t.retry_count, "
    "t.created_at, t.started_at, t.finished_at"
)


async def listed(
    connection: Connection, job_id: UUID, status: str | None, after: str | None, limit: int, batch: int | None = None
) -> Page:
    """A job's tasks in the order of their batches and steps."""
    last_batch, last_step = place(after, (int, int))
    await jobs.find(connection, job_id)
    cursor = await connection.execute(
        sql.SQL(
            "select {columns} from public.job_tasks as t "
            "where t.job_id = %(job)s and (%(status)s::text is null or t.status = %(status)s) "
            "and (%(in_batch)s::integer is null or t.batch = %(in_batch)s) "
            "and (%(batch)s::bigint is null or (t.batch, t.step) > (%(batch)s, %(step)s)) "
            "order by t.batch, t.step limit %(limit)s"
        ).format(columns=_COLUMNS),
        {
            "job": job_id,
            "status": status,
            "in_batch": batch,
            "batch": last_batch,
            "step": last_step,
            "limit": limit + 1,
        },
    )
    return page(await cursor.fetchall(), limit, ("batch", "step"))


async def batches(connection: Connection, job_id: UUID, before: int | None, limit: int) -> list[Row]:
    """How many tasks of each status each batch has: the last batches, or the last ones before that batch."""
    cursor = await connection.execute(
        "select t.batch, count(*) as total, "
        "count(*) filter (where t.status = 'pending') as pending, "
        "count(*) filter (where t.status = 'running') as running, "
        "count(*) filter (where t.status = 'done') as done, "
        "count(*) filter (where t.status = 'error') as error, "
        "count(*) filter (where t.status = 'skipped') as skipped "
        "from public.job_tasks as t "
        "where t.job_id = %(job)s and (%(before)s::integer is null or t.batch < %(before)s) "
        "group by t.batch order by t.batch desc limit %(limit)s",
        {"job": job_id, "before": before, "limit": limit},
    )
    return await cursor.fetchall()


async def claim(connection: Connection, job_id: UUID, limit: int) -> list[Row]:
    """Take pending tasks of a running job."""
    cursor = await connection.execute(
        sql.SQL("select {columns}, t.org_id from public.claim_tasks(%s, %s) as t").format(columns=_COLUMNS),
        [job_id, limit],
    )
    return await cursor.fetchall()


async def finish(connection: Connection, task_id: int, output: Any) -> Row:
    """End a running task as done."""
    await connection.execute("select public.finish_task(%s, %s)", [task_id, Jsonb(output)])
    return await _one(connection, task_id)


async def fail(connection: Connection, task_id: int, error: str) -> Row:
    """End a running task as error."""
    await connection.execute("select public.fail_task(%s, %s)", [task_id, error])
    return await _one(connection, task_id)


async def retry(connection: Connection, task_id: int) -> Row:
    """Make a failed task pending again."""
    await connection.execute("select public.retry_task(%s)", [task_id])
    return await _one(connection, task_id)


async def _one(connection: Connection, task_id: int) -> Row:
    cursor = await connection.execute(
        sql.SQL("select {columns} from public.job_tasks as t where t.id = %s").format(columns=_COLUMNS), [task_id]
    )
    row = await cursor.fetchone()
    if row is None:  # deleted meanwhile
        raise Problem(404, f"task {task_id} not found")
    return row
