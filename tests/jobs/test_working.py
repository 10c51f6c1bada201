"""Section 7: tasks are claimed, finished, failed and retried, and a campaign runs from beginning to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.campaigns import (
    CLAIM,
    CREATE,
    FAIL,
    FINISH,
    JSON,
    PLAN,
    RETRY,
    TEXTS,
    TRANSITION,
    bring_to,
    create,
    planned,
    refusal,
    rows,
)
from tests.jobs.cast import (
    PARAMS,
    new_campaign,
    new_contacts,
    new_job,
    new_tasks,
    one,
    outcome,
    settle,
)
from tests.jobs.model import COUNTERS, FINAL, JOB_STATUSES, JOB_TRANSITIONS, TASK_STATUSES, Board, Task


class Working(RuleBasedStateMachine):
    """Two jobs are worked on by the functions for workers, beside a board kept by hand."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self._block = ExitStack()
        self.db = self._block.enter_context(example())
        self.cast = settle(self.db)
        self.board = Board()
        self.jobs = {new_job(self.db, self.cast.org_a): "pending" for _ in range(2)}
        self.places: dict[int, tuple[int, int]] = {}
        self.results: dict[int, Any] = {}

    def teardown(self) -> None:
        self._block.close()

    @initialize()
    def begin(self) -> None:
        for job in self.jobs:
            self.add(job, [(2, 1), (0, 3), (1, 0), (0, 2)])
            self.move(job, "running")

    def add(self, job: UUID, places: list[tuple[int, int]]) -> None:
        taken = {self.places[task] for task in self.board.tasks if self.board.tasks[task].job == job}
        free = [place for place in places if place not in taken]
        if free:
            made = new_tasks(self.db, job, free)
            self.places |= dict(zip(made, free, strict=True))
            self.board.tasks |= {task: Task(job) for task in made}

    def move(self, job: UUID, to: str) -> None:
        left = {task.status for task in self.board.tasks_of(job)}
        allowed = (self.jobs[job], to) in JOB_TRANSITIONS
        if to == "succeeded" and {"pending", "running"} & left:
            allowed = False
        with self.as_worker():
            assert outcome(self.db, TRANSITION, [job, to]) == ("ok" if allowed else "PT409")
        if allowed:
            self.jobs[job] = to
            if to in FINAL:
                for task in self.board.tasks_of(job):
                    task.status = "skipped" if task.status == "pending" else task.status

    def as_worker(self) -> AbstractContextManager[Session]:
        return self.db.as_user(self.cast.member_a)

    def a_job(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(list(self.jobs)))

    def a_task(self, data: st.DataObject, *statuses: str) -> int | None:
        """One in such a state, or any."""
        fitting = [key for key, task in self.board.tasks.items() if not statuses or task.status in statuses]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @rule(data=st.data(), places=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=4))
    def tasks_come(self, data: st.DataObject, places: list[tuple[int, int]]) -> None:
        job = self.a_job(data)
        if self.jobs[job] not in FINAL:
            self.add(job, places)

    @rule(data=st.data())
    def pause_or_resume(self, data: st.DataObject) -> None:
        job = self.a_job(data)
        self.move(job, {"running": "paused"}.get(self.jobs[job], "running"))

    @rule(data=st.data(), to=st.sampled_from(sorted(FINAL)), another=st.booleans())
    def end_and_begin_another(self, data: st.DataObject, to: str, another: bool) -> None:
        job = self.a_job(data)
        self.move(job, to)
        if another and self.jobs[job] in FINAL:
            self.jobs[new_job(self.db, self.cast.org_a)] = "pending"

    @rule(data=st.data(), limit=st.integers(1, 5) | st.just(2**31 - 1))
    def claim(self, data: st.DataObject, limit: int) -> None:
        job = self.a_job(data)
        if self.jobs[job] != "running":
            with self.as_worker():
                state, message = refusal(self.db, CLAIM, [job, limit])
            assert state == "PT409"
            assert self.jobs[job] in message
            return
        pending = [key for key, task in self.board.tasks.items() if task.job == job and task.status == "pending"]
        expected = sorted(pending, key=self.places.__getitem__)[:limit]
        with self.as_worker():
            claimed = rows(self.db, CLAIM, [job, limit])
        assert [task["id"] for task in claimed] == expected
        assert all(task["status"] == "running" and task["started_at"] is not None for task in claimed)
        now = {task["id"]: task for task in rows(self.db, "select * from public.job_tasks where job_id = %s", [job])}
        assert claimed == [now[task["id"]] for task in claimed], "what is handed out is what is kept"
        for task in expected:
            self.board.tasks[task].status = "running"

    @rule(data=st.data(), limit=st.sampled_from([None, 0, -1, -(2**31)]))
    def claim_no_number_of_tasks(self, data: st.DataObject, limit: int | None) -> None:
        job = self.a_job(data)
        with self.as_worker():
            refused = outcome(self.db, CLAIM, [job, limit])
        assert refused == "PT400" or (refused == "PT409" and self.jobs[job] != "running")

    @rule(data=st.data(), output=JSON)
    def finish(self, data: st.DataObject, output: Any) -> None:
        self.end(self.a_task(data, "running"), "done", FINISH, output, Jsonb(output))

    @rule(data=st.data(), error=TEXTS)
    def fail(self, data: st.DataObject, error: str) -> None:
        self.end(self.a_task(data, "running"), "error", FAIL, error, error)

    @rule(data=st.data(), done=st.booleans(), text=TEXTS)
    def finish_or_fail_any(self, data: st.DataObject, done: bool, text: str) -> None:
        task = self.a_task(data)
        if done:
            self.end(task, "done", FINISH, text, Jsonb(text))
        else:
            self.end(task, "error", FAIL, text, text)

    def end(self, task: int | None, status: str, statement: str, result: Any, parameter: Any) -> None:
        if task is None:
            return
        was = self.board.tasks[task].status
        with self.as_worker():
            assert outcome(self.db, statement, [task, parameter]) == ("ok" if was == "running" else "PT409"), was
        if was == "running":
            self.board.tasks[task].status = status
            self.results[task] = result

    @rule(data=st.data(), failed=st.booleans())
    def retry(self, data: st.DataObject, failed: bool) -> None:
        key = self.a_task(data, "error") if failed else self.a_task(data)
        if key is None:
            return
        task = self.board.tasks[key]
        allowed = task.status == "error" and self.jobs[task.job] not in FINAL
        with self.as_worker():
            assert outcome(self.db, RETRY, [key]) == ("ok" if allowed else "PT409"), task
        if allowed:
            task.status = "pending"
            task.retries += 1

    @rule(data=st.data())
    def a_member_deletes_a_task(self, data: st.DataObject) -> None:
        task = self.a_task(data)
        if task is None:
            return
        with self.as_worker():
            self.db.execute("delete from public.job_tasks where id = %s", [task])
            for statement, parameters in ((FINISH, [task, Jsonb({})]), (FAIL, [task, "x"]), (RETRY, [task])):
                assert outcome(self.db, statement, parameters) == "PT404"
        del self.board.tasks[task]

    @invariant()
    def tasks_are_as_the_model_says(self) -> None:
        found = {row["id"]: row for row in rows(self.db, "select * from public.job_tasks")}
        assert set(found) == set(self.board.tasks)
        for key, task in self.board.tasks.items():
            row = found[key]
            assert (row["job_id"], row["status"], row["retry_count"]) == (task.job, task.status, task.retries)
            assert (row["started_at"] is not None) == (task.status in ("running", "done", "error"))
            assert (row["finished_at"] is not None) == (task.status in ("done", "error"))
            if task.status == "done":
                assert row["output"] == self.results[key]
            if task.status == "error":
                assert row["error_message"] == self.results[key]

    @invariant()
    def counters_are_exact(self) -> None:
        found = {row["id"]: row for row in rows(self.db, "select * from public.jobs")}
        assert {job: row["status"] for job, row in found.items()} == self.jobs
        for job in self.jobs:
            assert {name: found[job][name] for name in COUNTERS} == self.board.counters(job)


def test_tasks_are_claimed_finished_failed_and_retried_as_the_model_says(example: Example) -> None:
    run_state_machine_as_test(partial(Working, example))  # type: ignore[arg-type] # a factory, as documented


@pytest.mark.parametrize("status", TASK_STATUSES)
@pytest.mark.parametrize("call", ["finish", "fail", "retry"])
def test_a_task_that_is_not_in_the_state_for_it_is_not_finished_failed_or_retried(
    db: Session, call: str, status: str
) -> None:
    """Not even when the state stays as it is: a result that is there is not overwritten."""
    cast = settle(db)
    campaign = new_campaign(db, cast.org_a)
    task = campaign["running" if status in ("running", "done") else "failed" if status == "error" else "pending"]
    with db.as_user(cast.member_a):
        if status == "done":
            db.execute("select public.finish_task(%s, '{\"kept\": true}')", [task])
        if status == "skipped":
            db.execute("select public.cancel_job(%s)", [campaign["job"]])
        before = rows(db, "select * from public.job_tasks order by id")
        statement, parameters = {
            "finish": (FINISH, [task, Jsonb({"kept": False})]),
            "fail": (FAIL, [task, "another error"]),
            "retry": (RETRY, [task]),
        }[call]
        expected = "ok" if status == ("error" if call == "retry" else "running") else "PT409"
        assert outcome(db, statement, parameters) == expected
        if expected != "ok":
            assert rows(db, "select * from public.job_tasks order by id") == before


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_tasks_of_running_jobs_alone_are_handed_out(db: Session, status: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    new_tasks(db, job, [(1, 1), (1, 2)])
    bring_to(db, job, status)
    with db.as_user(cast.member_a):
        if status == "running":
            assert len(rows(db, CLAIM, [job, 5])) == 2
        else:
            state, message = refusal(db, CLAIM, [job, 5])
            assert state == "PT409"
            assert status in message


def test_a_running_task_of_a_final_job_may_finish_or_fail_but_not_be_retried(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    first, second = new_tasks(db, job, [(1, 1), (1, 2)])
    with db.as_user(cast.member_a):
        db.execute(TRANSITION.encode(), [job, "running"])
        assert len(rows(db, CLAIM, [job, 2])) == 2
        db.execute("select public.cancel_job(%s)", [job])
        assert outcome(db, FINISH, [first, Jsonb({"sent": 1})]) == "ok"
        assert outcome(db, FAIL, [second, "bounced"]) == "ok"
        assert outcome(db, RETRY, [second]) == "PT409"
        found = db.execute("select status, output, error_message from public.job_tasks order by id").fetchall()
        assert found == [("done", {"sent": 1}, None), ("error", None, "bounced")]
        assert db.execute("select completed_tasks, failed_tasks from public.jobs").fetchall() == [(1, 1)]


NULLS: list[tuple[str, list[Any]]] = [
    (PLAN, [None]),
    (CLAIM, [None, 5]),
    (FINISH, [None, Jsonb({})]),
    (FAIL, [None, "x"]),
    (RETRY, [None]),
]


@pytest.mark.parametrize(("statement", "parameters"), NULLS)
def test_null_is_no_job_and_no_task(db: Session, statement: str, parameters: list[Any]) -> None:
    cast = settle(db)
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block:
            assert outcome(db, statement, parameters) == "PT400"


def test_null_is_no_limit_and_no_error(db: Session) -> None:
    cast = settle(db)
    campaign = new_campaign(db, cast.org_a)
    with db.as_user(cast.member_a):
        for limit in (None, 0, -1):
            state, message = refusal(db, CLAIM, [campaign["job"], limit])
            assert (state, "p_limit" in message) == ("PT400", True)
        state, message = refusal(db, FAIL, [campaign["running"], None])
        assert (state, "p_error" in message) == ("PT400", True)


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (PLAN, [uuid4()]),
        (CLAIM, [uuid4(), 5]),
        (FINISH, [0, Jsonb({})]),
        (FINISH, [2**63 - 1, Jsonb({})]),
        (FAIL, [0, "x"]),
        (RETRY, [-1]),
    ],
)
def test_a_job_or_task_that_there_is_not_is_not_found(db: Session, statement: str, parameters: list[Any]) -> None:
    cast = settle(db)
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block:
            assert outcome(db, statement, parameters) == "PT404"


FOR_NOBODY: list[tuple[str, list[Any]]] = [
    (CREATE, [uuid4(), "Campaign", None, Jsonb(PARAMS)]),
    (PLAN, [uuid4()]),
    (CLAIM, [uuid4(), 5]),
    (FINISH, [1, Jsonb({})]),
    (FAIL, [1, "x"]),
    (RETRY, [1]),
    ("select public.render_template(%s, %s)", [Jsonb({"subject": "", "body": ""}), Jsonb({})]),
]


@pytest.mark.parametrize(("statement", "parameters"), [*FOR_NOBODY, *NULLS])
def test_who_has_not_signed_in_may_call_nothing(db: Session, statement: str, parameters: list[Any]) -> None:
    with db.as_anon():
        assert outcome(db, statement, parameters) == "42501"


def test_a_member_runs_a_campaign_from_beginning_to_end(db: Session) -> None:
    cast = settle(db)
    contacts = new_contacts(db, cast.org_a, 23)
    new_contacts(db, cast.org_a, 4, "another group")
    new_contacts(db, cast.org_b, 4)
    params = {**PARAMS, "cadence": {"day10": "intro", "day0": True, "day5": False, "day3": True}}
    batches = []
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, params)
        db.execute(TRANSITION.encode(), [job, "running"])
        for made in iter_batches(db, job):
            batches.append(made)
            assert sum(batches) <= 3 * len(contacts), "it comes to an end"
            while tasks := rows(db, CLAIM, [job, 4]):
                assert len(tasks) <= 4
                for task in tasks:
                    db.execute(FINISH.encode(), [task["id"], Jsonb({"to": task["input"]["contact_id"]})])
            assert one(db, "select completed_tasks from public.jobs") == sum(batches)
        db.execute(TRANSITION.encode(), [job, "succeeded"])
        (end,) = rows(db, "select * from public.jobs")
        outputs = db.execute("select input ->> 'contact_id' = output ->> 'to' from public.job_tasks").fetchall()
        done = planned(db, job)
    assert batches == [5, 5, 5, 5, 3] * 3
    assert Counter((day, contact) for *_, day, contact in done) == Counter(
        (day, contact) for day in (0, 3, 10) for contact in contacts
    )
    assert [day for *_, day, _ in done] == sorted(day for *_, day, _ in done)
    assert outputs == [(True,)] * 69
    expected = {**dict.fromkeys(COUNTERS, 0), "total_tasks": 69, "completed_tasks": 69, "status": "succeeded"}
    assert {name: end[name] for name in expected} == expected
    assert end["finished_at"] is not None


def iter_batches(db: Session, job: UUID) -> Iterator[int]:
    """How many tasks each batch has, the one made with the job first; the next is planned when this one is done."""
    yield one(db, "select total_tasks from public.jobs where id = %s", [job])
    while made := one(db, PLAN, [job]):
        yield made
