"""Section 3: what links cards and runs to jobs and tasks, and what becomes of them when those go."""

from __future__ import annotations

from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import PARAMS, new_card, new_contacts, new_job, new_tasks, one, outcome, settle


def test_deleting_a_job_deletes_its_tasks_and_keeps_cards_and_runs_without_their_links(db: Session) -> None:
    cast = settle(db)
    job, other = new_job(db, cast.org_a), new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    (kept,) = new_tasks(db, other, [(0, 0)])
    card, kept_card = new_card(db, cast.org_a, job, task), new_card(db, cast.org_a, other, kept)
    insert = "insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s) returning id"
    run = one(db, insert, [cast.org_a, job])
    with db.as_user(cast.member_both):
        assert db.execute("delete from public.jobs where id = %s", [job]).rowcount == 1
    assert one(db, "select array_agg(id) from public.job_tasks") == [kept]
    cards = db.execute("select id, job_id, task_id from public.kanban_cards").fetchall()
    assert sorted(cards) == sorted([(card, None, None), (kept_card, other, kept)])
    assert db.execute("select id, job_id from public.agent_runs").fetchall() == [(run, None)]


def test_a_job_whose_batches_were_planned_can_be_deleted_like_any_other(db: Session) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_a, 7)
    with db.as_user(cast.member_a):
        create = "select (public.create_job(%s, 'x', null, %s)).id"
        job, kept = (one(db, create, [cast.org_a, Jsonb(PARAMS)]) for _ in range(2))
        assert one(db, "select public.plan_next_batch(%s)", [job]) == 2
        assert db.execute("delete from public.jobs where id = %s", [job]).rowcount == 1
        assert db.execute("select job_id from public.job_tasks group by job_id").fetchall() == [(kept,)]
        assert one(db, "select public.plan_next_batch(%s)", [kept]) == 2


def test_deleting_a_task_keeps_its_cards_with_their_job(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    new_card(db, cast.org_a, job, task)
    with db.as_user(cast.member_a):
        db.execute("delete from public.job_tasks")
    assert db.execute("select job_id, task_id from public.kanban_cards").fetchall() == [(job, None)]
    assert one(db, "select cards_created from public.jobs") == 1


def test_a_card_that_loses_its_job_loses_its_task(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    card = new_card(db, cast.org_a, job, task)
    with db.as_user(cast.member_a):
        db.execute("update public.kanban_cards set job_id = null where id = %s", [card])
    assert db.execute("select job_id, task_id from public.kanban_cards").fetchall() == [(None, None)]


def test_a_task_that_has_cards_cannot_move_to_another_job(db: Session) -> None:
    cast = settle(db)
    job, other = new_job(db, cast.org_a), new_job(db, cast.org_a)
    held, free = new_tasks(db, job, [(0, 0), (0, 1)])
    new_card(db, cast.org_a, job, held)
    move = "update public.job_tasks set job_id = %s where id = %s"
    assert outcome(db, move, [other, held]) == "23503"
    assert outcome(db, move, [other, free]) == "ok"


def test_one_task_may_have_many_cards(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    for _ in range(3):
        new_card(db, cast.org_a, job, task)
    assert one(db, "select cards_created from public.jobs") == 3


def test_deleting_an_organisation_takes_everything_of_it_and_nothing_else(db: Session) -> None:
    cast = settle(db)
    for org in (cast.org_a, cast.org_b):
        job = new_job(db, org)
        (task,) = new_tasks(db, job, [(0, 0)])
        new_card(db, org, job, task)
        db.execute("insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s)", [org, job])
    db.execute("delete from public.organizations where id = %s", [cast.org_a])
    for table in ("jobs", "job_tasks", "kanban_cards", "agent_runs"):
        assert one(db, f"select count(*) from public.{table}") == 1


def test_the_owner_is_who_created_the_job_and_null_once_deleted(db: Session) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a):
        job = new_job(db, cast.org_a)
        assert outcome(db, "update public.jobs set owner_id = null") == "42501"
        insert = "insert into public.jobs (org_id, name, owner_id) values (%s, 'x', %s)"
        assert outcome(db, insert, [cast.org_a, cast.member_b]) == "42501"
    assert one(db, "select owner_id from public.jobs where id = %s", [job]) == cast.member_a
    db.execute("delete from auth.users where id = %s", [cast.member_a])
    assert one(db, "select owner_id from public.jobs where id = %s", [job]) is None


def test_params_are_an_object(db: Session) -> None:
    cast = settle(db)
    insert = "insert into public.jobs (org_id, name, params) values (%s, 'x', %s::jsonb)"
    assert outcome(db, insert, [cast.org_a, "{}"]) == "ok"
    for params in ("[]", "null", "1", '"x"'):
        assert outcome(db, insert, [cast.org_a, params]) == "23514"


@pytest.mark.parametrize("way", ["insert", "create_job"])
def test_a_job_of_service_role_has_the_owner_of_the_claim_if_that_is_a_user(db: Session, way: str) -> None:
    """A user who is deleted owns no job any more; nor does one whose token outlives them."""
    cast = settle(db)
    statement = {
        "insert": "insert into public.jobs (org_id, name) values (%s, 'x') returning owner_id",
        "create_job": "select (public.create_job(%s, 'x', null, %s)).owner_id",
    }[way]
    values = [cast.org_a, Jsonb(PARAMS)][: statement.count("%s")]
    for subject, owner in ((uuid4(), None), (cast.stranger, cast.stranger)):
        with db.as_role("service_role", {"sub": str(subject), "role": "service_role"}):
            assert one(db, statement, values) == owner
