"""Section 4: what a change of a job's status changes beside it, and what it says when it is refused."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.campaigns import CREATE, PLAN, TRANSITION, bring_to, create, refusal, rows
from tests.jobs.cast import PARAMS, new_campaign, new_contacts, new_job, one, settle
from tests.jobs.model import COUNTERS, FINAL, JOB_STATUSES, JOB_TRANSITIONS

UPDATE = "update public.jobs set status = %(to)s where id = %(job)s"
CALL = "select public.transition_job_status(%(job)s, %(to)s)"
CANCEL = "select public.cancel_job(%(job)s)"
TIMES = ("started_at", "finished_at", "last_run_at")
REFUSED = [(a, b) for a in JOB_STATUSES for b in JOB_STATUSES if (a, b) not in JOB_TRANSITIONS]


def read(db: Session, job: UUID) -> dict[str, Any]:
    (row,) = rows(db, "select * from public.jobs where id = %s", [job])
    return row


def change(db: Session, way: str, values: dict[str, Any]) -> None:
    """As the owner for an update, else as a member."""
    if way == UPDATE:
        db.execute(way.encode(), values)
    else:
        with db.as_user(values["member"]):
            assert one(db, f"select pg_typeof({way.removeprefix('select ')})::text", values) == "void"


@pytest.mark.parametrize(("start", "to"), sorted(JOB_TRANSITIONS))
def test_a_transition_sets_the_times_that_belong_to_it_and_changes_nothing_else(
    db: Session, start: str, to: str
) -> None:
    cast = settle(db)
    for way in (UPDATE, CALL, *([CANCEL] if to == "cancelled" else [])):
        job = new_job(db, cast.org_a)
        bring_to(db, job, start)
        before, began = read(db, job), one(db, "select clock_timestamp()")
        change(db, way, {"job": job, "to": to, "member": cast.member_a})
        after, ended = read(db, job), one(db, "select clock_timestamp()")
        expected = {**before, "status": to}
        if to == "running":
            assert began <= after["last_run_at"] <= ended
            expected["last_run_at"] = after["last_run_at"]
            expected["started_at"] = before["started_at"] or after["last_run_at"]
        if to in FINAL:
            assert began <= after["finished_at"] <= ended
            expected["finished_at"] = after["finished_at"]
        assert after == expected, way


@pytest.mark.parametrize(("start", "to"), REFUSED)
def test_a_refused_transition_names_both_statuses_and_what_is_allowed_and_changes_nothing(
    db: Session, start: str, to: str
) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    bring_to(db, job, start)
    before = read(db, job)
    allowed = sorted(end for begin, end in JOB_TRANSITIONS if begin == start)
    told = ", ".join(allowed) if allowed else f"{start} is a final status"
    with db.as_user(cast.member_a):
        assert_says(db, CALL, {"job": job, "to": to}, f"from {start} to {to}", told)
        if to == "cancelled" and start != "cancelled":
            assert_says(db, CANCEL, {"job": job}, f"from {start} to {to}", told)
    if start != to:
        assert_says(db, UPDATE, {"job": job, "to": to}, f"from {start} to {to}", told)
    assert read(db, job) == before


def assert_says(db: Session, statement: str, values: dict[str, Any], message: str, detail: str) -> None:
    """The statement is an invalid transition, and says so in these words."""
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        db.execute(statement.encode(), values)
    assert caught.value.sqlstate == "PT409"
    assert message in (caught.value.diag.message_primary or "")
    assert detail in (caught.value.diag.message_detail or "")


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_an_update_that_leaves_the_status_is_no_transition_and_changes_no_time(db: Session, status: str) -> None:
    job = new_job(db, settle(db).org_a)
    bring_to(db, job, status)
    before = read(db, job)
    db.execute(UPDATE.encode(), {"job": job, "to": status})
    assert read(db, job) == before
    db.execute("update public.jobs set name = 'another' where id = %s", [job])
    assert read(db, job) == {**before, "name": "another"}


def test_cancelling_again_changes_nothing_and_succeeds(db: Session) -> None:
    cast = settle(db)
    campaign = new_campaign(db, cast.org_a)
    everything = "select to_jsonb(j), (select array_agg(to_jsonb(t) order by t.id) from public.job_tasks as t) from "
    with db.as_user(cast.member_a):
        db.execute(CANCEL.encode(), campaign)
        before = rows(db, everything + "public.jobs as j")
        db.execute(CANCEL.encode(), campaign)
        assert rows(db, everything + "public.jobs as j") == before


def test_a_job_last_ran_when_it_was_started_or_planned_and_at_no_other_time(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 20)
    last_run = "select last_run_at from public.jobs"
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        assert one(db, last_run) is None
        seen = None
        for statement, runs in (
            (PLAN, True),
            ("select public.transition_job_status(%s, 'running')", True),
            ("select public.claim_tasks(%s, 1)", False),
            (PLAN, True),
            ("select public.transition_job_status(%s, 'paused')", False),
            ("update public.jobs set name = 'another' where id = %s", False),
            ("select public.transition_job_status(%s, 'running')", True),
            ("select public.transition_job_status(%s, 'failed')", False),
        ):
            before = one(db, "select clock_timestamp()")
            db.execute(statement.encode(), [job])
            found = one(db, last_run)
            assert (found >= before) if runs else (found == seen), statement
            seen = found


def test_a_plan_that_finds_nothing_is_a_run_too(db: Session) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        assert one(db, PLAN, [job]) == 0
        assert one(db, "select last_run_at from public.jobs") is not None


@pytest.mark.parametrize("column", [*TIMES, *COUNTERS])
def test_a_new_job_that_has_run_or_counted_already_is_a_bad_argument(db: Session, column: str) -> None:
    org = settle(db).org_a
    value = "now()" if column in TIMES else "1"
    insert = f"insert into public.jobs (org_id, name, {column}) values (%s, 'x', {value})"
    state, message = refusal(db, insert, [org])
    assert state == "PT400"
    assert "begins pending, never run and with all counters at 0" in message
    assert one(db, "select count(*) from public.jobs") == 0


@pytest.mark.parametrize("column", ["started_at", "finished_at"])
@pytest.mark.parametrize("status", JOB_STATUSES)
def test_the_times_of_a_job_are_not_set_by_hand(db: Session, column: str, status: str) -> None:
    job = new_job(db, settle(db).org_a)
    bring_to(db, job, status)
    before = read(db, job)
    for value in ("'2001-01-01'", "now() + interval '1 day'", "null"):
        if before[column] is None and value == "null":
            continue
        state, message = refusal(db, f"update public.jobs set {column} = {value} where id = %s", [job])
        assert (state, "set by its status changes alone" in message) == ("PT400", True)
    assert read(db, job) == before


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_a_change_of_status_cannot_bring_times_of_its_own(db: Session, status: str) -> None:
    """Not even in the same statement."""
    job = new_job(db, settle(db).org_a)
    statement = (
        "update public.jobs set status = %s, started_at = '2001-01-01', finished_at = '2001-01-02' where id = %s"
    )
    assert refusal(db, statement, [status, job])[0] == "PT400"


@pytest.mark.parametrize("status", [None, "", "done", "PENDING", "x" * 500])
def test_a_status_that_is_none_is_named_beside_those_that_there_are(db: Session, status: str | None) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    with pytest.raises(psycopg.Error) as caught, db.as_user(cast.member_a):
        db.execute(TRANSITION.encode(), [job, status])
    assert caught.value.sqlstate == "PT400"
    assert (f"'{status}'" if status is not None else "NULL") in (caught.value.diag.message_primary or "")
    assert ", ".join(JOB_STATUSES) in (caught.value.diag.message_detail or "")


@pytest.mark.parametrize("final", sorted(FINAL))
def test_a_final_job_takes_no_pending_task_by_any_way_and_says_so(db: Session, final: str) -> None:
    cast = settle(db)
    campaign = new_campaign(db, cast.org_a)
    ended = new_job(db, cast.org_a)
    bring_to(db, ended, final)
    values = {**campaign, "ended": ended}
    ways = [
        "insert into public.job_tasks (job_id, batch, step, kind) values (%(ended)s, 0, 0, 'research')",
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "values (%(job)s, 5, 5, 'research'), (%(ended)s, 0, 0, 'research')",
        "update public.job_tasks set job_id = %(ended)s where id = %(pending)s",
        "update public.job_tasks set job_id = %(ended)s, batch = batch + 50 where job_id = %(job)s",
        "update public.job_tasks set job_id = %(ended)s, status = 'pending', retry_count = 1 where id = %(failed)s",
    ]
    before = rows(db, "select * from public.job_tasks order by id")
    for way in ways:
        state, message = refusal(db, way, values)
        assert state == "PT409", way
        assert f"{ended} is {final}" in message
        assert rows(db, "select * from public.job_tasks order by id") == before
    with db.as_user(cast.member_a):
        assert refusal(db, PLAN, [ended])[0] == "PT409"


def test_what_a_plan_or_a_name_is_refused_for_leaves_no_job_behind(db: Session) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        assert refusal(db, CREATE, [cast.org_a, " ", None, Jsonb(PARAMS)])[0] == "PT400"
        assert refusal(db, CREATE, [cast.org_a, "x", None, Jsonb({})])[0] == "PT400"
    assert one(db, "select count(*) from public.jobs") == 0
