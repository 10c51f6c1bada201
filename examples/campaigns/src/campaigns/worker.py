"""A worker: claims tasks of running jobs, writes their cards, and plans the next batch when none is left.

Any number may run at once. Each acts with the rights of its own token.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from campaigns import jobs, logs, problems, tasks
from campaigns.database import Connection, Database, first
from campaigns.jobs import Row
from campaigns.problems import Problem
from campaigns.tokens import Caller

SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
_JOBS_AT_ONCE = 50
_MESSAGES = ("draft_email", "send_email")
_CARDS = {
    "draft_email": "send_email",
    "send_email": "send_email",
    "create_task": "create_task",
    "schedule_call": "schedule_call",
    "research": "research",
    "follow_up": "follow_up",
    "create_deal": "create_deal",
}
"""The type of the card that comes of a task; the other kinds of tasks have none."""

_PASSING = ("PT404", "PT409", "40001", "40P01", "55P03")
"""Somebody else was quicker: paused or deleted the job, or took the last task. Nothing is wrong."""


class CannotDo(Exception):
    """A task cannot be done; the message says why, for the person who may retry it."""


class Worker:
    """One worker.

    ``pace`` is how many seconds it takes for each task at least, so that a person can watch. Metrics are refreshed
    every ``refresh`` seconds, for which its role must be service_role; 0 leaves that to others, as to pg_cron.
    """

    def __init__(self, database: Database, caller: Caller, *, pace: float = 0.0, refresh: float = 0.0) -> None:
        self._database = database
        self._caller = caller
        self._pace = pace
        self._refresh = refresh
        self._refreshed = 0.0
        self._stop = asyncio.Event()
        self.done = 0

    def stop(self) -> None:
        """End after the task at hand."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`, or until the token ends."""
        pause = SHORTEST_PAUSE
        while not self._stop.is_set() and not self._caller.is_expired:
            try:
                is_busy = await self._round()
                await self._refresh_metrics()
            except Exception as error:
                problem = problems.of(error)
                if problem is None or problem.status < 500:
                    raise
                logs.warning("database away", error=str(error))
                is_busy = False
            pause = SHORTEST_PAUSE if is_busy else min(pause * 2, LONGEST_PAUSE)
            if not is_busy:
                await self._wait(pause)

    async def _round(self) -> bool:
        """Advance each running job by one step; whether there was anything to do."""
        async with self._database.acting_as(self._caller) as connection:
            cursor = await connection.execute(
                "select id, org_id, params from public.jobs where status = 'running' order by last_run_at limit %s",
                [_JOBS_AT_ONCE],
            )
            running = await cursor.fetchall()
        is_busy = False
        for job in running:
            if self._stop.is_set():
                break
            try:
                is_busy |= await self._advance(job)
            except psycopg.Error as error:
                if error.sqlstate not in _PASSING:
                    raise
            except Problem:
                continue
        return is_busy

    async def _advance(self, job: Row) -> bool:
        """Do one task of the job; where none is pending plan more, and where there are no more end it."""
        async with self._database.acting_as(self._caller) as connection:
            claimed = await tasks.claim(connection, job["id"], 1)
        if claimed:
            await self._do(job, claimed[0])
            return True
        async with self._database.acting_as(self._caller) as connection:
            if await jobs.plan(connection, job["id"]):
                return True
            left = (await jobs.progress(connection, job["id"]))["tasks_by_status"]
            if left.get("pending") or left.get("running") or left.get("error"):
                return False  # others are at work, or a person has to decide what becomes of failed tasks
            await jobs.transition(connection, job["id"], "succeeded")
        logs.note("job succeeded", job=job["id"])
        return True

    async def _do(self, job: Row, task: Row) -> None:
        """Finish the task together with its card, or fail it with the reason."""
        await self._wait(self._pace)
        try:
            async with self._database.acting_as(self._caller) as connection:
                card = await _made_card(connection, job, task)
                await tasks.finish(connection, task["id"], {"card_id": card})
        except (psycopg.Error, CannotDo) as error:
            reason = _reason(error)
            async with self._database.acting_as(self._caller) as connection:
                await tasks.fail(connection, task["id"], reason)
            logs.note("task failed", job=job["id"], task=task["id"], reason=reason)
        self.done += 1

    async def _refresh_metrics(self) -> None:
        if self._refresh and time.monotonic() - self._refreshed >= self._refresh:
            async with self._database.acting_as(self._caller) as connection:
                await connection.execute("select public.refresh_job_metrics()")
            self._refreshed = time.monotonic()

    async def _wait(self, seconds: float) -> None:
        if seconds:
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return


def _reason(error: Exception) -> str:
    """Why the task failed, for a person. What is not the task's own fault is raised again."""
    if isinstance(error, CannotDo):
        return str(error)
    problem = problems.of(error)
    if problem is None or problem.status != 400:
        raise error
    return problem.detail


async def _made_card(connection: Connection, job: Row, task: Row) -> str | None:
    """The id of the card that comes of the task, as text; None for a task that has none."""
    kind = _CARDS.get(task["kind"])
    if kind is None:
        return None
    given = task["input"] if isinstance(task["input"], dict) else {}
    contact = await _contact(connection, job, given.get("contact_id"))
    payload = await _message(connection, job, given, contact) if task["kind"] in _MESSAGES else {}
    about = payload.get("subject") or kind.replace("_", " ").capitalize()
    cursor = await connection.execute(
        "insert into public.kanban_cards (org_id, job_id, task_id, type, title, state, payload, contact_id) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s) returning id",
        [
            job["org_id"],
            job["id"],
            task["id"],
            kind,
            f"{contact['email']}: {about}" if contact else about,
            "suggested" if job["params"].get("review_mode") else "approved",
            Jsonb(payload),
            contact["id"] if contact else None,
        ],
    )
    return str((await first(cursor))["id"])


async def _contact(connection: Connection, job: Row, contact_id: object) -> Row | None:
    """The contact of a task. Members write its id, so it is looked up in the job's organisation alone."""
    if contact_id is None:
        return None
    cursor = await connection.execute(
        "select id, email, first_name, last_name, company from public.contacts where org_id = %s and id = %s::uuid",
        [job["org_id"], str(contact_id)],
    )
    found = await cursor.fetchone()
    if found is None:
        raise CannotDo("The contact of this task is not there any more.")
    return found


async def _message(connection: Connection, job: Row, given: Row, contact: Row | None) -> dict[str, Any]:
    """The subject and body of a message to the contact."""
    if contact is None:
        raise CannotDo("This task names no contact.")
    name = given.get("template")
    template = job["params"].get("templates", {}).get(name) if isinstance(name, str) else None
    if template is None:
        raise CannotDo("This task names no template of its campaign.")
    variables = {key: contact[key] for key in ("email", "first_name", "last_name", "company")}
    cursor = await connection.execute(
        "select public.render_template(%s, %s) as filled", [Jsonb(template), Jsonb(variables)]
    )
    filled: dict[str, Any] = (await first(cursor))["filled"]
    return filled


async def work(database: Database, worker: Worker) -> None:
    """Run the worker until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, worker.stop)
    await database.open()
    try:
        await worker.run()
    finally:
        await database.close()
        logs.note("worker ended", tasks=worker.done)
