"""Sections 7 and 9: how large the parameters of a job may be, and what is said of those that are refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.campaigns import CREATE, PLAN, create, planned, refusal
from tests.jobs.cast import PARAMS, new_contacts, one, outcome, settle

TEMPLATE = {"subject": "s", "body": "b"}
LARGEST = 65_536


def cadence(count: int) -> dict[str, bool]:
    return {f"day{day}": True for day in range(count)}


def templates(count: int) -> dict[str, Any]:
    return {f"template {number}": TEMPLATE for number in range(count)}


def of_size(db: Session, size: int, character: str) -> dict[str, Any]:
    """Parameters whose text has that many bytes, filled up with that character."""
    text = "select octet_length(%s::jsonb::text)"
    params = {**PARAMS, "templates": {"intro": {"subject": "s", "body": ""}}}
    left = size - one(db, text, [Jsonb(params)])
    width = len(character.encode())
    params["templates"] = {"intro": {"subject": "s", "body": character * (left // width) + "x" * (left % width)}}
    assert one(db, text, [Jsonb(params)]) == size
    return params


@pytest.mark.parametrize("character", ["a", "€", "\U0001f600"])
def test_parameters_have_at_most_64_kilobytes(db: Session, character: str) -> None:
    """Bytes and not characters."""
    cast = settle(db)
    fits, too_long = of_size(db, LARGEST, character), of_size(db, LARGEST + 1, character)
    with db.as_user(cast.member_a):
        state, message = refusal(db, CREATE, [cast.org_a, "Campaign", None, Jsonb(too_long)])
        assert (state, message) == ("PT400", "params must have at most 65536 bytes")
        job = create(db, cast.org_a, fits)
        assert one(db, "select params from public.jobs") == fits
        db.execute("update public.jobs set params = %s", [Jsonb(too_long)])
        assert outcome(db, PLAN, [job]) == "PT400"


def test_a_cadence_has_at_most_366_days(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 1)
    with db.as_user(cast.member_a):
        state, message = refusal(db, CREATE, [cast.org_a, "x", None, Jsonb({**PARAMS, "cadence": cadence(367)})])
        assert state == "PT400"
        assert "params.cadence" in message
        assert "366" in message
        job = create(db, cast.org_a, {**PARAMS, "cadence": cadence(366)})
        assert [one(db, PLAN, [job]) for _ in range(3)] == [1, 1, 1]
        assert [row[2] for row in planned(db, job)] == [0, 1, 2, 3]


def test_there_are_at_most_100_templates(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 1)
    days = {"day0": "template 99"}
    with db.as_user(cast.member_a):
        many = {**PARAMS, "cadence": days, "templates": templates(101)}
        state, message = refusal(db, CREATE, [cast.org_a, "x", None, Jsonb(many)])
        assert (state, "params.templates" in message, "100" in message) == ("PT400", True, True)
        create(db, cast.org_a, {**PARAMS, "cadence": days, "templates": templates(100)})
        assert one(db, "select input ->> 'template' from public.job_tasks") == "template 99"


X = "x" * 300
FAULTY: list[tuple[dict[str, Any], str, str]] = [
    ({"target_group": 7}, "params.target_group must be a text", ""),
    ({"review_mode": "yes"}, "params.review_mode must be true or false", ""),
    ({"batch_size": 1001}, "params.batch_size must be a whole number from 1 to 1000", ""),
    ({X: 1}, f"params.{X} is unknown", "target_group, cadence, templates, review_mode, batch_size"),
    ({"templates": []}, "params.templates must be an object of templates", ""),
    ({"templates": {X: 7}}, f"params.templates.{X} must be an object with subject and body", ""),
    ({"templates": {X: {"subject": "s"}}}, f"params.templates.{X}.body must be a text", ""),
    ({"templates": {X: {"subject": 1, "body": "b"}}}, f"params.templates.{X}.subject must be a text", ""),
    ({"templates": {"a": {**TEMPLATE, X: 1}}}, f"params.templates.a.{X} is unknown", "subject and body"),
    ({"cadence": []}, "params.cadence must be an object of days", ""),
    ({"cadence": {}}, "params.cadence has no day", ""),
    ({"cadence": {"day0": False}}, "params.cadence has no day", ""),
    ({"cadence": {X: True}}, f"params.cadence.{X} is no day", "day0 to day9999"),
    ({"cadence": {"day7": 7}}, "params.cadence.day7 must be the name of a template, true or false", ""),
    ({"cadence": {"day7": None}}, "params.cadence.day7 must be the name of a template, true or false", ""),
    ({"cadence": {"day7": X}}, f"params.cadence.day7 names a template that is not there: {X}", ""),
    ({"cadence": {"day7": True}, "templates": {}}, "params.cadence.day7 has no template", "one called day7"),
    (
        {"cadence": {"day7": True}, "templates": {"a": TEMPLATE, "b": TEMPLATE}},
        "params.cadence.day7 has no template",
        "",
    ),
]


@pytest.mark.parametrize(("change", "message", "hint"), FAULTY, ids=range(len(FAULTY)))
def test_what_is_wrong_with_parameters_is_said_with_the_name_of_the_field_and_what_is_allowed(
    db: Session, change: dict[str, Any], message: str, hint: str
) -> None:
    """By creating and by planning alike, and no name is cut off."""
    cast = settle(db)
    new_contacts(db, cast.org_a, 9)
    with db.as_user(cast.member_a):
        job = create(db, cast.org_a, PARAMS)
        db.execute("update public.jobs set params = %s", [Jsonb(PARAMS | change)])
        for statement, parameters in (
            (CREATE, [cast.org_a, "Campaign", None, Jsonb(PARAMS | change)]),
            (PLAN, [job]),
        ):
            with pytest.raises(psycopg.Error) as caught, db.transaction():
                db.execute(statement.encode(), parameters)
            assert caught.value.sqlstate == "PT400"
            assert caught.value.diag.message_primary == message
            assert hint in (caught.value.diag.message_hint or "")
        assert one(db, "select count(*) from public.job_tasks") == 5


@pytest.mark.parametrize("params", [None, [], "x", 7, True])
def test_parameters_are_an_object(db: Session, params: Any) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        given = [cast.org_a, "Campaign", None, Jsonb(params)]
        assert refusal(db, CREATE, given) == ("PT400", "params must be an object")


def test_who_may_not_create_a_job_hears_where_before_what_is_wrong(db: Session) -> None:
    """The organisation is asked for first: nothing is said about parameters to strangers."""
    cast = settle(db)
    with db.as_user(cast.member_a):
        for org in (cast.org_b, uuid4()):
            told = ("42501", f"not allowed to create a job in the organisation {org}")
            assert refusal(db, CREATE, [org, "", None, Jsonb({})]) == told
        told = ("PT400", "p_name must have 1 to 200 characters, not all of them blank")
        assert refusal(db, CREATE, [cast.org_a, "x" * 201, None, Jsonb(PARAMS)]) == told
        assert refusal(db, CREATE, [None, "x", None, Jsonb(PARAMS)]) == ("PT400", "p_org_id must not be null")
