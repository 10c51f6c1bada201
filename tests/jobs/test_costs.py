"""Sections 6, 8 and 9: what a statement or call reads, counted in rows, so that no clock is asked."""

from __future__ import annotations

from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.campaigns import CLAIM, PLAN, create, rows
from tests.jobs.cast import PARAMS, new_card, new_contacts, new_job, new_tasks, one, settle
from tests.jobs.test_isolation import CALLS

MANY = 400


def rows_read(db: Session, table: str) -> int:
    """How many rows of that table this transaction has read so far."""
    read = (
        "select coalesce(s.seq_tup_read, 0) + coalesce(s.idx_tup_fetch, 0) "
        "from pg_stat_xact_user_tables as s where s.relid = %s::regclass"
    )
    return int(one(db, read, [f"public.{table}"]))


def big_job(db: Session, org: UUID) -> UUID:
    """A running job with many tasks that are over, some that are not, and many cards; statistics know of it."""
    job = new_job(db, org)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    tasks = new_tasks(db, job, [(batch, step) for batch in range(4) for step in range(MANY // 4)])
    db.execute("update public.job_tasks set status = 'running' where id = any(%s)", [tasks[6:]])
    db.execute("update public.job_tasks set status = 'done' where id = any(%s)", [tasks[10:200]])
    db.execute("update public.job_tasks set status = 'error' where id = any(%s)", [tasks[200:]])
    db.execute(
        "insert into public.kanban_cards (org_id, type, title, job_id) "
        "select %s, 'research', 'x', %s from generate_series(1, %s)",
        [org, job, MANY],
    )
    db.execute("analyze public.jobs, public.job_tasks, public.kanban_cards")
    return job


CHANGES = {
    "insert a task": "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 9, 9, 'research')",
    "finish a task": "update public.job_tasks set status = 'done' where id = %(running)s",
    "delete a task": "delete from public.job_tasks where id = %(running)s",
    "insert a card": (
        "insert into public.kanban_cards (org_id, type, title, job_id) values (%(org)s, 'research', 'x', %(job)s)"
    ),
    "approve a card": "update public.kanban_cards set state = 'approved' where id = %(card)s",
    "delete a card": "delete from public.kanban_cards where id = %(card)s",
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_change_reads_no_other_task_or_card_of_its_job(db: Session, change: str) -> None:
    """Section 6: counters are added to, and never counted anew."""
    cast = settle(db)
    job = big_job(db, cast.org_a)
    running = one(db, "select min(id) from public.job_tasks where status = 'running'")
    values = {"job": job, "org": cast.org_a, "running": running, "card": new_card(db, cast.org_a, job)}
    before = [rows_read(db, table) for table in ("job_tasks", "kanban_cards")]
    db.execute(CHANGES[change].encode(), values)
    after = [rows_read(db, table) for table in ("job_tasks", "kanban_cards")]
    assert all(new - old <= 3 for old, new in zip(before, after, strict=True)), (before, after)


def test_progress_reads_what_is_pending_or_running_and_not_what_is_over(db: Session) -> None:
    cast = settle(db)
    job = big_job(db, cast.org_a)
    before = rows_read(db, "job_tasks")
    with db.as_user(cast.member_a):
        found = one(db, "select public.get_job_progress(%s)", [job])
    assert found["tasks_by_status"] == {"pending": 6, "running": 4, "done": 190, "error": 200}
    assert rows_read(db, "job_tasks") - before <= 40, "with what these rows were before, in the same transaction"


def test_a_claim_reads_about_as_many_tasks_as_it_takes(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    new_tasks(db, job, [(batch, step) for batch in range(4) for step in range(MANY)])
    db.execute("analyze public.job_tasks")
    before = rows_read(db, "job_tasks")
    with db.as_user(cast.member_a):
        assert len(rows(db, CLAIM, [job, 5])) == 5
    assert rows_read(db, "job_tasks") - before <= 20


@pytest.mark.parametrize("call", ["finish_task", "fail_task", "retry_task"])
def test_a_call_for_a_task_reads_no_other_task(db: Session, call: str) -> None:
    cast = settle(db)
    job = big_job(db, cast.org_a)
    values = {
        "running": one(db, "select min(id) from public.job_tasks where status = 'running'"),
        "failed": one(db, "select min(id) from public.job_tasks where status = 'error'"),
        "job": job,
    }
    before = rows_read(db, "job_tasks")
    with db.as_user(cast.member_a):
        db.execute(CALLS[call].encode(), values)
    assert rows_read(db, "job_tasks") - before <= 6


def test_a_batch_costs_what_it_is_whatever_is_planned(db: Session) -> None:
    """Section 9. One day is exhausted, and most of the second one planned, without any statistics of the tables."""
    cast = settle(db)
    new_contacts(db, cast.org_a, MANY)
    params = {**PARAMS, "cadence": {"day0": True, "day3": True}, "batch_size": 100}
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, params)
        assert [one(db, PLAN, [job]) for _ in range(6)] == [100] * 6
        db.execute("update public.jobs set params = %s", [Jsonb({**params, "batch_size": 5})])
        assert one(db, PLAN, [job]) == 5, "looks once more, since the parameters are others"
        for _ in range(3):
            before = [rows_read(db, table) for table in ("contacts", "job_tasks")]
            assert one(db, PLAN, [job]) == 5
            after = [rows_read(db, table) for table in ("contacts", "job_tasks")]
            read = [new - old for old, new in zip(before, after, strict=True)]
            assert all(count <= 40 for count in read), read
