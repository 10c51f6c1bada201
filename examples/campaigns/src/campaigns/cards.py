"""A job's cards: listed, approved and rejected."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from campaigns.database import Connection
from campaigns.paging import Page, page, place
from campaigns.problems import Problem

Row = dict[str, Any]

STATES = ("suggested", "in_review", "approved", "executing", "done", "blocked", "rejected")
TYPES = ("send_email", "create_task", "schedule_call", "research", "follow_up", "create_deal")
UNDECIDED = ("suggested", "in_review")
"""The states of a card that can be approved or rejected."""
DECISIONS = {"approve": "approved", "reject": "rejected"}

_COLUMNS = sql.SQL("c.id, c.type, c.title, c.state, c.priority, c.contact_id, c.task_id, c.created_at")


async def listed(
    connection: Connection, job_id: UUID, state: str | None, card_type: str | None, after: str | None, limit: int
) -> Page:
    """A job's cards, newest first."""
    created, last = place(after, (datetime, UUID))
    cursor = await connection.execute(
        sql.SQL(
            "select {columns} from public.get_job_cards(%(job)s) as c "
            "where (%(state)s::text is null or c.state = %(state)s) and (%(type)s::text is null or c.type = %(type)s) "
            "and (%(created)s::timestamptz is null or c.created_at < %(created)s "
            "or (c.created_at = %(created)s and c.id > %(id)s::uuid)) "
            "order by c.created_at desc, c.id limit %(limit)s"
        ).format(columns=_COLUMNS),
        {"job": job_id, "state": state, "type": card_type, "created": created, "id": last, "limit": limit + 1},
    )
    return page(await cursor.fetchall(), limit, ("created_at", "id"))


async def decide(connection: Connection, card_id: UUID, state: str) -> Row:
    """Approve or reject a card of the caller's that nobody has decided yet."""
    cursor = await connection.execute(
        sql.SQL(
            "update public.kanban_cards as c set state = %s where c.id = %s and c.state = any(%s) returning {columns}"
        ).format(columns=_COLUMNS),
        [state, card_id, list(UNDECIDED)],
    )
    row = await cursor.fetchone()
    if row is not None:
        return row
    cursor = await connection.execute("select c.state from public.kanban_cards as c where c.id = %s", [card_id])
    present = await cursor.fetchone()
    if present is None:
        raise Problem(404, f"card {card_id} not found")
    raise Problem(
        409,
        f"a card that is {present['state']} cannot become {state}",
        hint=f"A card can be decided while it is {' or '.join(UNDECIDED)}.",
    )
