"""Section 3: what a row of `jobs` and `job_tasks` may hold, tried at the border of each rule.

Most of it is tried as the owner, for whom no policy and no grant stands in the way. Where a trigger would refuse a row
first, triggers are switched off: the constraint holds alone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import new_contacts, new_job, new_tasks, one, outcome, settle, without_triggers
from tests.jobs.model import COUNTERS, FINAL, JOB_STATUSES, TASK_KINDS, TASK_STATUSES

INSERT_TASK = "insert into public.job_tasks (job_id, batch, step, kind) values (%s, %s, %s, %s)"
LARGEST = 2**31 - 1
EARLIER, LATER = datetime(2025, 11, 3, tzinfo=UTC), datetime(2025, 11, 4, tzinfo=UTC)

TYPES = {
    "jobs": {
        "id": "uuid", "org_id": "uuid", "name": "text", "description": "text", "status": "text", "params": "jsonb",
        "owner_id": "uuid", "created_at": "timestamp with time zone", "started_at": "timestamp with time zone",
        "finished_at": "timestamp with time zone", "last_run_at": "timestamp with time zone",
        **dict.fromkeys(COUNTERS, "integer"),
    },
    "job_tasks": {
        "id": "bigint", "job_id": "uuid", "batch": "integer", "step": "integer", "kind": "text", "status": "text",
        "input": "jsonb", "output": "jsonb", "error_message": "text", "retry_count": "integer",
        "created_at": "timestamp with time zone", "started_at": "timestamp with time zone",
        "finished_at": "timestamp with time zone", "org_id": "uuid",
    },
}  # fmt: skip
NULLABLE = {
    "jobs": {"description", "owner_id", "started_at", "finished_at", "last_run_at"},
    "job_tasks": {"output", "error_message", "started_at", "finished_at"},
}
FILLED = [(table, column) for table, types in TYPES.items() for column in types if column not in NULLABLE[table]]


def a_job_and_its_task(db: Session) -> tuple[UUID, int]:
    job = new_job(db, settle(db).org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    return job, task


@pytest.mark.parametrize("table", TYPES)
def test_a_table_has_the_columns_of_the_specification_with_their_types(db: Session, table: str) -> None:
    a_job_and_its_task(db)
    cursor = db.execute(f"select * from public.{table}".encode())
    assert [column.name for column in cursor.description or ()] == list(TYPES[table])
    asked = ", ".join(f"pg_typeof({column})::text" for column in TYPES[table])
    assert db.execute(f"select {asked} from public.{table}".encode()).fetchall() == [tuple(TYPES[table].values())]


@pytest.mark.parametrize(("table", "column"), FILLED)
def test_a_column_that_must_be_filled_refuses_null(db: Session, table: str, column: str) -> None:
    a_job_and_its_task(db)
    change = f"update public.{table} set {column} = null"
    if (table, column) == ("job_tasks", "id"):  # an identity column is not updated
        change = (
            "insert into public.job_tasks (id, job_id, batch, step, kind) overriding system value "
            "select null, id, 1, 1, 'research' from public.jobs"
        )
    with without_triggers(db, table):
        if table == "jobs":
            db.execute("delete from public.job_tasks")  # which would refuse to follow
        assert outcome(db, change) == "23502"


@pytest.mark.parametrize("table", TYPES)
def test_a_column_that_may_be_empty_takes_null(db: Session, table: str) -> None:
    a_job_and_its_task(db)
    for column in sorted(NULLABLE[table]):
        assert outcome(db, f"update public.{table} set {column} = null") == "ok", column


def test_a_new_job_has_the_defaults_of_the_specification(db: Session) -> None:
    cast = settle(db)
    for _ in range(2):
        db.execute("insert into public.jobs (org_id, name) values (%s, 'x')", [cast.org_a])
    columns = "description, status, params, owner_id, started_at, finished_at, last_run_at, created_at = now()"
    counters = ", ".join(COUNTERS)
    expected: tuple[object, ...] = (None, "pending", {}, None, None, None, None, True, *[0] * len(COUNTERS))
    assert db.execute(f"select {columns}, {counters} from public.jobs".encode()).fetchall() == [expected] * 2
    assert one(db, "select count(distinct id) from public.jobs") == 2, "each has an id of its own"


def test_a_new_task_has_the_defaults_of_the_specification(db: Session) -> None:
    job, _ = a_job_and_its_task(db)
    db.execute("delete from public.job_tasks")
    for step in range(2):
        db.execute(INSERT_TASK, [job, 0, step, "research"])
    columns = "status, input, output, error_message, retry_count, started_at, finished_at, created_at = now()"
    expected: tuple[object, ...] = ("pending", {}, None, None, 0, None, None, True)
    assert db.execute(f"select {columns} from public.job_tasks".encode()).fetchall() == [expected] * 2
    assert one(db, "select count(distinct id) from public.job_tasks") == 2


def test_the_database_gives_a_task_its_id(db: Session) -> None:
    job, task = a_job_and_its_task(db)
    insert = "insert into public.job_tasks (id, job_id, batch, step, kind) {} values (%s, %s, 1, 1, 'research')"
    assert outcome(db, insert.format(""), [task + 10**6, job]) == "428C9"
    assert outcome(db, insert.format("overriding system value"), [2**62, job]) == "ok", "ids are of 64 bits"
    assert outcome(db, "update public.job_tasks set id = 7 where id = %s", [task]) == "428C9"


@pytest.mark.parametrize("kind", TASK_KINDS)
def test_every_kind_of_task_is_taken_from_a_member(db: Session, kind: str) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    with db.as_user(cast.member_a):
        assert outcome(db, INSERT_TASK, [job, 0, 0, kind]) == "ok"
        assert outcome(db, "update public.job_tasks set kind = 'research'") == "ok"
        assert outcome(db, "update public.job_tasks set kind = %s", [kind]) == "ok"
        assert one(db, "select kind from public.job_tasks") == kind


def test_a_kind_of_task_that_there_is_not_is_refused(db: Session) -> None:
    job, _ = a_job_and_its_task(db)
    for kind in ("", "email", "Research", "research ", "call", "done", "update_profiles"):
        assert outcome(db, INSERT_TASK, [job, 1, 1, kind]) == "23514", kind
        assert outcome(db, "update public.job_tasks set kind = %s", [kind]) == "23514", kind


@pytest.mark.parametrize("column", ["batch", "step"])
def test_a_place_is_counted_from_0_to_the_largest_integer(db: Session, column: str) -> None:
    job, task = a_job_and_its_task(db)
    for value, expected in {-1: "23514", -LARGEST - 1: "23514", 0: "ok", LARGEST: "ok", LARGEST + 1: "22003"}.items():
        place = {"batch": 5, "step": 5} | {column: value}
        assert outcome(db, INSERT_TASK, [job, place["batch"], place["step"], "research"]) == expected, value
        with db.example():
            db.execute("delete from public.job_tasks where id <> %s", [task])
            change = f"update public.job_tasks set {column} = %s"
            assert outcome(db, change, [value]) == expected, value


def test_a_task_is_retried_never_less_than_0_times(db: Session) -> None:
    a_job_and_its_task(db)
    for value, expected in {-1: "23514", 0: "ok", 1: "ok"}.items():
        assert outcome(db, "update public.job_tasks set retry_count = %s", [value]) == expected, value


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_is_never_negative(db: Session, counter: str) -> None:
    a_job_and_its_task(db)
    for value, expected in {-1: "23514", 0: "ok", 1: "ok", LARGEST: "ok"}.items():
        assert outcome(db, f"update public.jobs set {counter} = %s", [value]) == expected, value


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_new_job_has_counted_nothing_whoever_makes_it(db: Session, counter: str) -> None:
    cast = settle(db)
    insert = f"insert into public.jobs (org_id, name, {counter}) values (%s, 'x', %s)"
    for value, expected in {1: "PT400", -1: "PT400", None: "PT400", 0: "ok"}.items():
        assert outcome(db, insert, [cast.org_a, value]) == expected, value


@pytest.mark.parametrize("status", [*JOB_STATUSES, "done", "Pending", ""])
def test_a_jobs_times_fit_its_status(db: Session, status: str) -> None:
    """Sections 3 and 4, held by constraints alone: the triggers that set status and times are switched off."""
    cast = settle(db)
    insert = (
        "insert into public.jobs (org_id, name, status, started_at, finished_at, last_run_at) "
        "values (%s, 'x', %s, %s, %s, %s)"
    )
    with without_triggers(db, "jobs"):
        for started, finished in TIMES:
            fits = [
                status in JOB_STATUSES,
                (finished is not None) == (status in FINAL),
                # only a job that is cancelled may have started or not
                status == "cancelled" or (started is None) == (status == "pending"),
                started is None or finished is None or started <= finished,
            ]
            expected = "ok" if all(fits) else "23514"
            found = outcome(db, insert, [cast.org_a, status, started, finished, started])
            assert found == expected, (started, finished)


TIMES = [(None, None), (None, LATER), (EARLIER, None), (EARLIER, LATER), (LATER, LATER), (LATER, EARLIER)]


@pytest.mark.parametrize("status", [*TASK_STATUSES, "failed", "Done", ""])
def test_a_tasks_times_fit_its_status(db: Session, status: str) -> None:
    job, _ = a_job_and_its_task(db)
    insert = (
        "insert into public.job_tasks (org_id, job_id, batch, step, kind, status, started_at, finished_at) "
        "select org_id, id, 1, 1, 'research', %s, %s, %s from public.jobs where id = %s"
    )
    with without_triggers(db, "job_tasks"):
        for started, finished in TIMES[:5]:
            fits = [
                status in TASK_STATUSES,
                (started is not None) == (status in ("running", "done", "error")),
                (finished is not None) == (status in ("done", "error")),
            ]
            with db.example():
                found = outcome(db, insert, [status, started, finished, job])
                assert found == ("ok" if all(fits) else "23514"), (started, finished)


def test_an_id_is_given_once(db: Session) -> None:
    """Not even to a job of another organisation, or to a task of another job."""
    cast = settle(db)
    job, other = new_job(db, cast.org_a), new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    insert = (
        "insert into public.job_tasks (id, job_id, batch, step, kind) overriding system value "
        "values (%s, %s, 9, 9, 'research')"
    )
    for org in (cast.org_a, cast.org_b):
        assert outcome(db, "insert into public.jobs (id, org_id, name) values (%s, %s, 'y')", [job, org]) == "23505"
    for place in (job, other):
        assert outcome(db, insert, [task, place]) == "23505"


def test_a_job_is_of_an_organisation_and_an_owner_that_there_are(db: Session) -> None:
    cast = settle(db)
    insert = "insert into public.jobs (org_id, name, owner_id) values (%s, 'x', %s)"
    assert outcome(db, insert, [uuid4(), cast.member_a]) == "23503"
    assert outcome(db, insert, [cast.org_a, uuid4()]) == "23503"
    for owner in (cast.member_a, cast.stranger, None):
        assert outcome(db, insert, [cast.org_a, owner]) == "ok"
    for column in ("org_id", "owner_id"):
        assert outcome(db, f"update public.jobs set {column} = %s", [uuid4()]) == "23503", column


def test_a_task_is_of_a_job_that_there_is(db: Session) -> None:
    a_job_and_its_task(db)
    assert outcome(db, INSERT_TASK, [uuid4(), 0, 0, "research"]) == "23503"
    assert outcome(db, "update public.job_tasks set job_id = %s", [uuid4()]) == "23503"


HELD = {
    "a membership": "insert into public.organization_members (organization_id, user_id) values (%(org)s, %(user)s)",
    "a contact": "insert into public.contacts (org_id, email) values (%(org)s, 'x')",
    "a job": "insert into public.jobs (org_id, name) values (%(org)s, 'x')",
    "a card": "insert into public.kanban_cards (org_id, type, title) values (%(org)s, 'research', 'x')",
    "a run": "insert into public.agent_runs (org_id, mode) values (%(org)s, 'x')",
    "the job of a card": "insert into public.kanban_cards (org_id, type, title, job_id) "
    "values (%(org)s, 'research', 'x', %(job)s)",
    "the job of a run": "insert into public.agent_runs (org_id, mode, job_id) values (%(org)s, 'x', %(job)s)",
    "the owner of a job": "insert into public.jobs (org_id, name, owner_id) values (%(org)s, 'x', %(user)s)",
    "the user of a membership": "insert into public.organization_members (organization_id, user_id) "
    "values (%(org)s, %(user)s)",
    "the contact of a card": "insert into public.kanban_cards (org_id, type, title, contact_id) "
    "values (%(org)s, 'research', 'x', %(contact)s)",
}


@pytest.mark.parametrize("holder", HELD)
def test_what_a_row_refers_to_keeps_its_id(db: Session, holder: str) -> None:
    """But for a task, which goes with its job."""
    cast = settle(db)
    values: dict[str, Any] = {"org": uuid4(), "user": cast.stranger}
    db.execute("insert into public.organizations (id, name) values (%(org)s, 'x')", values)
    table = "organizations"
    held: UUID | str
    if "user" in holder or "owner" in holder:
        table, held = "auth.users", cast.stranger
    elif "job of" in holder:
        table = "jobs"
        held = values["job"] = new_job(db, values["org"])
    elif "contact of" in holder:
        table = "contacts"
        (held,) = new_contacts(db, values["org"], 1)
        values["contact"] = held
    else:
        held = values["org"]
    change = f"update {'' if '.' in table else 'public.'}{table} set id = %s where id = %s"
    with db.example():
        assert outcome(db, change, [uuid4(), held]) == "ok", "nothing refers to it yet"
    db.execute(HELD[holder].encode(), values)
    assert outcome(db, change, [uuid4(), held]) == "23503"


def test_a_task_follows_its_job_to_another_id(db: Session) -> None:
    job, task = a_job_and_its_task(db)
    assert outcome(db, "update public.jobs set id = %s where id = %s", [uuid4(), job]) == "ok"
    followed = "select t.id from public.job_tasks as t join public.jobs as j on j.id = t.job_id where j.id <> %s"
    assert one(db, followed, [job]) == task


def test_what_a_job_was_told_is_kept_as_it_was(db: Session) -> None:
    """A description and parameters of any length, empty ones, and any text in them."""
    cast = settle(db)
    values: list[tuple[str | None, dict[str, Any]]] = [
        (None, {}), ("", {"a": None}), ("ä\n" * 10_000, {"text": "x" * 10_000, "n": [1, {"deep": True}]})
    ]  # fmt: skip
    for description, params in values:
        with db.as_user(cast.member_a):
            job = one(
                db,
                "insert into public.jobs (org_id, name, description, params) values (%s, 'x', %s, %s) returning id",
                [cast.org_a, description, Jsonb(params)],
            )
        query = "select description, params from public.jobs where id = %s"
        assert db.execute(query, [job]).fetchall() == [(description, params)]
