"""Section 4: a job's status changes only as the table says, whichever way it is changed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.cast import new_job, new_tasks, one, outcome, settle
from tests.jobs.model import FINAL, JOB_STATUSES, JOB_TRANSITIONS, TASK_STATUSES, TASK_TRANSITIONS


@dataclass
class Job:
    """A job as section 4 has it."""

    id: UUID
    status: str = "pending"
    tasks: dict[int, str] = field(default_factory=dict)
    started_at: datetime | None = None

    def expected(self, to: str) -> str:
        if (self.status, to) not in JOB_TRANSITIONS:
            return "PT409"
        if to == "succeeded" and {"pending", "running"} & set(self.tasks.values()):
            return "PT409"
        return "ok"

    def go_to(self, to: str) -> None:
        self.status = to
        if to in FINAL:
            self.tasks = {task: "skipped" if was == "pending" else was for task, was in self.tasks.items()}


class LivesOfJobs(RuleBasedStateMachine):
    """Some jobs and their tasks, changed in every way there is, beside the model of section 4."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self._block = ExitStack()
        self.db = self._block.enter_context(example())
        self.cast = settle(self.db)
        self.jobs = [Job(new_job(self.db, self.cast.org_a)) for _ in range(4)]
        self.retries: dict[int, int] = {}
        self.batches = 0

    def teardown(self) -> None:
        self._block.close()

    def a_job(self, data: st.DataObject) -> Job:
        return data.draw(st.sampled_from(self.jobs))

    @rule()
    def another_job(self) -> None:
        self.jobs.append(Job(new_job(self.db, self.cast.org_a)))

    @rule(data=st.data())
    def start_pause_or_resume(self, data: st.DataObject) -> None:
        """Not left to chance alone: few jobs would get far."""
        job = self.a_job(data)
        self.transition_to(job, {"pending": "running", "running": "paused"}.get(job.status, "running"))

    @rule(data=st.data(), to=st.sampled_from(JOB_STATUSES))
    def transition(self, data: st.DataObject, to: str) -> None:
        self.transition_to(self.a_job(data), to)

    def transition_to(self, job: Job, to: str) -> None:
        expected = job.expected(to)
        with self.db.as_user(self.cast.member_a):
            assert outcome(self.db, "select public.transition_job_status(%s, %s)", [job.id, to]) == expected
        if expected == "ok":
            job.go_to(to)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = self.a_job(data)
        expected = "ok" if job.status == "cancelled" else job.expected("cancelled")
        with self.db.as_user(self.cast.member_both):
            assert outcome(self.db, "select public.cancel_job(%s)", [job.id]) == expected
        if expected == "ok":
            job.go_to("cancelled")

    @rule(data=st.data(), to=st.sampled_from(JOB_STATUSES))
    def update_directly(self, data: st.DataObject, to: str) -> None:
        job = self.a_job(data)
        expected = "ok" if to == job.status else job.expected(to)
        assert outcome(self.db, "update public.jobs set status = %s where id = %s", [to, job.id]) == expected
        if expected == "ok":
            job.go_to(to)

    @rule(data=st.data(), count=st.integers(1, 3))
    def add_tasks(self, data: st.DataObject, count: int) -> None:
        job = self.a_job(data)
        self.batches += 1
        if job.status in FINAL:
            insert = "insert into public.job_tasks (job_id, batch, step, kind) values (%s, %s, 0, 'research')"
            assert outcome(self.db, insert, [job.id, self.batches]) == "PT409"
        else:
            made = new_tasks(self.db, job.id, [(self.batches, step) for step in range(count)])
            job.tasks |= dict.fromkeys(made, "pending")

    @rule(data=st.data(), to=st.sampled_from(TASK_STATUSES), counted=st.booleans())
    def change_a_task(self, data: st.DataObject, to: str, counted: bool) -> None:
        job = self.a_job(data)
        if not job.tasks:
            return
        task = data.draw(st.sampled_from(sorted(job.tasks)))
        was = job.tasks[task]
        retry = (was, to) == ("error", "pending")
        refused = (was, to) not in TASK_TRANSITIONS or (retry and (job.status in FINAL or not counted))
        expected = "PT409" if to != was and refused else "ok"
        more = int(counted and retry)
        statement = "update public.job_tasks set status = %s, retry_count = retry_count + %s where id = %s"
        assert outcome(self.db, statement, [to, more, task]) == expected
        if expected == "ok":
            job.tasks[task] = to
            self.retries[task] = self.retries.get(task, 0) + more

    @invariant()
    def jobs_are_as_the_model_says(self) -> None:
        rows = self.db.execute("select id, status, started_at, finished_at, last_run_at from public.jobs").fetchall()
        found = {row[0]: row[1:] for row in rows}
        assert set(found) == {job.id for job in self.jobs}
        for job in self.jobs:
            status, started_at, finished_at, last_run_at = found[job.id]
            assert status == job.status
            assert (finished_at is not None) == (status in FINAL)
            if job.started_at is None and started_at is not None:
                assert status == "running", "started_at is set by the first start"
                job.started_at = started_at
            assert started_at == job.started_at, "started_at never changes after"
            assert (last_run_at is not None) == (started_at is not None)
            if started_at is not None and finished_at is not None:
                assert started_at <= last_run_at <= finished_at

    @invariant()
    def tasks_are_as_the_model_says(self) -> None:
        rows = self.db.execute(
            "select id, job_id, status, retry_count, started_at is not null, finished_at is not null "
            "from public.job_tasks"
        ).fetchall()
        assert {(row[0], row[1], row[2]) for row in rows} == {
            (task, job.id, status) for job in self.jobs for task, status in job.tasks.items()
        }
        for task, _, status, retries, started, finished in rows:
            assert retries == self.retries.get(task, 0)
            assert started == (status in ("running", "done", "error"))
            assert finished == (status in ("done", "error"))


def test_jobs_live_as_the_transition_table_says(example: Example) -> None:
    run_state_machine_as_test(partial(LivesOfJobs, example))  # type: ignore[arg-type] # a factory, as documented


@pytest.mark.parametrize("task_status", ["pending", "running"])
def test_a_job_does_not_succeed_while_a_task_is_left(db: Session, task_status: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    bring_to(db, job, "running")
    new_tasks(db, job, [(0, 0)])
    db.execute("update public.job_tasks set status = %s", [task_status])
    for statement in (
        "select public.transition_job_status(%s, 'succeeded')",
        "update public.jobs set status = 'succeeded' where id = %s",
    ):
        with db.as_service_role() if statement.startswith("select") else db.example():
            assert outcome(db, statement, [job]) == "PT409"
    db.execute("update public.job_tasks set status = 'running' where status = 'pending'")
    db.execute("update public.job_tasks set status = 'done'")
    with db.as_service_role():
        assert outcome(db, "select public.transition_job_status(%s, 'succeeded')", [job]) == "ok"


@pytest.mark.parametrize("final", sorted(FINAL))
def test_a_job_that_reaches_a_final_status_skips_its_pending_tasks_and_no_others(db: Session, final: str) -> None:
    cast = settle(db)
    job, other = new_job(db, cast.org_a), new_job(db, cast.org_a)
    bring_to(db, job, "running")
    (running,) = new_tasks(db, job, [(0, 0)])
    db.execute("update public.job_tasks set status = 'running'")
    expected = {running: "running"}
    if final == "succeeded":
        db.execute("update public.job_tasks set status = 'done'")
        expected = {running: "done"}
    else:
        (pending,) = new_tasks(db, job, [(0, 1)])
        expected[pending] = "skipped"
    (elsewhere,) = new_tasks(db, other, [(0, 0)])
    db.execute("update public.jobs set status = %s where id = %s", [final, job])
    expected[elsewhere] = "pending"
    assert dict(db.execute("select id, status from public.job_tasks").fetchall()) == expected
    if final != "succeeded":
        assert outcome(db, "update public.job_tasks set status = 'done' where id = %s", [running]) == "ok"
    assert one(db, "select status from public.jobs where id = %s", [job]) == final


def test_a_job_that_is_resumed_keeps_the_time_of_its_first_start(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    times = "select started_at, last_run_at from public.jobs where id = %s"
    bring_to(db, job, "running")
    first = db.execute(times, [job]).fetchone()
    assert first is not None
    assert first[0] == first[1]
    db.execute("update public.jobs set status = 'paused'")
    bring_to(db, job, "running")
    second = db.execute(times, [job]).fetchone()
    assert second is not None
    assert second[0] == first[0]
    assert second[1] > first[1]


def bring_to(db: Session, job: UUID, status: str) -> None:
    path = {
        "pending": [],
        "running": ["running"],
        "paused": ["running", "paused"],
        "succeeded": ["running", "succeeded"],
        "failed": ["running", "failed"],
        "cancelled": ["cancelled"],
    }[status]
    for step in path:
        db.execute("update public.jobs set status = %s where id = %s", [step, job])


@pytest.mark.parametrize("to", JOB_STATUSES)
@pytest.mark.parametrize("start", JOB_STATUSES)
def test_every_pair_of_statuses_is_allowed_or_refused_as_the_table_says(db: Session, start: str, to: str) -> None:
    cast = settle(db)
    expected = "ok" if (start, to) in JOB_TRANSITIONS else "PT409"
    for statement in (
        "select public.transition_job_status(%(job)s, %(to)s)",
        "update public.jobs set status = %(to)s where id = %(job)s",
    ):
        job = new_job(db, cast.org_a)
        bring_to(db, job, start)
        if statement.startswith("select"):
            with db.as_service_role():
                result = outcome(db, statement, {"job": job, "to": to})
            assert result == expected
        else:
            assert outcome(db, statement, {"job": job, "to": to}) == ("ok" if start == to else expected)
        assert one(db, "select status from public.jobs where id = %s", [job]) == (to if expected == "ok" else start)


def test_the_error_names_both_statuses_and_what_is_allowed(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    with pytest.raises(psycopg.Error, match="from pending to paused") as caught, db.as_user(cast.member_a):
        db.execute("select public.transition_job_status(%s, 'paused')", [job])
    assert caught.value.sqlstate == "PT409"
    assert "cancelled, running" in str(caught.value)


@pytest.mark.parametrize("status", [None, "", "done", "PENDING"])
def test_a_status_that_there_is_not_is_a_bad_argument(db: Session, status: str | None) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    with db.as_user(cast.member_a):
        assert outcome(db, "select public.transition_job_status(%s, %s)", [job, status]) == "PT400"
        assert outcome(db, "select public.transition_job_status(null, 'running')") == "PT400"
        assert outcome(db, "select public.cancel_job(null)") == "PT400"


@pytest.mark.parametrize("status", [status for status in JOB_STATUSES if status != "pending"])
def test_a_job_is_created_pending_whoever_creates_it(db: Session, status: str) -> None:
    cast = settle(db)
    statement = "insert into public.jobs (org_id, name, status, started_at, finished_at) values (%s, 'x', %s, %s, %s)"
    started = None if status == "cancelled" else "2025-11-03"
    finished = "2025-11-04" if status in FINAL else None
    assert outcome(db, statement, [cast.org_a, status, started, finished]) == "PT409"


@pytest.mark.parametrize("column", ["started_at", "finished_at", "last_run_at"])
def test_a_new_job_has_run_never(db: Session, column: str) -> None:
    cast = settle(db)
    assert (
        outcome(db, f"insert into public.jobs (org_id, name, {column}) values (%s, 'x', now())", [cast.org_a]) != "ok"
    )


@pytest.mark.parametrize("column", ["started_at", "finished_at"])
@pytest.mark.parametrize("status", JOB_STATUSES)
def test_nobody_changes_when_a_job_started_or_finished(db: Session, column: str, status: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    bring_to(db, job, status)
    assert outcome(db, f"update public.jobs set {column} = '2001-01-01' where id = %s", [job]) != "ok"


@pytest.mark.parametrize("status", [status for status in TASK_STATUSES if status != "pending"])
def test_a_task_is_created_pending_whoever_creates_it(db: Session, status: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    statement = (
        "insert into public.job_tasks (job_id, batch, step, kind, status, started_at, finished_at) "
        "values (%s, 0, 0, 'research', %s, %s, %s)"
    )
    started = None if status == "skipped" else "2025-11-03"
    finished = "2025-11-04" if status in ("done", "error") else None
    assert outcome(db, statement, [job, status, started, finished]) == "PT409"


def test_a_pending_task_cannot_move_into_a_final_job(db: Session) -> None:
    cast = settle(db)
    live, final = new_job(db, cast.org_a), new_job(db, cast.org_a)
    task, done = new_tasks(db, live, [(0, 0), (0, 1)])
    db.execute("update public.job_tasks set status = 'running' where id = %s", [done])
    bring_to(db, final, "failed")
    statement = "update public.job_tasks set job_id = %s where id = %s"
    assert outcome(db, statement, [final, task]) == "PT409"
    assert outcome(db, statement, [final, done]) == "ok", "a running task of a final job may still finish"


def test_two_tasks_that_change_places_do_not_hide_one_that_enters_a_final_job(db: Session) -> None:
    """One statement in which the counters of the final job stay as they were, and a pending task comes in."""
    cast = settle(db)
    live, final = new_job(db, cast.org_a), new_job(db, cast.org_a)
    (pending,) = new_tasks(db, live, [(0, 0)])
    (running,) = new_tasks(db, final, [(0, 0)])
    db.execute("update public.job_tasks set status = 'running' where id = %s", [running])
    bring_to(db, final, "failed")
    swap = (
        "update public.job_tasks set batch = 9 - batch, "
        "job_id = case job_id when %(live)s::uuid then %(final)s::uuid else %(live)s::uuid end where id = any(%(ids)s)"
    )
    assert outcome(db, swap, {"live": live, "final": final, "ids": [pending, running]}) == "PT409"
