"""Section 9: a task's `input.contact_id` is a contact of its job's organisation, whoever writes it.

A worker with `service_role` looks the contact up; members write `input`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import PARAMS, Cast, listening, new_contacts, new_job, new_tasks, one, outcome, settle, words_of
from tests.jobs.test_isolation import CREATE

INSERT = "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, %s, 0, 'research', %s)"
UPDATE = "update public.job_tasks set input = %s where id = %s"
WRITERS = ("member", "service_role", "owner")


def acting(db: Session, cast: Cast, who: str) -> Any:
    return {"member": db.as_user(cast.member_both), "service_role": db.as_service_role(), "owner": db.example()}[who]


def contact(db: Session, org: UUID) -> str:
    (found,) = new_contacts(db, org, 1)
    return found


def naming(value: Any) -> Jsonb:
    return Jsonb({"contact_id": value, "note": "x"})


def no_contacts(db: Session, cast: Cast) -> list[Any]:
    """What stands for no contact of organisation A."""
    own = contact(db, cast.org_a)
    other = contact(db, cast.org_b)
    odd = [own.upper(), f"{{{own}}}", own.replace("-", ""), f" {own}", f"{own} ", f"{own}\n", own[:-1], f"{own}0"]
    if own.upper() == own:
        odd = odd[1:]  # no letter in it
    return [other, str(uuid4()), *odd, "", "x", None, 7, True, [own], {"id": own}]


@pytest.mark.parametrize("who", WRITERS)
def test_a_contact_of_the_jobs_organisation_is_taken(db: Session, who: str) -> None:
    cast = settle(db)
    values = {org: contact(db, org) for org in (cast.org_a, cast.org_b)}
    jobs = {org: new_job(db, org) for org in values}
    with acting(db, cast, who):
        for org, job in jobs.items():
            assert outcome(db, INSERT, [job, 0, naming(values[org])]) == "ok"
            task = one(db, "select id from public.job_tasks where job_id = %s", [job])
            assert outcome(db, UPDATE, [Jsonb({}), task]) == "ok", "taken out"
            assert outcome(db, UPDATE, [naming(values[org]), task]) == "ok", "put in again"
        assert one(db, "select count(*) from public.job_tasks where input ? 'contact_id'") == 2


@pytest.mark.parametrize("who", WRITERS)
def test_a_contact_that_is_foreign_unknown_or_malformed_is_refused_in_the_same_words(db: Session, who: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(7, 0)])
    values = no_contacts(db, cast)
    with acting(db, cast, who):
        for way, statement in {"insert": INSERT, "update": UPDATE}.items():
            told = {}
            for value in values:
                parameters = [job, 0, naming(value)] if way == "insert" else [naming(value), task]
                with listening(db) as heard, pytest.raises(psycopg.Error) as caught, db.transaction():
                    db.execute(statement.encode(), parameters)
                assert caught.value.sqlstate == "PT400", (way, value)
                told[words_of(caught.value.diag), tuple(heard)] = value
            assert len(told) == 1, told
            ((said, notices),) = told
            assert not notices
            assert "contact_id" in str(said)
            assert all(value not in str(said) for value in values if isinstance(value, str) and len(value) > 30)
    assert db.execute("select id, input from public.job_tasks").fetchall() == [(task, {})]


@pytest.mark.parametrize("who", WRITERS)
def test_an_input_without_that_key_may_be_anything(db: Session, who: str) -> None:
    """An array or a text that has the key's name in it has no key."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    inputs = [{}, {"Contact_id": "x"}, {"contact": {"contact_id": "x"}}, ["contact_id"], "contact_id", None, 7, True]
    with acting(db, cast, who):
        for batch, value in enumerate(inputs):
            assert outcome(db, INSERT, [job, batch, Jsonb(value)]) == "ok", value
        for value in inputs:
            assert outcome(db, "update public.job_tasks set input = %s", [Jsonb(value)]) == "ok", value


@pytest.mark.parametrize("who", WRITERS)
def test_one_foreign_contact_among_many_refuses_the_statement(db: Session, who: str) -> None:
    cast = settle(db)
    job, foreign_job = new_job(db, cast.org_a), new_job(db, cast.org_b)
    own, foreign = contact(db, cast.org_a), contact(db, cast.org_b)
    insert = (
        "insert into public.job_tasks (job_id, batch, step, kind, input) select x.job, 0, row_number() over (), "
        "'research', jsonb_build_object('contact_id', x.contact) "
        "from unnest(%s::uuid[], %s::text[]) as x (job, contact)"
    )
    with acting(db, cast, who):
        for jobs, contacts, expected in (
            ([job, job, job], [own, foreign, own], "PT400"),
            ([job, foreign_job], [foreign, own], "PT400"),
            ([job, foreign_job, job], [own, foreign, own], "ok"),
        ):
            assert outcome(db, insert, [jobs, contacts]) == expected
        assert one(db, "select count(*) from public.job_tasks") == 3
        exchange = (
            "update public.job_tasks set input = jsonb_build_object('contact_id', "
            "case input ->> 'contact_id' when %(own)s then %(foreign)s else %(own)s end)"
        )
        assert outcome(db, exchange, {"own": own, "foreign": foreign}) == "PT400"
        assert outcome(db, "update public.job_tasks set input = input || '{\"note\": 1}'") == "ok"


@pytest.mark.parametrize("who", WRITERS)
def test_no_other_way_to_write_an_input_gets_round_it(db: Session, who: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    new_tasks(db, job, [(0, 0)])
    foreign = naming(contact(db, cast.org_b))
    upsert = (
        "insert into public.job_tasks (job_id, batch, step, kind, input) values (%s, %s, 0, 'research', %s) "
        "on conflict (job_id, batch, step) do {}"
    )
    ways: dict[str, tuple[str, Sequence[object]]] = {
        "a change in place of a new row": (upsert.format("update set input = excluded.input"), [job, 0, foreign]),
        "a new row in place of a change": (upsert.format("update set input = excluded.input"), [job, 1, foreign]),
        "a new row or nothing": (upsert.format("nothing"), [job, 1, foreign]),
        "with": (f"with made as ({INSERT} returning id) select id from made", [job, 1, foreign]),
        "part of it": ("update public.job_tasks set input = jsonb_set(input, '{contact_id}', '\"x\"')", []),
        "where it was": ("update public.job_tasks set input = input || %s where input = '{}'", [foreign]),
    }
    with acting(db, cast, who):
        for way, (statement, parameters) in ways.items():
            assert outcome(db, statement, parameters) == "PT400", way
    assert db.execute("select input from public.job_tasks").fetchall() == [({},)]


@pytest.mark.parametrize("who", WRITERS)
def test_a_task_whose_contact_has_gone_can_be_worked_on_and_changed_otherwise(db: Session, who: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    own = contact(db, cast.org_a)
    db.execute(INSERT, [job, 0, naming(own)])
    db.execute("update public.jobs set status = 'running'")
    db.execute("delete from public.contacts")
    with acting(db, cast, who):
        assert outcome(db, "update public.job_tasks set step = 5, kind = 'follow_up'") == "ok"
        assert outcome(db, INSERT, [job, 1, naming(own)]) == "PT400", "it is written anew"
    with db.as_user(cast.member_a):
        task = one(db, "select id from public.claim_tasks(%s, 1)", [job])
        assert outcome(db, "select public.finish_task(%s, '{}')", [task]) == "ok"
    assert one(db, "select input ->> 'contact_id' from public.job_tasks") == own


def test_a_task_that_moves_to_another_organisation_may_not_take_its_contact_along(db: Session) -> None:
    cast = settle(db)
    job, foreign_job = new_job(db, cast.org_a), new_job(db, cast.org_b)
    db.execute(INSERT, [job, 0, naming(contact(db, cast.org_a))])
    move = "update public.job_tasks set job_id = %s, org_id = %s, input = {}"
    for value in ("input || '{}'", "input || '{\"note\": 2}'"):
        assert outcome(db, move.format(value), [foreign_job, cast.org_b]) == "PT400"
    assert outcome(db, move.format("input - 'contact_id'"), [foreign_job, cast.org_b]) == "ok"


def test_a_worker_that_looks_contacts_up_by_both_ids_finds_each_and_no_foreign_one(db: Session) -> None:
    cast = settle(db)
    for org in (cast.org_a, cast.org_b):
        new_contacts(db, org, 3)
    with db.as_service_role():
        for org in (cast.org_a, cast.org_b):
            job = one(db, CREATE, {"org": org, "params": Jsonb(PARAMS)})
            db.execute("select public.transition_job_status(%s, 'running')", [job])
            found = db.execute(
                "select c.org_id, t.org_id from public.claim_tasks(%s, 9) as t "
                "left join public.contacts as c on c.id = (t.input ->> 'contact_id')::uuid and c.org_id = t.org_id",
                [job],
            ).fetchall()
            assert found == [(org, org)] * 3
