"""Section 7: jobs are created from checked parameters, planned batch by batch, and worked off task by task."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.cast import (
    PARAMS,
    Parameters,
    new_campaign,
    new_contacts,
    new_job,
    new_tasks,
    one,
    outcome,
    settle,
)
from tests.jobs.model import COUNTERS, FINAL, JOB_STATUSES, JOB_TRANSITIONS, Board, Task

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


# Creating

AS_IN_SECTION_7 = """
{"target_group": "AMC", "cadence": {"day0": true},
 "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "Test email"}},
 "review_mode": true, "batch_size": 5}
"""


def test_the_parameters_of_the_specification_make_a_job_and_its_first_batch(db: Session) -> None:
    cast = settle(db)
    contacts = sorted(new_contacts(db, cast.org_a, 7))
    with db.as_user(cast.member_a):
        (made,) = rows(
            db,
            "select * from public.create_job(%s, %s, %s, %s::jsonb)",
            [cast.org_a, "AMC in autumn", "All of them", AS_IN_SECTION_7],
        )
        assert rows(db, "select * from public.jobs") == [made]
    expected = {
        "org_id": cast.org_a,
        "name": "AMC in autumn",
        "description": "All of them",
        "status": "pending",
        "params": json.loads(AS_IN_SECTION_7),
        "owner_id": cast.member_a,
        "started_at": None,
        "finished_at": None,
        **dict.fromkeys(COUNTERS, 0),
        "total_tasks": 5,
    }
    assert {name: made[name] for name in expected} == expected
    assert planned(db, made["id"]) == [(1, step, 0, contacts[step - 1]) for step in range(1, 6)]
    assert one(db, "select array_agg(distinct kind || ' ' || status) from public.job_tasks") == ["draft_email pending"]


def test_an_empty_target_group_makes_a_job_without_tasks(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 3, "another group")
    new_contacts(db, cast.org_b, 3)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        assert one(db, "select total_tasks from public.jobs") == 0
        assert one(db, PLAN, [job]) == 0
        db.execute(TRANSITION.encode(), [job, "running"])
        assert rows(db, CLAIM, [job, 5]) == []
        assert outcome(db, TRANSITION, [job, "succeeded"]) == "ok"


TEMPLATE = st.fixed_dictionaries({"subject": TEXTS, "body": TEXTS})
DAYS = st.sampled_from([0, 1, 2, 9, 10, 11, 100, 9999]) | st.integers(0, 9999)


@st.composite
def valid_params(draw: st.DrawFn) -> dict[str, Any]:
    days = draw(st.lists(DAYS, unique=True, min_size=1, max_size=4))
    names = TEXTS | st.sampled_from([f"day{day}" for day in days])
    templates = draw(st.dictionaries(names, TEMPLATE, min_size=1, max_size=3))
    cadence: dict[str, str | bool] = {}
    for day in days:
        values: list[str | bool] = sorted(templates)
        if f"day{day}" in templates or len(templates) == 1:
            values.append(True)
        if cadence:
            values.append(False)
        cadence[f"day{day}"] = draw(st.sampled_from(values))
    return {
        "target_group": draw(TEXTS),
        "cadence": cadence,
        "templates": templates,
        "batch_size": draw(st.integers(1, 1000)),
        **draw(st.fixed_dictionaries({}, optional={"review_mode": st.booleans()})),
    }


NOT_TEXT = JSON.filter(lambda value: not isinstance(value, str))
NOT_OBJECT = JSON.filter(lambda value: not isinstance(value, dict))
NOT_BOOLEAN = JSON.filter(lambda value: not isinstance(value, bool))
NOT_A_DAYS_TEMPLATE = JSON.filter(lambda value: not isinstance(value, (str, bool)))
NOT_NUMBER = JSON.filter(lambda value: isinstance(value, bool) or not isinstance(value, int))
NOT_1_TO_1000: list[Any] = [0.5, 1.5, 999.9, 1000.5, -1, 0, 1001, 2**31, 2**63, 10**400, "5", "1", True, None]
NO_DAYS = ["day", "day-1", "day01", "Day0", "day0x", "day10000", "10000", "0", "", "day 0", "day0\n", "day٣", "days0"]


@st.composite
def one_fault_each(draw: st.DrawFn, params: dict[str, Any]) -> list[tuple[str, Any]]:
    """These parameters with one fault, at every place where there can be one; each with what the message must name."""
    found: list[tuple[str, Any]] = []

    def put(named: str, *path: str, **new: Any) -> None:
        """The value at that path is ``to=``, or gone."""
        changed = copy.deepcopy(params)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner.pop(path[-1], None)
        if new:
            inner[path[-1]] = new["to"]
        found.append((named, changed))

    found.append(("params", draw(NOT_OBJECT)))
    put("target_group", "target_group", to=draw(NOT_TEXT))
    put("review_mode", "review_mode", to=draw(NOT_BOOLEAN))
    put("batch_size", "batch_size", to=draw(NOT_NUMBER))
    put("batch_size", "batch_size", to=draw(st.integers(max_value=0) | st.integers(min_value=1001)))
    put("templates", "templates", to=draw(NOT_OBJECT))
    put("cadence", "cadence", to=draw(NOT_OBJECT))
    put("cadence", "cadence", to={})
    put("cadence", "cadence", to=dict.fromkeys(params["cadence"], False))
    for key in ("target_group", "cadence", "templates", "batch_size"):
        put(key, key)
    for key in (draw(TEXTS.filter(lambda key: key not in {*params, "review_mode"})), "Batch_size", "batchsize"):
        put(f"params.{key}", key, to=draw(JSON))

    template = draw(st.sampled_from(sorted(params["templates"])))
    put(f"templates.{template}", "templates", template, to=draw(NOT_OBJECT))
    for key in ("subject", "body"):
        put(f"templates.{template}.{key}", "templates", template, key)
        put(f"templates.{template}.{key}", "templates", template, key, to=draw(NOT_TEXT))
    key = draw(TEXTS.filter(lambda key: key not in {"subject", "body"}))
    put(f"templates.{template}.{key}", "templates", template, key, to=draw(JSON))

    day = draw(st.sampled_from(sorted(params["cadence"])))
    missing = draw(TEXTS.filter(lambda name: name not in params["templates"]))
    put(f"cadence.{day}", "cadence", day, to=draw(NOT_A_DAYS_TEMPLATE))
    put(f"cadence.{day}", "cadence", day, to=missing)
    name = draw(st.sampled_from(NO_DAYS))
    put(f"cadence.{name}", "cadence", name, to=draw(st.sampled_from([True, False, template])))
    two = {"a": params["templates"][template], "b": params["templates"][template]}
    for templates in ({}, two):
        put(f"cadence.{day}", "cadence", to={day: True})
        found[-1][1]["templates"] = templates
    return found


def everything(db: Session) -> Any:
    return one(db, "select array[(select count(*) from public.jobs), (select count(*) from public.job_tasks)]")


@given(data=st.data(), params=valid_params())
def test_parameters_with_one_fault_are_refused_with_the_name_of_the_field(
    example: Example, data: st.DataObject, params: dict[str, Any]
) -> None:
    faults = data.draw(one_fault_each(params))
    with example() as db:
        cast = settle(db)
        new_contacts(db, cast.org_a, 1, params["target_group"])
        with db.as_user(cast.member_a):
            for named, faulty in faults:
                state, message = refusal(db, CREATE, [cast.org_a, "Campaign", None, Jsonb(faulty)])
                assert state == "PT400", faulty
                assert named in message, faulty
            assert everything(db) == [0, 0]
            assert outcome(db, CREATE, [cast.org_a, "Campaign", None, Jsonb(params)]) == "ok", "it was that fault"


@pytest.mark.parametrize(
    ("named", "change"),
    [("batch_size", {"batch_size": size}) for size in NOT_1_TO_1000]
    + [(f"cadence.{name}", {"cadence": {name: value}}) for name in NO_DAYS for value in (True, False)],
)
def test_every_batch_size_and_name_of_a_day_that_is_none_is_refused(
    db: Session, named: str, change: dict[str, Any]
) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        state, message = refusal(db, CREATE, [cast.org_a, "Campaign", None, Jsonb(PARAMS | change)])
    assert state == "PT400"
    assert named in message


@pytest.mark.parametrize("size", [1, 2, 999, 1000])
def test_a_batch_has_1_to_1000_tasks(db: Session, size: int) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 1001)
    with db.as_user(cast.member_a):
        create(db, cast.org_a, {**PARAMS, "batch_size": size})
    assert one(db, "select count(*) from public.job_tasks") == size


@given(data=st.data(), params=valid_params())
def test_valid_parameters_are_kept_as_they_were_and_give_the_first_day_its_batch(
    example: Example, data: st.DataObject, params: dict[str, Any]
) -> None:
    with example() as db:
        cast = settle(db)
        contacts = new_contacts(db, cast.org_a, data.draw(st.integers(0, 4)), params["target_group"])
        with db.as_user(cast.member_a):
            job = create(db, cast.org_a, params)
            assert one(db, "select params from public.jobs") == params
        expected = next_batch(params, contacts, set())
        assert [row[2:] for row in planned(db, job)] == expected


def test_null_is_no_organisation_and_no_parameters(db: Session) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        state, message = refusal(db, CREATE, [None, "Campaign", None, Jsonb(PARAMS)])
        assert (state, "org_id" in message) == ("PT400", True)
        state, message = refusal(db, CREATE, [cast.org_a, "Campaign", None, None])
        assert (state, "params" in message) == ("PT400", True)
        assert everything(db) == [0, 0]


BLANK = st.text(" \t\n\r\x0b\x0c\x85\u00a0\u2003\u2028\u3000", max_size=200)
TOO_LONG = st.integers(201, 300).flatmap(lambda size: st.text("aÄ\U0001f600", min_size=size, max_size=size))
FITTING = st.integers(1, 200).flatmap(
    lambda size: st.text("a Ä'%\n\\\U0001f600", min_size=size, max_size=size).filter(str.strip)
)


@given(name=st.none() | BLANK | TOO_LONG)
def test_a_name_that_is_missing_blank_or_too_long_is_refused(example: Example, name: str | None) -> None:
    with example() as db:
        cast = settle(db)
        new_contacts(db, cast.org_a, 1)
        with db.as_user(cast.member_a):
            state, message = refusal(db, CREATE, [cast.org_a, name, None, Jsonb(PARAMS)])
            assert (state, "name" in message) == ("PT400", True)
            assert everything(db) == [0, 0]


@given(name=FITTING | st.sampled_from(["x" * 200, "\U0001f600" * 200, " x "]), description=st.none() | TEXTS)
def test_a_name_of_1_to_200_characters_and_any_description_are_kept(
    example: Example, name: str, description: str | None
) -> None:
    with example() as db:
        cast = settle(db)
        with db.as_user(cast.member_a):
            db.execute(CREATE.encode(), [cast.org_a, name, description, Jsonb(PARAMS)])
            assert db.execute("select name, description from public.jobs").fetchall() == [(name, description)]


def test_an_organisation_that_is_not_the_callers_is_refused_in_the_same_words_whether_there_is_one_or_not(
    db: Session,
) -> None:
    cast = settle(db)
    nowhere = uuid4()
    with db.as_user(cast.member_a):
        told = [refusal(db, CREATE, [org, "Campaign", None, Jsonb(PARAMS)]) for org in (cast.org_b, nowhere)]
    assert {state for state, _ in told} == {"42501"}
    assert told[0][1].replace(str(cast.org_b), "…") == told[1][1].replace(str(nowhere), "…")
    with db.as_service_role():
        assert outcome(db, CREATE, [nowhere, "Campaign", None, Jsonb(PARAMS)]) == "42501"
        create(db, cast.org_b, PARAMS)
    assert db.execute("select org_id, owner_id from public.jobs").fetchall() == [(cast.org_b, None)]


def test_a_job_whose_first_batch_cannot_be_planned_is_not_created(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 1)
    db.execute(
        "create function public.refuse() returns trigger language plpgsql "
        "as $$ begin raise exception 'no tasks today' using errcode = '23514'; end $$"
    )
    db.execute("create trigger refuse before insert on public.job_tasks for each row execute function public.refuse()")
    with db.as_user(cast.member_a):
        assert refusal(db, CREATE, [cast.org_a, "Campaign", None, Jsonb(PARAMS)]) == ("23514", "no tasks today")
        assert everything(db) == [0, 0]


@pytest.mark.parametrize(
    ("cadence", "templates", "expected"),
    [
        ({"day0": True}, ["only"], "only"),
        ({"day0": True}, ["day0", "other"], "day0"),
        ({"day0": True}, ["day1", "day0"], "day0"),
        ({"day0": "other"}, ["day0", "other"], "other"),
        ({"day0": False, "day1": True}, ["day0", "day1"], "day1"),
    ],
)
def test_a_task_says_which_template_it_is_for(
    db: Session, cadence: dict[str, Any], templates: list[str], expected: str
) -> None:
    """Section 7 says which template a day has; ``input.template`` is where a worker finds it."""
    cast = settle(db)
    new_contacts(db, cast.org_a, 1)
    template = {"subject": "s", "body": "b"}
    with db.as_user(cast.member_a):
        create(db, cast.org_a, {**PARAMS, "cadence": cadence, "templates": dict.fromkeys(templates, template)})
        assert one(db, "select input ->> 'template' from public.job_tasks") == expected


# Planning

Place = tuple[int, str]
"""A cadence day and a contact."""


def next_batch(params: dict[str, Any], contacts: set[str], taken: set[Place]) -> list[Place]:
    """The model: the first contacts without a task for the first day that is not through."""
    days = sorted(int(key.removeprefix("day")) for key, value in params["cadence"].items() if value is not False)
    for day in days:
        left = sorted((contact for contact in contacts if (day, contact) not in taken), key=lambda text: UUID(text).int)
        if left:
            return [(day, contact) for contact in left[: params["batch_size"]]]
    return []


def planned(db: Session, job: UUID) -> list[tuple[int, int, int, str]]:
    """A job's tasks that a plan made: batch, step, day, contact."""
    found = db.execute(
        "select batch, step, input -> 'day', input -> 'contact_id' from public.job_tasks "
        "where job_id = %s and kind = 'draft_email' order by batch, step",
        [job],
    ).fetchall()
    return [(batch, step, day, contact) for batch, step, day, contact in found]


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
    """What a member may write into a task's input: none of it is a task for that day and contact."""
    return [
        *[None, [], {}, "x", 7, LONG, [day, contact], {"day": day}, {"contact_id": contact}],
        {"day": day, "contact_id": LONG},
        {"day": LONG, "contact_id": contact},
        {"day": LONG, "contact_id": LONG},
        {"day": day, "contact_id": contact + LONG},
        {"day": f"{day}{LONG}", "contact_id": contact},
        {"day": 10 * day + 7, "contact_id": contact},
        {"day": day, "contact_id": 7},
        {"day": day, "contact_id": [contact]},
        {"day": {"day": day}, "contact_id": {"contact_id": contact}},
        {"day": None, "contact_id": None},
        {"input": {"day": day, "contact_id": contact}},
    ]


@dataclass
class Campaign:
    """A job as section 7 has it. ``tasks``: id → batch, step, and the day and contact if it was planned for one."""

    id: UUID
    org: UUID
    params: dict[str, Any]
    tasks: dict[int, tuple[int, int, Place | None]]
    status: str = "pending"
    last_run_at: datetime | None = None

    def next_batch(self, contacts: dict[str, tuple[UUID, str]]) -> list[Place]:
        mine = {contact for contact, where in contacts.items() if where == (self.org, self.params["target_group"])}
        return next_batch(self.params, mine, {place for *_, place in self.tasks.values() if place is not None})

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
        taken = {(batch, step) for batch, step, _ in job.tasks.values()}
        with self.db.as_user(self.cast.member_both):
            if inserted and (batch, step) not in taken:
                insert = (
                    "insert into public.job_tasks (job_id, batch, step, kind, input) "
                    "values (%s, %s, %s, 'research', %s) returning id"
                )
                task = one(self.db, insert, [job.id, batch, step, Jsonb(written)])
                job.tasks[task] = (batch, step, place)
            elif job.tasks:
                task = data.draw(st.sampled_from(sorted(job.tasks)))
                self.db.execute("update public.job_tasks set input = %s where id = %s", [Jsonb(written), task])
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


def bring_to(db: Session, job: UUID, status: str) -> None:
    """Along the transition table; its pending tasks are worked off before it succeeds."""
    if status == "succeeded":
        db.execute("update public.job_tasks set status = 'running' where status = 'pending' and job_id = %s", [job])
        db.execute("update public.job_tasks set status = 'done' where status = 'running' and job_id = %s", [job])
    if status not in ("pending", "running", "cancelled"):
        db.execute("update public.jobs set status = 'running' where id = %s", [job])
    db.execute("update public.jobs set status = %s where id = %s", [status, job])


def test_a_job_with_a_task_in_the_last_batch_of_all_is_told_so(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 7)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        db.execute("update public.job_tasks set batch = 2147483646 where step = 1")
        db.execute("update public.job_tasks set batch = 2147483647 where step = 2")
        before = rows(db, "select * from public.jobs")
        state, message = refusal(db, PLAN, [job])
        assert state == "PT409"
        assert "batch 2147483647" in message
        assert rows(db, "select * from public.jobs") == before
        db.execute("delete from public.job_tasks where batch = 2147483647")
        assert one(db, PLAN, [job]) == 3
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
@pytest.mark.parametrize("index", range(len(hostile_inputs(0, ""))))
def test_whatever_members_write_into_an_input_planning_goes_on(db: Session, index: int, day: int) -> None:
    cast = settle(db)
    contacts = sorted(new_contacts(db, cast.org_a, 2))
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, {**PARAMS, "cadence": {f"day{day}": True}, "batch_size": 1})
        db.execute("update public.job_tasks set input = %s", [Jsonb(hostile_inputs(day, contacts[0])[index])])
        assert [one(db, PLAN, [job]) for _ in range(3)] == [1, 1, 0]
        assert [row[2:] for row in planned(db, job)[1:]] == [(day, contact) for contact in contacts]


# Working


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


STATES_OF_A_TASK = ("pending", "running", "done", "error", "skipped")


@pytest.mark.parametrize("status", STATES_OF_A_TASK)
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
