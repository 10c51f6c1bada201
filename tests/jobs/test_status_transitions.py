"""Section 4: a job's status changes only as the table says, whichever way it is changed."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from pgassay import Session
from pgassay.plugin import Example
from tests.jobs.cast import new_job, new_tasks, one, outcome, settle
from tests.jobs.model import FINAL, JOB_STATUSES, JOB_TRANSITIONS, TASK_STATUSES, TASK_TRANSITIONS


class LifeOfAJob(RuleBasedStateMachine):
    """One job and its tasks, changed in every way there is, beside the model of section 4."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self._block = ExitStack()
        self.db = self._block.enter_context(example())
        self.cast = settle(self.db)
        self.job = new_job(self.db, self.cast.org_a)
        self.status = "pending"
        self.tasks: dict[int, str] = {}
        self.retries: dict[int, int] = {}
        self.started_at: datetime | None = None
        self.steps = 0

    def teardown(self) -> None:
        self._block.close()

    def _expected(self, to: str) -> str:
        if (self.status, to) not in JOB_TRANSITIONS:
            return "PT409"
        if to == "succeeded" and {"pending", "running"} & set(self.tasks.values()):
            return "PT409"
        return "ok"

    def _now_in(self, to: str) -> None:
        self.status = to
        if to in FINAL:
            self.tasks = {task: "skipped" if was == "pending" else was for task, was in self.tasks.items()}

    @rule(to=st.sampled_from(JOB_STATUSES))
    def transition(self, to: str) -> None:
        expected = self._expected(to)
        with self.db.as_user(self.cast.member_a):
            assert outcome(self.db, "select public.transition_job_status(%s, %s)", [self.job, to]) == expected
        if expected == "ok":
            self._now_in(to)

    @rule()
    def cancel(self) -> None:
        expected = "ok" if self.status == "cancelled" else self._expected("cancelled")
        with self.db.as_user(self.cast.member_both):
            assert outcome(self.db, "select public.cancel_job(%s)", [self.job]) == expected
        if expected == "ok":
            self._now_in("cancelled")

    @rule(to=st.sampled_from(JOB_STATUSES))
    def update_directly(self, to: str) -> None:
        expected = "ok" if to == self.status else self._expected(to)
        assert outcome(self.db, "update public.jobs set status = %s where id = %s", [to, self.job]) == expected
        if expected == "ok":
            self._now_in(to)

    @rule(count=st.integers(1, 3))
    def add_tasks(self, count: int) -> None:
        places = [(self.steps, step) for step in range(count)]
        self.steps += 1
        if self.status in FINAL:
            assert (
                outcome(
                    self.db,
                    "insert into public.job_tasks (job_id, batch, step, kind) values (%s, %s, 0, 'research')",
                    [self.job, self.steps],
                )
                == "PT409"
            )
        else:
            self.tasks |= dict.fromkeys(new_tasks(self.db, self.job, places), "pending")

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), to=st.sampled_from(TASK_STATUSES), counted=st.booleans())
    def change_a_task(self, data: st.DataObject, to: str, counted: bool) -> None:
        task = data.draw(st.sampled_from(sorted(self.tasks)))
        was = self.tasks[task]
        retry = (was, to) == ("error", "pending")
        if to == was:
            expected = "ok"
        elif (was, to) not in TASK_TRANSITIONS or (retry and (self.status in FINAL or not counted)):
            expected = "PT409"
        else:
            expected = "ok"
        statement = "update public.job_tasks set status = %s, retry_count = retry_count + %s where id = %s"
        more = int(counted and retry)
        assert outcome(self.db, statement, [to, more, task]) == expected
        if expected == "ok":
            self.tasks[task] = to
            self.retries[task] = self.retries.get(task, 0) + more

    @invariant()
    def job_is_as_the_model_says(self) -> None:
        row = self.db.execute(
            "select status, started_at, finished_at, last_run_at from public.jobs where id = %s", [self.job]
        ).fetchone()
        assert row is not None
        status, started_at, finished_at, last_run_at = row
        assert status == self.status
        assert (finished_at is not None) == (status in FINAL)
        if self.started_at is None and started_at is not None:
            assert status == "running", "started_at is set by the first start"
            self.started_at = started_at
        assert started_at == self.started_at, "started_at never changes after"
        assert (last_run_at is not None) == (started_at is not None)
        if started_at is not None and finished_at is not None:
            assert started_at <= last_run_at <= finished_at

    @invariant()
    def tasks_are_as_the_model_says(self) -> None:
        rows = self.db.execute(
            "select id, status, retry_count, started_at is not null, finished_at is not null "
            "from public.job_tasks where job_id = %s",
            [self.job],
        ).fetchall()
        assert rows == [] or {row[0]: row[1] for row in rows} == self.tasks
        assert len(rows) == len(self.tasks)
        for task, status, retries, started, finished in rows:
            assert retries == self.retries.get(task, 0)
            assert started == (status in ("running", "done", "error"))
            assert finished == (status in ("done", "error"))


def test_a_job_lives_as_the_transition_table_says(example: Example) -> None:
    run_state_machine_as_test(lambda: LifeOfAJob(example))


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
    with pytest.raises(Exception, match="from pending to paused") as caught, db.as_user(cast.member_a):
        db.execute("select public.transition_job_status(%s, 'paused')", [job])
    assert getattr(caught.value, "sqlstate") == "PT409"  # noqa: B009
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
    assert outcome(db, f"insert into public.jobs (org_id, name, {column}) values (%s, 'x', now())", [cast.org_a]) != "ok"


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
