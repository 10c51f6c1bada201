"""What the tests of section 7 share: its functions as statements, values for them, and what they left behind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import strategies as st
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import Parameters, one

CREATE = "select (public.create_job(%s, %s, %s, %s)).id"
PLAN = "select public.plan_next_batch(%s)"
CLAIM = "select * from public.claim_tasks(%s, %s)"
FINISH = "select public.finish_task(%s, %s)"
FAIL = "select public.fail_task(%s, %s)"
RETRY = "select public.retry_task(%s)"
TRANSITION = "select public.transition_job_status(%s, %s)"

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


def rows(db: Session, statement: str, parameters: Parameters = ()) -> list[dict[str, Any]]:
    with db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def refusal(db: Session, statement: str, parameters: Parameters = ()) -> tuple[str | None, str]:
    """The SQLSTATE and the message with which the statement fails."""
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        db.execute(statement.encode(), parameters)
    return caught.value.sqlstate, caught.value.diag.message_primary or ""


def create(db: Session, org: UUID, params: dict[str, Any]) -> UUID:
    return UUID(str(one(db, CREATE, [org, "Campaign", None, Jsonb(params)])))


def planned(db: Session, job: UUID) -> list[tuple[int, int, int, str]]:
    """A job's tasks that a plan made: batch, step, day, contact."""
    found = db.execute(
        "select batch, step, input -> 'day', input -> 'contact_id' from public.job_tasks "
        "where job_id = %s and kind = 'draft_email' order by batch, step",
        [job],
    ).fetchall()
    return [(batch, step, day, contact) for batch, step, day, contact in found]


def bring_to(db: Session, job: UUID, status: str) -> None:
    """Along the transition table; its pending tasks are worked off before it succeeds."""
    if status == "succeeded":
        db.execute("update public.job_tasks set status = 'running' where status = 'pending' and job_id = %s", [job])
        db.execute("update public.job_tasks set status = 'done' where status = 'running' and job_id = %s", [job])
    if status not in ("pending", "running", "cancelled"):
        db.execute("update public.jobs set status = 'running' where id = %s", [job])
    db.execute("update public.jobs set status = %s where id = %s", [status, job])
