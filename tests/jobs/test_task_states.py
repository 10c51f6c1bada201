"""Section 4: each pair of task states, by each way in which a task can be asked to go from the one to the other."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from pgassay import Clone, Session
from tests.jobs.campaigns import CLAIM, FAIL, FINISH, RETRY, refusal, rows
from tests.jobs.cast import new_job, new_tasks, one, outcome, settle
from tests.jobs.model import FINAL, JOB_STATUSES, JOB_TRANSITIONS, TASK_STATUSES, TASK_TRANSITIONS

WAYS_TO: dict[str, list[str]] = {
    "pending": [],
    "running": ["running"],
    "done": ["running", "done"],
    "error": ["running", "error"],
    "skipped": ["skipped"],
}
EVENTS = {"started_at", "finished_at"}
EVERY_PAIR = [
    pytest.param(start, to, id=f"{start} to {to}") for start in TASK_STATUSES for to in TASK_STATUSES if start != to
]


def task_in(db: Session, job: UUID, status: str) -> int:
    """A new task of that job, brought to that status."""
    place = one(db, "select coalesce(max(batch), 0) + 1 from public.job_tasks where job_id = %s", [job])
    (task,) = new_tasks(db, job, [(place, 1)])
    for step in WAYS_TO[status]:
        db.execute("update public.job_tasks set status = %s where id = %s", [step, task])
    if status == "error":
        db.execute("update public.job_tasks set error_message = 'bounced' where id = %s", [task])
    return task


def running_job(db: Session, org: UUID) -> UUID:
    job = new_job(db, org)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    return job


def read(db: Session, task: int) -> dict[str, Any]:
    (row,) = rows(db, "select * from public.job_tasks where id = %s", [task])
    return row


def assert_went(before: dict[str, Any], after: dict[str, Any], to: str, **results: Any) -> None:
    """The task went to that status, with the timestamps that belong to it, and nothing else of it has changed."""
    retried = int(to == "pending")
    expected = {**before, "status": to, "retry_count": before["retry_count"] + retried, **results}
    assert {name: value for name, value in after.items() if name not in EVENTS} == {
        name: value for name, value in expected.items() if name not in EVENTS
    }
    assert (after["started_at"] is not None) == (to in ("running", "done", "error"))
    assert (after["finished_at"] is not None) == (to in ("done", "error"))
    if to in ("done", "error"):
        assert before["started_at"] == after["started_at"] <= after["finished_at"]


@pytest.mark.parametrize(("start", "to"), EVERY_PAIR)
def test_a_direct_update_moves_a_task_as_the_table_says(db: Session, start: str, to: str) -> None:
    """By the owner, whom no policy and no grant holds back."""
    job = running_job(db, settle(db).org_a)
    for counted in (0, 1, 2):
        task = task_in(db, job, start)
        before = read(db, task)
        update = "update public.job_tasks set status = %s, retry_count = retry_count + %s where id = %s"
        allowed = (start, to) in TASK_TRANSITIONS and (counted == 1 or to != "pending")
        if allowed:
            assert outcome(db, update, [to, counted, task]) == "ok"
            before["retry_count"] += counted - (to == "pending")
            assert_went(before, read(db, task), to)
        else:
            state, message = refusal(db, update, [to, counted, task])
            assert (state, f"from {start} to {to}" in message) == ("PT409", True)
            assert read(db, task) == before


@pytest.mark.parametrize("status", TASK_STATUSES)
def test_an_update_that_leaves_a_tasks_status_is_no_transition(db: Session, status: str) -> None:
    job = running_job(db, settle(db).org_a)
    task = task_in(db, job, status)
    before = read(db, task)
    assert outcome(db, "update public.job_tasks set status = status, kind = 'research' where id = %s", [task]) == "ok"
    assert read(db, task) == {**before, "kind": "research"}


@pytest.mark.parametrize("start", TASK_STATUSES)
def test_each_function_moves_a_task_as_the_table_says_and_no_other_task(db: Session, start: str) -> None:
    cast = settle(db)
    for to, call, given, results in (
        ("done", FINISH, [Jsonb({"sent": 1})], {"output": {"sent": 1}}),
        ("error", FAIL, ["refused"], {"error_message": "refused"}),
        ("pending", RETRY, [], {"error_message": None}),
    ):
        job = running_job(db, cast.org_a)
        task, others = task_in(db, job, start), [task_in(db, job, status) for status in TASK_STATUSES]
        before, untouched = read(db, task), [read(db, other) for other in others]
        with db.as_user(cast.member_a):
            if (start, to) in TASK_TRANSITIONS:
                assert one(db, f"select pg_typeof({call.removeprefix('select ')})::text", [task, *given]) == "void"
            else:
                state, message = refusal(db, call, [task, *given])
                assert (state, f"from {start} to {to}" in message) == ("PT409", True)
        if (start, to) in TASK_TRANSITIONS:
            assert_went(before, read(db, task), to, **results)
        else:
            assert read(db, task) == before
        assert [read(db, other) for other in others] == untouched


@pytest.mark.parametrize("start", TASK_STATUSES)
def test_a_claim_takes_pending_tasks_alone(db: Session, start: str) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    task = task_in(db, job, start)
    before = read(db, task)
    with db.as_user(cast.member_a):
        claimed = rows(db, CLAIM, [job, 9])
    if start == "pending":
        assert claimed == [read(db, task)]
        assert_went(before, claimed[0], "running")
    else:
        assert claimed == []
        assert read(db, task) == before


@pytest.mark.parametrize("start", TASK_STATUSES)
@pytest.mark.parametrize("final", sorted(FINAL))
def test_a_job_that_ends_skips_pending_tasks_and_leaves_the_others(db: Session, final: str, start: str) -> None:
    cast = settle(db)
    for call in ("select public.transition_job_status(%s, %s)", "select public.cancel_job(%s)"):
        cancelling = "cancel_job" in call
        if (cancelling and final != "cancelled") or (final == "succeeded" and start in ("pending", "running")):
            continue
        job = running_job(db, cast.org_a)
        task = task_in(db, job, start)
        before = read(db, task)
        with db.as_user(cast.member_a):
            assert outcome(db, call, [job] if cancelling else [job, final]) == "ok"
        if start == "pending":
            assert_went(before, read(db, task), "skipped")
        else:
            assert read(db, task) == before


@pytest.mark.parametrize("start", ["pending", "running"])
def test_a_job_succeeds_once_its_tasks_are_neither_pending_nor_running(db: Session, start: str) -> None:
    """By the way of each task: one is left, in one of the two states, among others that are over."""
    cast = settle(db)
    job = running_job(db, cast.org_a)
    for status in ("done", "error", "skipped"):
        task_in(db, job, status)
    left = task_in(db, job, start)
    succeed = "select public.transition_job_status(%s, 'succeeded')"
    with db.as_user(cast.member_a):
        state, message = refusal(db, succeed, [job])
        assert state == "PT409"
        assert "running to succeeded while a task is pending or running" in message
    if start == "pending":
        db.execute("update public.job_tasks set status = 'running' where id = %s", [left])
    db.execute("update public.job_tasks set status = 'error' where id = %s", [left])
    with db.as_user(cast.member_a):
        assert outcome(db, succeed, [job]) == "ok"


def test_not_even_a_superuser_passes_the_tables(clone: Clone) -> None:
    """The database holds every role to them: here one that neither rights nor policies concern."""
    with clone.connect_as_admin() as db, db.transaction():
        org = settle(db).org_a
        for start in JOB_STATUSES:
            for to in JOB_STATUSES:
                with db.transaction(force_rollback=True):
                    job = running_job(db, org) if start != "pending" else new_job(db, org)
                    if start not in ("pending", "running"):
                        db.execute("update public.jobs set status = %s where id = %s", [start, job])
                    found = outcome(db, "update public.jobs set status = %s where id = %s", [to, job])
                    assert found == ("ok" if start == to or (start, to) in JOB_TRANSITIONS else "PT409"), (start, to)
        for start in TASK_STATUSES:
            for to in TASK_STATUSES:
                with db.transaction(force_rollback=True):
                    task = task_in(db, running_job(db, org), start)
                    found = outcome(db, "update public.job_tasks set status = %s where id = %s", [to, task])
                    fine = start == to or (start, to) in TASK_TRANSITIONS - {("error", "pending")}
                    assert found == ("ok" if fine else "PT409"), (start, to)
        for table, values in (("jobs (org_id, name", [org]), ("job_tasks (job_id, batch, step, kind", [])):
            job = new_job(db, org)
            given = "(%s, 'x'" if values else f"('{job}', 7, 7, 'research'"
            for status in ("running", "failed", "error", "nonsense"):
                insert = f"insert into public.{table}, status) values {given}, '{status}')"
                assert outcome(db, insert, values) == "PT409", insert


def test_a_retried_task_is_like_a_new_one_but_counted(db: Session) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    fresh = read(db, task)
    for count in (1, 2, 3):
        with db.as_user(cast.member_a):
            db.execute(CLAIM.encode(), [job, 1])
            db.execute(FAIL.encode(), [task, "bounced"])
            db.execute(RETRY.encode(), [task])
        assert read(db, task) == {**fresh, "retry_count": count}


def test_a_task_that_ends_after_the_clock_went_back_ends_when_it_started(db: Session) -> None:
    """Also a job: nothing ends before it began."""
    cast = settle(db)
    job = running_job(db, cast.org_a)
    tasks = [task_in(db, job, "running") for _ in range(2)]
    for table in ("jobs", "job_tasks"):
        db.execute(f"alter table public.{table} disable trigger user".encode())
        db.execute(f"update public.{table} set started_at = now() + interval '1 day'".encode())
        db.execute(f"alter table public.{table} enable trigger user".encode())
    for task, status in zip(tasks, ("done", "error"), strict=True):
        db.execute("update public.job_tasks set status = %s where id = %s", [status, task])
    db.execute("update public.jobs set status = 'succeeded' where id = %s", [job])
    for table in ("jobs", "job_tasks"):
        assert one(db, f"select bool_and(finished_at = started_at) from public.{table}") is True, table
    assert one(db, "select last_run_at < started_at from public.jobs") is True, "that was set by the first start"


def test_tasks_start_and_finish_by_the_clock_and_not_when_the_transaction_began(db: Session) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    tasks = new_tasks(db, job, [(0, 0), (0, 1)])
    with db.as_user(cast.member_a):
        times = [one(db, "select clock_timestamp()")]
        db.execute(CLAIM.encode(), [job, 2])
        times.append(one(db, "select clock_timestamp()"))
        db.execute(FINISH.encode(), [tasks[0], None])
        db.execute(FAIL.encode(), [tasks[1], "x"])
        times.append(one(db, "select clock_timestamp()"))
    for task in map(partial(read, db), tasks):
        assert times[0] <= task["started_at"] <= times[1] <= task["finished_at"] <= times[2]


@pytest.mark.parametrize("table", ["jobs", "job_tasks"])
def test_null_is_no_status_to_go_to_or_begin_with(db: Session, table: str) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    new_tasks(db, job, [(0, 0)])
    state, message = refusal(db, f"update public.{table} set status = null")
    assert state == "PT409"
    assert "to NULL" in message
    inserts = {
        "jobs": f"insert into public.jobs (org_id, name, status) values ('{cast.org_a}', 'x', null)",
        "job_tasks": (
            f"insert into public.job_tasks (job_id, batch, step, kind, status) values ('{job}', 9, 9, 'research', null)"
        ),
    }
    assert refusal(db, inserts[table])[0] == "PT409"
