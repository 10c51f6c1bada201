"""Section 7, ``create_job``: parameters are checked, and a job comes with its first batch or not at all."""

from __future__ import annotations

import copy
import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.campaigns import (
    CLAIM,
    CREATE,
    JSON,
    PLAN,
    TEXTS,
    TRANSITION,
    create,
    planned,
    refusal,
    rows,
)
from tests.jobs.cast import (
    PARAMS,
    new_contacts,
    one,
    outcome,
    settle,
)
from tests.jobs.model import COUNTERS, Plan

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
        expected = Plan().next_batch(params, contacts, set())
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
