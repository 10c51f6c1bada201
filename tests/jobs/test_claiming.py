"""Section 7: what is handed out to workers, in which order, and what they hand back; also beyond 100."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgassay import Clone, Session
from tests.jobs.campaigns import CLAIM, FAIL, FINISH, PLAN, RETRY, bring_to, create, refusal, rows
from tests.jobs.cast import PARAMS, new_campaign, new_contacts, new_job, new_tasks, one, outcome, settle
from tests.jobs.model import JOB_STATUSES, TASK_KINDS

LONG = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyzäß€ \n'\"\\%", k=20_000))


def running_job(db: Session, org: UUID) -> UUID:
    job = new_job(db, org)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    return job


def test_as_many_tasks_as_are_asked_for_are_handed_out_in_the_order_of_batch_and_step(db: Session) -> None:
    """Of 300 in 15 batches of 20, of which batch 10 does not come before batch 2, nor step 10 before step 2."""
    cast = settle(db)
    job = running_job(db, cast.org_a)
    places = [(batch, step) for batch in range(15) for step in range(20)]
    mixed = random.Random(5).sample(places, len(places))
    new_tasks(db, job, mixed)
    left = places
    with db.as_user(cast.member_a):
        for limit in (1, 130, 101, 2**31 - 1):
            claimed = rows(db, CLAIM, [job, limit])
            assert [(task["batch"], task["step"]) for task in claimed] == left[:limit]
            left = left[limit:]
        assert rows(db, CLAIM, [job, 100]) == []
    assert left == []


def test_a_claim_gives_back_whole_tasks_with_their_organisation(db: Session) -> None:
    """A worker for all organisations looks contacts up by both, and by nothing else of what members write."""
    cast = settle(db)
    (contact,) = new_contacts(db, cast.org_b, 1)
    job, other = running_job(db, cast.org_b), running_job(db, cast.org_a)
    new_tasks(db, other, [(0, 0)])
    for number, kind in enumerate(TASK_KINDS):
        db.execute(
            "insert into public.job_tasks (job_id, batch, step, kind, input, created_at) "
            "values (%s, 3, %s, %s, %s, %s)",
            [job, number, kind, Jsonb({"contact_id": contact, "note": LONG}), f"2025-11-{number + 1:02}"],
        )
    with db.as_service_role(), db.cursor() as cursor:
        cursor.execute(CLAIM.encode(), [job, 100])
        columns = [column.name for column in cursor.description or ()]
        claimed = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    kept = rows(db, "select * from public.job_tasks where job_id = %s order by step", [job])
    assert claimed == kept
    assert columns == list(kept[0])
    assert {task["org_id"] for task in claimed} == {cast.org_b}
    assert [task["kind"] for task in claimed] == list(TASK_KINDS)
    assert {task["input"]["note"] for task in claimed} == {LONG}


@pytest.mark.parametrize("level", ["repeatable read", "serializable", "read committed", "read uncommitted"])
def test_tasks_are_claimed_where_a_pause_meanwhile_would_be_seen_alone(clone: Clone, level: str) -> None:
    refused = level in ("repeatable read", "serializable")
    with clone.connect() as db:
        cast = settle(db)
        job = running_job(db, cast.org_a)
        new_tasks(db, job, [(0, 0)])
        for who in ("member", "service_role"):
            db.execute(f"begin isolation level {level}".encode())
            with db.as_user(cast.member_a) if who == "member" else db.as_service_role():
                if refused:
                    with pytest.raises(psycopg.Error) as caught, db.transaction():
                        db.execute(CLAIM.encode(), [job, 1])
                    assert caught.value.sqlstate == "0A000"
                    assert level in (caught.value.diag.message_primary or "")
                    assert "read committed" in (caught.value.diag.message_hint or "")
                else:
                    assert len(rows(db, CLAIM, [job, 1])) == 1
            db.execute("rollback")
        assert one(db, "select status from public.job_tasks") == "pending"


def test_what_a_worker_hands_back_is_kept_whole(db: Session) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    done, failed, nothing = new_tasks(db, job, [(0, step) for step in range(3)])
    output = {"text": LONG, "list": list(range(500)), "none": None}
    with db.as_user(cast.member_a):
        db.execute(CLAIM.encode(), [job, 3])
        db.execute(FINISH.encode(), [done, Jsonb(output)])
        db.execute(FINISH.encode(), [nothing, None])
        db.execute(FAIL.encode(), [failed, LONG])
        found = {task["id"]: task for task in rows(db, "select * from public.job_tasks")}
    assert (found[done]["output"], found[done]["error_message"]) == (output, None)
    assert (found[failed]["output"], found[failed]["error_message"]) == (None, LONG)
    assert (found[nothing]["status"], found[nothing]["output"]) == ("done", None)


def test_an_empty_error_is_an_error_too(db: Session) -> None:
    cast = settle(db)
    campaign = new_campaign(db, cast.org_a)
    with db.as_user(cast.member_a):
        assert outcome(db, FAIL, [campaign["running"], ""]) == "ok"
    assert one(db, "select error_message from public.job_tasks where id = %(running)s", campaign) == ""


@pytest.mark.parametrize("status", [status for status in JOB_STATUSES if status != "running"])
def test_a_job_that_is_not_running_says_in_which_state_it_is(db: Session, status: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    bring_to(db, job, status)
    with pytest.raises(psycopg.Error) as caught, db.as_user(cast.member_a):
        db.execute(CLAIM.encode(), [job, 1])
    assert caught.value.sqlstate == "PT409"
    assert f"a job that is {status} hands out no tasks" in (caught.value.diag.message_primary or "")
    assert "running" in (caught.value.diag.message_hint or "")


@pytest.mark.parametrize("status", ["paused", "succeeded", "failed", "cancelled"])
def test_a_job_that_takes_no_more_batches_says_in_which_state_it_is(db: Session, status: str) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
    bring_to(db, job, status)
    with pytest.raises(psycopg.Error) as caught, db.as_user(cast.member_a):
        db.execute(PLAN.encode(), [job])
    assert caught.value.sqlstate == "PT409"
    assert f"a job that is {status} takes no more tasks" in (caught.value.diag.message_primary or "")
    assert "pending or running" in (caught.value.diag.message_detail or "")


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
def test_a_failed_task_of_a_final_job_says_in_which_state_the_job_is(db: Session, status: str) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    for step in ("running", "error"):
        db.execute("update public.job_tasks set status = %s", [step])
    db.execute("update public.jobs set status = %s", [status])
    with db.as_user(cast.member_a):
        state, message = refusal(db, RETRY, [task])
    assert (state, message) == ("PT409", f"a task of a job that is {status} cannot be retried")


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_a_failed_task_is_retried_while_its_job_is_not_final(db: Session, status: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    for step in ("running", "error"):
        db.execute("update public.job_tasks set status = %s", [step])
    bring_to(db, job, status)
    with db.as_user(cast.member_a):
        assert outcome(db, RETRY, [task]) == "ok"
    assert db.execute("select status, retry_count from public.job_tasks").fetchall() == [("pending", 1)]


NOWHERE = UUID("00000000-0000-4000-8000-000000000000")
MISSING: list[tuple[str, list[Any], str]] = [
    ("select public.transition_job_status(%s, 'running')", [NOWHERE], "job"),
    ("select public.cancel_job(%s)", [NOWHERE], "job"),
    (PLAN, [NOWHERE], "job"),
    (CLAIM, [NOWHERE, 5], "job"),
    (FINISH, [2**62, Jsonb({})], "task"),
    (FAIL, [2**62, "x"], "task"),
    (RETRY, [2**62], "task"),
]


@pytest.mark.parametrize(("statement", "parameters", "what"), MISSING)
def test_who_asks_for_what_is_not_there_is_told_what_it_was(
    db: Session, statement: str, parameters: list[Any], what: str
) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        assert refusal(db, statement, parameters) == ("PT404", f"{what} {parameters[0]} not found")
        name = "p_job_id" if what == "job" else "p_task_id"
        assert refusal(db, statement, [None, *parameters[1:]]) == ("PT400", f"{name} must not be null")


@pytest.mark.parametrize("limit", [None, 0, -7])
def test_a_limit_that_is_none_is_named(db: Session, limit: int | None) -> None:
    cast = settle(db)
    job = running_job(db, cast.org_a)
    with db.as_user(cast.member_a):
        told = f"p_limit is {'NULL' if limit is None else limit}, and must be 1 or more"
        assert refusal(db, CLAIM, [job, limit]) == ("PT400", told)
