"""Section 9: a task has its job's organisation in `org_id`, whoever makes it and whatever becomes of the job."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import (
    PARAMS,
    Cast,
    listening,
    new_card,
    new_contacts,
    new_job,
    new_tasks,
    one,
    outcome,
    settle,
    words_of,
)
from tests.jobs.test_isolation import CREATE
from tests.jobs.test_membership import new_user

INSERT = "insert into public.job_tasks (job_id, batch, step, kind) values (%s, %s, 0, 'research')"
GIVEN = "insert into public.job_tasks (job_id, batch, step, kind, org_id) values (%s, %s, 0, 'research', %s)"


def told(db: Session, job: UUID) -> object:
    """What a member is told who inserts a task of that job."""
    with listening(db) as heard:
        try:
            with db.transaction():
                db.execute(INSERT, [job, 0])
        except psycopg.Error as error:
            return (words_of(error.diag), heard)
    return ("ok", heard)


def orgs(db: Session) -> dict[UUID, list[UUID]]:
    """The organisations of each job's tasks."""
    return dict(
        db.execute("select job_id, array_agg(distinct org_id) from public.job_tasks group by job_id").fetchall()
    )


@pytest.mark.parametrize("who", ["owner", "member", "service_role"])
def test_a_task_gets_the_organisation_of_its_job(db: Session, who: str) -> None:
    cast = settle(db)
    jobs = {new_job(db, org): org for org in (cast.org_a, cast.org_b) for _ in range(2)}
    identity = {"owner": db.example(), "member": db.as_user(cast.member_both), "service_role": db.as_service_role()}[
        who
    ]
    with identity:
        for job in jobs:
            assert outcome(db, INSERT, [job, 0]) == "ok"
        # of several organisations, in one statement
        db.execute(
            "insert into public.job_tasks (job_id, batch, step, kind) select id, 1, 0, 'research' from public.jobs"
        )
        assert orgs(db) == {job: [org] for job, org in jobs.items()}
        description = db.execute("select * from public.job_tasks limit 0").description or ()
        assert [column.name for column in description][-1] == "org_id"


@pytest.mark.parametrize("who", ["member", "service_role"])
def test_the_functions_that_make_and_hand_out_tasks_fill_it_too(db: Session, who: str) -> None:
    cast = settle(db)
    new_contacts(db, cast.org_b, 12)
    new_contacts(db, cast.org_a, 1)
    with db.as_user(cast.member_both) if who == "member" else db.as_service_role():
        job = one(db, CREATE, {"org": cast.org_b, "params": Jsonb(PARAMS)})
        assert one(db, "select public.plan_next_batch(%s)", [job]) == 5
        assert orgs(db) == {job: [cast.org_b]}
        db.execute("select public.transition_job_status(%s, 'running')", [job])
        cursor = db.execute("select * from public.claim_tasks(%s, 20)", [job])
        assert [column.name for column in cursor.description or ()][-1] == "org_id"
        assert [row[-1] for row in cursor.fetchall()] == [cast.org_b] * 10


def test_a_member_cannot_tell_a_foreign_job_from_none_by_giving_it_a_task(db: Session) -> None:
    cast = settle(db)
    foreign, empty = new_job(db, cast.org_b), new_job(db, cast.org_b)
    new_tasks(db, foreign, [(0, 0)])  # whose place is taken
    with db.as_user(cast.member_a):
        answers = [told(db, job) for job in (uuid4(), foreign, empty, uuid4())]
    assert answers == answers[:1] * 4
    assert str(answers[0]).count("42501") == 1


@pytest.mark.parametrize("who", ["owner", "service_role"])
def test_for_whom_there_is_no_foreign_job_an_unknown_one_breaks_the_foreign_key(db: Session, who: str) -> None:
    cast = settle(db)
    with db.as_service_role() if who == "service_role" else db.example():
        assert outcome(db, INSERT, [uuid4(), 0]) == "23503"
        assert outcome(db, INSERT, [None, 0]) in ("23502", "23503")
    job = new_job(db, cast.org_a)
    assert outcome(db, GIVEN, [job, 0, cast.org_a]) == "ok"
    assert outcome(db, GIVEN, [job, 1, cast.org_b]) == "23503", "given, and wrong"
    assert outcome(db, GIVEN, [job, 1, uuid4()]) == "23503"
    for org in (cast.org_b, uuid4()):
        assert outcome(db, "update public.job_tasks set org_id = %s", [org]) == "23503"
    assert outcome(db, "update public.job_tasks set org_id = null") == "23502"


def two_jobs(db: Session) -> tuple[Cast, UUID, UUID]:
    cast = settle(db)
    jobs = new_job(db, cast.org_a), new_job(db, cast.org_a)
    for job in jobs:
        new_tasks(db, job, [(0, 0), (0, 1)])
    return cast, *jobs


def test_a_task_moves_to_another_job_of_its_organisation_or_with_it(db: Session) -> None:
    cast, job, other = two_jobs(db)
    foreign = new_job(db, cast.org_b)
    move = "update public.job_tasks set job_id = %s, batch = 1 where job_id = %s"
    assert outcome(db, move, [foreign, job]) == "23503"
    assert outcome(db, move, [other, job]) == "ok"
    both = "update public.job_tasks set job_id = %s, org_id = %s"
    assert outcome(db, f"{both} where batch = 1", [foreign, cast.org_b]) == "ok"
    assert orgs(db) == {other: [cast.org_a], foreign: [cast.org_b]}
    counted: dict[UUID, int] = dict(db.execute("select id, total_tasks from public.jobs").fetchall())
    assert counted == {job: 0, other: 2, foreign: 2}


def test_a_jobs_tasks_go_with_it_to_another_organisation(db: Session) -> None:
    """Which its owner alone can do, and only while no card and no run holds it where it is."""
    cast, job, other = two_jobs(db)
    move = "update public.jobs set org_id = %s where id = %s"
    assert outcome(db, move, [cast.org_b, job]) == "ok"
    assert orgs(db) == {job: [cast.org_b], other: [cast.org_a]}
    for user, seen in ((cast.member_a, [other]), (cast.member_b, [job])):
        with db.as_user(user):
            assert list(orgs(db)) == seen
    new_card(db, cast.org_a, other)
    assert outcome(db, move, [cast.org_b, other]) == "23503"


def test_the_tasks_of_a_job_that_is_deleted_are_gone_and_no_others(db: Session) -> None:
    cast, job, other = two_jobs(db)
    with db.as_user(cast.member_a):
        assert outcome(db, "delete from public.jobs where id = %s", [job]) == "ok"
    assert list(orgs(db)) == [other]
    db.execute("delete from public.organizations where id = %s", [cast.org_a])
    assert orgs(db) == {}


def test_whose_membership_ends_sees_no_task_any_more(db: Session) -> None:
    cast, *_ = two_jobs(db)
    with db.as_user(cast.member_a):
        assert one(db, "select count(*) from public.job_tasks") == 4
    db.execute("delete from public.organization_members where user_id = %s", [cast.member_a])
    with db.as_user(cast.member_a):
        assert one(db, "select count(*) from public.job_tasks") == 0
    late = new_user(db)
    insert = "insert into public.organization_members (organization_id, user_id) values (%s, %s)"
    db.execute(insert, [cast.org_a, late])
    with db.as_user(late):
        assert one(db, "select count(*) from public.job_tasks") == 4
