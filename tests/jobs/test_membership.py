"""Section 5: membership alone decides, whatever a member's role, and whatever the state and the age of a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import PARAMS, acting, new_campaign, new_contacts, new_job, one, outcome
from tests.jobs.model import CARD_STATES, CARD_TYPES, FINAL, JOB_STATUSES
from tests.jobs.test_isolation import CALLS, CREATE

ROLES = ("owner", "admin", "member")
DOORS = {
    "jobs": "id", "job_tasks": "id", "kanban_cards": "id", "agent_runs": "id", "contacts": "id",
    "job_metrics": "job_id",
}  # fmt: skip
# they read no column: only the policy for the command itself can hold them back
BLIND = {
    "jobs": "update public.jobs set name = 'x'",
    "job_tasks": "update public.job_tasks set input = '{}'",
    "kanban_cards": "update public.kanban_cards set title = 'x'",
    "agent_runs": "update public.agent_runs set mode = 'x'",
    "contacts": "update public.contacts set company = 'x'",
}


@dataclass
class House:
    """An organisation with rows of every kind; ``keys``: relation → the keys of its rows there."""

    org: UUID
    members: dict[str, UUID]
    former: UUID
    keys: dict[str, set[Any]] = field(default_factory=dict)


def new_user(db: Session) -> UUID:
    return UUID(str(one(db, "insert into auth.users (id) values (%s) returning id", [uuid4()])))


def new_house(db: Session, *, inhabited: bool = True) -> House:
    """With one member of each role, somebody who left, and a job in each status: old and new ones, of several owners.

    The owners are: nobody, the member ``member``, and who left. Without members all jobs are of who left.
    """
    org = one(db, "insert into public.organizations (name) values ('x') returning id")
    former = new_user(db)
    members = {role: new_user(db) for role in ROLES} if inhabited else {}
    for role, user in (*members.items(), ("owner", former)):
        insert = "insert into public.organization_members (organization_id, user_id, role) values (%s, %s, %s)"
        db.execute(insert, [org, user, role])
    owners = [None, members["member"], former] if inhabited else [former] * 3
    ages = ["2001-01-01"] * 3 + ["2026-01-01"] * 3
    jobs = {
        one(
            db,
            "insert into public.jobs (org_id, name, owner_id, created_at) values (%s, %s, %s, %s) returning id",
            [org, status, owner, age],
        ): status
        for status, owner, age in zip(JOB_STATUSES, owners * 2, ages, strict=True)
    }
    db.execute("delete from public.organization_members where user_id = %s", [former])
    add_tasks(db, org)
    for status in ("running", "paused", "succeeded", "failed", "cancelled"):
        through = [job for job, to in jobs.items() if status in way_to(to)]
        if status == "succeeded":
            # which a job does when no task of it is left
            db.execute("update public.job_tasks set status = 'running' where job_id = any(%s) and batch = 3", [through])
            db.execute(
                "update public.job_tasks set status = 'done' where job_id = any(%s) and status = 'running'", [through]
            )
            db.execute(
                "update public.job_tasks set status = 'skipped' where job_id = any(%s) and status = 'pending'",
                [through],
            )
        db.execute("update public.jobs set status = %s where id = any(%s)", [status, through])
    db.execute(
        "insert into public.kanban_cards (org_id, type, title, state, job_id, task_id) "
        "select %s, ty, 'x', st, t.job_id, t.id from unnest(%s::text[], %s::text[]) as x (ty, st) "
        "cross join (select job_id, min(id) as id from public.job_tasks where org_id = %s group by job_id) as t",
        [org, [*CARD_TYPES, "research"], list(CARD_STATES), org],
    )
    db.execute("insert into public.kanban_cards (org_id, type, title) values (%s, 'research', 'without a job')", [org])
    db.execute(
        "insert into public.agent_runs (org_id, mode, job_id, started_at, ended_at) "
        "select j.org_id, 'x', j.id, '2001-01-01', case n when 1 then '2001-01-02'::timestamptz end "
        "from public.jobs as j, generate_series(1, 2) as n where j.org_id = %s",
        [org],
    )
    new_contacts(db, org, 2)
    db.execute("select public.refresh_job_metrics()")
    house = House(org, members, former)
    for relation, key in DOORS.items():
        rows = db.execute(f"select {key} from public.{relation} where org_id = %s".encode(), [org]).fetchall()
        house.keys[relation] = {row[0] for row in rows}
        if relation != "job_metrics" or rows:
            assert rows, relation
    house.keys["job_metrics"] = house.keys["jobs"]
    return house


def way_to(status: str) -> list[str]:
    way = {"pending": [], "running": ["running"], "cancelled": ["cancelled"]}
    return way.get(status, ["running", status])


def add_tasks(db: Session, org: UUID) -> None:
    """To each job: pending, running, done, failed, skipped, and one that was retried twice and is pending (batch 3)."""
    db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select j.id, b, 0, 'research' from public.jobs as j, generate_series(0, 5) as b where j.org_id = %s",
        [org],
    )

    def change(to: str, *batches: int) -> None:
        db.execute(
            "update public.job_tasks set status = %(to)s, "
            "retry_count = retry_count + case when status = 'error' and %(to)s = 'pending' then 1 else 0 end "
            "where org_id = %(org)s and batch = any(%(batches)s)",
            {"to": to, "org": org, "batches": list(batches)},
        )

    for _ in range(2):
        for status in ("running", "error", "pending"):
            change(status, 3)
    change("running", 1, 2, 4)
    change("done", 2)
    change("error", 4)
    change("skipped", 5)


@pytest.mark.parametrize("role", ROLES)
def test_members_of_every_role_read_every_row_in_whatever_state_and_however_old(db: Session, role: str) -> None:
    new_house(db)
    house = new_house(db)
    states = db.execute(
        "select distinct j.status, t.status from public.job_tasks as t join public.jobs as j on j.id = t.job_id"
    ).fetchall()
    assert {(job, "skipped") for job in FINAL} | {("paused", "pending"), ("failed", "running")} < set(states)
    with db.as_user(house.members[role]):
        for relation, key in DOORS.items():
            rows = db.execute(f"select {key} from public.{relation}".encode()).fetchall()
            assert {row[0] for row in rows} == house.keys[relation], relation
            assert len(rows) == len(house.keys[relation]), relation
        for job in house.keys["jobs"]:
            assert db.execute("select id from public.get_job_cards(%s)", [job]).rowcount == len(CARD_STATES)
            progress = one(db, "select public.get_job_progress(%s)", [job])
            assert (progress["total_tasks"], progress["total_cards"]) == (6, len(CARD_STATES))


@pytest.mark.parametrize("role", ROLES)
def test_members_of_every_role_change_and_delete_every_row(db: Session, role: str) -> None:
    new_house(db)
    house = new_house(db)
    with db.as_user(house.members[role]):
        for table, update in BLIND.items():
            assert db.execute(update.encode()).rowcount == len(house.keys[table]), table
        for table in reversed(BLIND):  # jobs last: their tasks go with them
            assert db.execute(f"delete from public.{table}".encode()).rowcount == len(house.keys[table]), table


@pytest.mark.parametrize("role", ROLES)
def test_members_of_every_role_add_rows_and_no_others_do(db: Session, role: str) -> None:
    house = new_house(db)
    inserts = {
        "jobs": "insert into public.jobs (org_id, name) values (%(org)s, 'x')",
        "job_tasks": "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 9, 9, 'research')",
        "kanban_cards": "insert into public.kanban_cards (org_id, type, title) values (%(org)s, 'research', 'x')",
        "agent_runs": "insert into public.agent_runs (org_id, mode) values (%(org)s, 'x')",
        "contacts": "insert into public.contacts (org_id, email) values (%(org)s, 'x')",
    }
    values = {"org": house.org, "job": new_job(db, house.org)}
    for user, expected in ((house.members[role], "ok"), (house.former, "42501"), (new_user(db), "42501")):
        for table, insert in inserts.items():
            with db.example(), db.as_user(user):
                assert outcome(db, insert, values) == expected, table


@pytest.mark.parametrize("role", ROLES)
def test_members_of_every_role_call_every_function(db: Session, role: str) -> None:
    house = new_house(db)
    campaign = {**new_campaign(db, house.org), "params": Jsonb(PARAMS)}
    for name, call in {**CALLS, "create_job": CREATE}.items():
        with db.example(), db.as_user(house.members[role]):
            assert outcome(db, call, campaign) == "ok", name


@pytest.mark.parametrize("who", ["who left", "a stranger", "a member of another organisation", "anon"])
def test_others_read_and_change_none_of_them_not_even_who_owns_the_job_and_left(db: Session, who: str) -> None:
    house, other = new_house(db), new_house(db)
    user = {
        "who left": house.former,
        "a stranger": new_user(db),
        "a member of another organisation": other.members["owner"],
        "anon": None,
    }[who]
    visible = other.keys if who == "a member of another organisation" else {relation: set() for relation in DOORS}
    for relation, key in DOORS.items():
        with acting(db, user):
            query = f"select {key} from public.{relation}"
            if user is None:
                assert outcome(db, query) == "42501", relation
                continue
            assert {row[0] for row in db.execute(query.encode()).fetchall()} == visible[relation], relation
    for table, update in BLIND.items():
        for statement in (update, f"delete from public.{table}"):
            with db.example(), acting(db, user):
                if user is None:
                    assert outcome(db, statement) == "42501", statement
                else:
                    assert db.execute(statement.encode()).rowcount == len(visible[table]), statement


def test_who_left_calls_nothing_for_the_jobs_that_they_own(db: Session) -> None:
    house = new_house(db)
    campaign = {**new_campaign(db, house.org), "params": Jsonb(PARAMS)}
    db.execute("update public.jobs set owner_id = %s where id = %s", [house.former, campaign["job"]])
    with db.as_user(house.former):
        for name, call in CALLS.items():
            assert outcome(db, call, campaign) == "PT404", name
        assert outcome(db, CREATE, campaign) == "42501"


def test_an_organisation_without_members_is_seen_by_service_role_alone(db: Session) -> None:
    empty, inhabited = new_house(db, inhabited=False), new_house(db)
    for user in (empty.former, inhabited.members["owner"], new_user(db)):
        with db.as_user(user):
            for relation in DOORS:
                query = f"select count(*) from public.{relation} where org_id = %s"
                assert one(db, query, [empty.org]) == 0, relation
            for table, update in BLIND.items():
                assert db.execute(f"{update} where org_id = %s".encode(), [empty.org]).rowcount == 0, table
    with db.as_service_role():
        for relation, key in DOORS.items():
            rows = db.execute(f"select {key} from public.{relation}".encode()).fetchall()
            assert {row[0] for row in rows} == empty.keys[relation] | inhabited.keys[relation], relation


def test_nobody_but_service_role_acts_for_an_organisation_without_members(db: Session) -> None:
    empty, inhabited = new_house(db, inhabited=False), new_house(db)
    campaign = {**new_campaign(db, empty.org), "params": Jsonb(PARAMS)}
    for user in (empty.former, inhabited.members["owner"], new_user(db)):
        with db.as_user(user):
            for name, call in CALLS.items():
                assert outcome(db, call, campaign) == "PT404", name
            assert outcome(db, CREATE, campaign) == "42501"
    for name, call in {**CALLS, "create_job": CREATE}.items():
        with db.example(), db.as_service_role():
            assert outcome(db, call, campaign) == "ok", name


def test_membership_of_two_organisations_is_the_sum_of_both(db: Session) -> None:
    first, second, third = new_house(db), new_house(db), new_house(db)
    both = new_user(db)
    for house, role in ((first, "member"), (second, "admin")):
        insert = "insert into public.organization_members (organization_id, user_id, role) values (%s, %s, %s)"
        db.execute(insert, [house.org, both, role])
    with db.as_user(both):
        for relation, key in DOORS.items():
            rows = db.execute(f"select {key} from public.{relation}".encode()).fetchall()
            assert {row[0] for row in rows} == first.keys[relation] | second.keys[relation], relation
        assert outcome(db, CREATE, {"org": second.org, "params": Jsonb(PARAMS)}) == "ok"
        assert outcome(db, CREATE, {"org": third.org, "params": Jsonb(PARAMS)}) == "42501"
