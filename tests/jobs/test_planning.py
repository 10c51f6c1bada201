"""Section 7, ``plan_next_batch``: batches are planned one by one, as the model plans them."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.campaigns import (
    PLAN,
    TRANSITION,
    bring_to,
    create,
    planned,
    refusal,
    rows,
)
from tests.jobs.cast import (
    PARAMS,
    new_contacts,
    new_job,
    one,
    outcome,
    settle,
)
from tests.jobs.model import FINAL, JOB_STATUSES, Place, Plan

GROUPS = ("AMC", "amc", "AMC ")
LONG = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))  # does not compress
CADENCES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["day0", "day2", "day10", "day9999"]), st.sampled_from([True, False, "intro"]), min_size=1
).filter(lambda cadence: any(cadence.values()))
PLANS = st.fixed_dictionaries(
    {
        "target_group": st.sampled_from(GROUPS),
        "cadence": CADENCES,
        "templates": st.just(PARAMS["templates"]),
        "batch_size": st.integers(1, 4),
    }
)
INVALID: list[dict[str, Any]] = [{}, {**PARAMS, "batch_size": 0}, {**PARAMS, "cadence": {}}, {**PARAMS, "more": 1}]


def hostile_inputs(day: int, contact: str) -> list[Any]:
    """What a member may try to write into a task's input: none of it is a task for that day and contact."""
    shouted = contact.upper() if contact.upper() != contact else f" {contact}"
    no_contacts: list[object] = [
        *[LONG, contact + LONG, shouted, f"{{{contact}}}", "", 7, {}],
        *[True, None, [contact], {"contact_id": contact}],
    ]
    return [
        *[None, [], {}, "x", 7, LONG, "contact_id", ["contact_id"], [day, contact], {"day": day}, {"day": None}],
        {"contact_id": contact},
        {"day": LONG, "contact_id": contact},
        {"day": f"{day}{LONG}", "contact_id": contact},
        {"day": 10 * day + 7, "contact_id": contact},
        {"day": {"day": day}, "contact_id": contact},
        {"input": {"day": day, "contact_id": contact}},
        {"input": {"day": day, "contact_id": LONG}},
        {"day": day, "contact_id": str(uuid4())},
        *[{"day": day, "contact_id": value} for value in no_contacts],
    ]


def is_refused(written: Any, contacts: Collection[str]) -> bool:
    """Section 9: a contact in an input is one of the job's organisation, in the canonical text of its uuid."""
    return isinstance(written, dict) and "contact_id" in written and written["contact_id"] not in list(contacts)


@dataclass
class Campaign:
    """A job as section 7 has it. ``tasks``: id → batch, step, and the day and contact if it was planned for one."""

    id: UUID
    org: UUID
    params: dict[str, Any]
    tasks: dict[int, tuple[int, int, Place | None]]
    status: str = "pending"
    last_run_at: datetime | None = None
    plan: Plan = field(default_factory=Plan)

    def next_batch(self, contacts: dict[str, tuple[UUID, str]]) -> list[Place]:
        """What the next call plans; the model goes on to there."""
        mine = {contact for contact, where in contacts.items() if where == (self.org, self.params["target_group"])}
        taken = {place for *_, place in self.tasks.values() if place is not None}
        return self.plan.next_batch(self.params, mine, taken)

    @property
    def highest(self) -> int:
        return max((batch for batch, *_ in self.tasks.values()), default=0)


class Planning(RuleBasedStateMachine):
    """Campaigns of two organisations are planned while contacts and tasks come and go, beside the model."""

    def __init__(self, example: Example) -> None:
        super().__init__()
        self._block = ExitStack()
        self.db = self._block.enter_context(example())
        self.cast = settle(self.db)
        self.contacts: dict[str, tuple[UUID, str]] = {}
        self.jobs: list[Campaign] = []

    def teardown(self) -> None:
        self._block.close()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        for org in (self.cast.org_a, self.cast.org_b):
            self.add_contacts(data, org, 5)
        for org in (self.cast.org_a, self.cast.org_a, self.cast.org_b):
            self.create(data.draw(PLANS), org)

    def add_contacts(self, data: st.DataObject, org: UUID, most: int) -> None:
        new = {
            str(contact): (org, group)
            for contact, group in data.draw(
                st.dictionaries(st.uuids(), st.sampled_from(GROUPS), min_size=1, max_size=most)
            ).items()
            if str(contact) not in self.contacts
        }
        self.db.execute(
            "insert into public.contacts (id, org_id, email, target_group) "
            "select c.id, %s, 'a@b.c', c.target_group from unnest(%s::uuid[], %s::text[]) as c (id, target_group)",
            [org, list(new), [group for _, group in new.values()]],
        )
        self.contacts |= new

    def create(self, params: dict[str, Any], org: UUID) -> None:
        with self.db.as_user(self.cast.member_both):
            job = Campaign(create(self.db, org, params), org, params, {})
        self.expect(job, job.next_batch(self.contacts))
        self.jobs.append(job)

    def expect(self, job: Campaign, batch: list[Place]) -> None:
        """The job has this new batch, and no other new task."""
        found = rows(self.db, "select * from public.job_tasks where job_id = %s order by id", [job.id])
        new = [task for task in found if task["id"] not in job.tasks]
        number = job.highest + 1
        assert [
            (
                task["batch"],
                task["step"],
                task["kind"],
                task["status"],
                task["input"]["day"],
                task["input"]["contact_id"],
            )
            for task in sorted(new, key=lambda task: int(task["step"]))
        ] == [(number, step, "draft_email", "pending", *place) for step, place in enumerate(batch, 1)]
        job.tasks |= {
            task["id"]: (task["batch"], task["step"], (task["input"]["day"], task["input"]["contact_id"]))
            for task in new
        }

    def a_job(self, data: st.DataObject) -> Campaign:
        return data.draw(st.sampled_from(self.jobs))

    def somebody(self, data: st.DataObject, job: Campaign) -> AbstractContextManager[Session]:
        member = self.cast.member_a if job.org == self.cast.org_a else self.cast.member_b
        who = data.draw(st.sampled_from([member, self.cast.member_both, None]))
        return self.db.as_service_role() if who is None else self.db.as_user(who)

    @rule(data=st.data())
    def plan(self, data: st.DataObject) -> None:
        job = self.a_job(data)
        reasons = {"PT409": job.status not in ("pending", "running"), "PT400": job.params in INVALID}
        if any(reasons.values()):
            with self.somebody(data, job):
                state = outcome(self.db, PLAN, [job.id])
            assert reasons.get(state), state
            return
        batch = job.next_batch(self.contacts)
        with self.somebody(data, job):
            assert one(self.db, PLAN, [job.id]) == len(batch)
        self.expect(job, batch)
        last_run_at = one(self.db, "select last_run_at from public.jobs where id = %s", [job.id])
        assert job.last_run_at is None or last_run_at > job.last_run_at
        job.last_run_at = last_run_at

    @rule(data=st.data())
    def plan_until_nothing_is_left(self, data: st.DataObject) -> None:
        job = self.a_job(data)
        if job.status not in ("pending", "running") or job.params in INVALID:
            return
        with self.db.as_user(self.cast.member_both):
            while batch := job.next_batch(self.contacts):
                assert one(self.db, PLAN, [job.id]) == len(batch)
                self.expect(job, batch)
            assert one(self.db, PLAN, [job.id]) == 0
        job.last_run_at = one(self.db, "select last_run_at from public.jobs where id = %s", [job.id])

    @rule(data=st.data())
    def contacts_come(self, data: st.DataObject) -> None:
        self.add_contacts(data, data.draw(st.sampled_from([self.cast.org_a, self.cast.org_b])), 3)

    @precondition(lambda self: self.contacts)
    @rule(data=st.data(), group=st.sampled_from([None, *GROUPS]))
    def contacts_go_or_change_groups(self, data: st.DataObject, group: str | None) -> None:
        some = data.draw(st.lists(st.sampled_from(sorted(self.contacts)), unique=True, min_size=1, max_size=3))
        if group is None:
            self.db.execute("delete from public.contacts where id = any(%s::uuid[])", [some])
        else:
            self.db.execute("update public.contacts set target_group = %s where id = any(%s::uuid[])", [group, some])
        for contact in some:
            org, _ = self.contacts.pop(contact)
            if group is not None:
                self.contacts[contact] = (org, group)

    @rule(data=st.data())
    def a_member_deletes_tasks(self, data: st.DataObject) -> None:
        job = self.a_job(data)
        if job.tasks:
            some = data.draw(st.lists(st.sampled_from(sorted(job.tasks)), unique=True, min_size=1, max_size=3))
            with self.db.as_user(self.cast.member_both):
                self.db.execute("delete from public.job_tasks where id = any(%s)", [some])
            for task in some:
                del job.tasks[task]

    @precondition(lambda self: self.contacts)
    @rule(data=st.data(), batch=st.integers(0, 12), step=st.integers(0, 3), inserted=st.booleans())
    def a_member_writes_a_task(self, data: st.DataObject, batch: int, step: int, inserted: bool) -> None:
        """A new one or an old one, for a day and a contact, or with anything else in its input."""
        job = self.a_job(data)
        if job.status in FINAL:
            return
        day = data.draw(st.sampled_from([0, 2, 10, 9999]))
        contact = data.draw(st.sampled_from(sorted(self.contacts)))
        right = {"day": day, "contact_id": contact, "note": LONG}
        written = data.draw(st.sampled_from([right, *hostile_inputs(day, contact)]))
        place = (day, contact) if written is right else None
        expected = (
            "PT400" if is_refused(written, [c for c, (org, _) in self.contacts.items() if org == job.org]) else "ok"
        )
        taken = {(batch, step) for batch, step, _ in job.tasks.values()}
        insert = "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, %s, %s, 'research', %s)"
        with self.db.as_user(self.cast.member_both):
            if inserted and (batch, step) not in taken:
                assert outcome(self.db, insert, [job.id, batch, step, Jsonb(written)]) == expected, written
                if expected == "ok":
                    task = one(self.db, "select max(id) from public.job_tasks")
                    job.tasks[task] = (batch, step, place)
            elif job.tasks:
                task = data.draw(st.sampled_from(sorted(job.tasks)))
                update = "update public.job_tasks set input = %s where id = %s"
                assert outcome(self.db, update, [Jsonb(written), task]) == expected, written
                if expected == "ok":
                    job.tasks[task] = (*job.tasks[task][:2], place)

    @rule(data=st.data(), params=PLANS | st.sampled_from(INVALID))
    def a_member_writes_parameters(self, data: st.DataObject, params: dict[str, Any]) -> None:
        job = self.a_job(data)
        with self.db.as_user(self.cast.member_both):
            self.db.execute("update public.jobs set params = %s where id = %s", [Jsonb(params), job.id])
        job.params = params

    @rule(data=st.data())
    def start_pause_or_resume(self, data: st.DataObject) -> None:
        self.go_to(self.a_job(data), data)

    @rule(data=st.data(), params=PLANS)
    def cancel_and_create_another(self, data: st.DataObject, params: dict[str, Any]) -> None:
        job = self.a_job(data)
        if job.status not in FINAL:
            self.go_to(job, data, "cancelled")
            self.create(params, job.org)

    def go_to(self, job: Campaign, data: st.DataObject, to: str | None = None) -> None:
        to = to or {"pending": "running", "running": "paused", "paused": "running"}.get(job.status)
        if to is not None:
            with self.somebody(data, job):
                self.db.execute(TRANSITION.encode(), [job.id, to])
            job.status = to
            job.last_run_at = one(self.db, "select last_run_at from public.jobs where id = %s", [job.id])

    @invariant()
    def jobs_have_the_tasks_of_the_model_and_no_others(self) -> None:
        found = self.db.execute("select id, job_id, batch, step from public.job_tasks").fetchall()
        assert set(found) == {
            (task, job.id, batch, step) for job in self.jobs for task, (batch, step, _) in job.tasks.items()
        }
        kept = self.db.execute("select id, status, total_tasks, last_run_at, params from public.jobs").fetchall()
        assert sorted(kept) == sorted(
            (job.id, job.status, len(job.tasks), job.last_run_at, job.params) for job in self.jobs
        )


def test_batches_are_planned_as_the_model_plans_them_whatever_happens_in_between(example: Example) -> None:
    run_state_machine_as_test(partial(Planning, example))  # type: ignore[arg-type] # a factory, as documented


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_batches_are_planned_for_pending_and_running_jobs_alone(db: Session, status: str) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 7)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
    bring_to(db, job, status)
    before = rows(db, "select * from public.jobs")
    with db.as_user(cast.member_a):
        if status in ("pending", "running"):
            assert one(db, PLAN, [job]) == 2
            assert one(db, "select total_tasks from public.jobs") == 7
        else:
            state, message = refusal(db, PLAN, [job])
            assert state == "PT409"
            assert status in message
            assert rows(db, "select * from public.jobs") == before


def test_a_job_with_a_task_in_the_last_batch_of_all_is_told_so(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 7)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        db.execute("update public.job_tasks set batch = 2147483645 where step = 1")
        db.execute("update public.job_tasks set batch = 2147483647 where step = 2")
        before = rows(db, "select * from public.jobs")
        state, message = refusal(db, PLAN, [job])
        assert state == "PT409"
        assert "batch 2147483647" in message
        assert rows(db, "select * from public.jobs") == before
        db.execute("delete from public.job_tasks where batch = 2147483647")
        assert [one(db, PLAN, [job]) for _ in range(2)] == [2, 1], "who is ahead, then whose task was deleted"
        assert one(db, "select max(batch) from public.job_tasks") == 2147483647
        assert one(db, PLAN, [job]) == 0, "when nothing is left, no batch is needed"


@pytest.mark.parametrize("params", INVALID)
def test_a_job_whose_parameters_have_become_invalid_is_not_planned(db: Session, params: dict[str, Any]) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 7)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        db.execute("update public.jobs set params = %s", [Jsonb(params)])
        before = rows(db, "select * from public.jobs")
        assert outcome(db, PLAN, [job]) == "PT400"
        assert rows(db, "select * from public.jobs") == before


@pytest.mark.parametrize("day", [0, 9999])
def test_whatever_members_write_into_an_input_planning_goes_on(db: Session, day: int) -> None:
    """What names a contact that is none of the organisation's is refused, and changes nothing."""
    cast = settle(db)
    contacts = sorted(new_contacts(db, cast.org_a, 2))
    params = {**PARAMS, "cadence": {f"day{day}": True}, "batch_size": 1}
    for written in hostile_inputs(day, contacts[0]):
        refused = is_refused(written, contacts)
        with db.as_user(cast.member_a):
            job = create(db, cast.org_a, params)
            write = "update public.job_tasks set input = %s where job_id = %s"
            assert outcome(db, write, [Jsonb(written), job]) == ("PT400" if refused else "ok"), written
            assert [one(db, PLAN, [job]) for _ in range(3)] == ([1, 0, 0] if refused else [1, 1, 0]), written
            expected = contacts if refused else [contacts[1], contacts[0]]
            kept = planned(db, job)
        assert [row[2:] for row in kept[not refused :]] == [(day, contact) for contact in expected], written


def test_a_contact_of_another_organisation_is_refused_in_an_input(db: Session) -> None:
    """In the same words as one that there is not, by insertion and by update, whoever writes it."""
    cast = settle(db)
    (mine,), (foreign,) = new_contacts(db, cast.org_a, 1), new_contacts(db, cast.org_b, 1)
    job = new_job(db, cast.org_a)
    insert = "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, 1, %s, 'research', %s)"
    db.execute(insert.encode(), [job, 0, Jsonb({"contact_id": mine})])
    for block in (db.as_user(cast.member_both), db.as_service_role(), db.example()):
        with block:
            told = {
                refusal(db, statement, [*given, Jsonb({"contact_id": contact})])
                for contact in (foreign, str(uuid4()), "nobody")
                for statement, given in (
                    (insert, [job, 1]),
                    ("update public.job_tasks set input = %s", []),
                )
            }
        assert told == {("PT400", "input.contact_id of a task must be the id of a contact of the job's organisation")}
    assert one(db, "select input ->> 'contact_id' from public.job_tasks") == mine


def test_each_task_names_the_template_of_its_day(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 1)
    template = {"subject": "s", "body": "b"}
    cadence = {"day10": "third", "day2": True, "day0": "first", "day5": False}
    templates = {"first": template, "day2": template, "third": template}
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, {**PARAMS, "cadence": cadence, "templates": templates})
        assert [one(db, PLAN, [job]) for _ in range(3)] == [1, 1, 0]
        found = db.execute("select input -> 'day', input -> 'template' from public.job_tasks order by batch").fetchall()
    assert found == [(0, "first"), (2, "day2"), (10, "third")]
