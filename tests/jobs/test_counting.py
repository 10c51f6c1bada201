"""Section 6: counters are exact after every kind of statement on tasks or cards, of many rows too."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from pgassay import Session
from tests.jobs.campaigns import rows
from tests.jobs.cast import new_job, one, settle
from tests.jobs.model import CARD_STATES, CARD_TYPES, COUNTERS, TASK_STATUSES, Board, Card, Task

MANY = 250


def assert_exact(db: Session) -> dict[UUID, dict[str, int]]:
    """Each job's counters are what counting gives; them."""
    tasks = {row["id"]: Task(row["job_id"], row["status"]) for row in rows(db, "select * from public.job_tasks")}
    cards = {
        row["id"]: Card(row["job_id"], row["type"], row["state"])
        for row in rows(db, "select * from public.kanban_cards")
    }
    board = Board(tasks, cards)
    kept = {row["id"]: {name: row[name] for name in COUNTERS} for row in rows(db, "select * from public.jobs")}
    assert kept == {job: board.counters(job) for job in kept}
    return kept


def fill(db: Session) -> dict[str, Any]:
    """Three jobs and one of another organisation, each with many tasks in every status and cards of every kind."""
    cast = settle(db)
    jobs = [new_job(db, org) for org in (cast.org_a, cast.org_a, cast.org_a, cast.org_b)]
    db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select j, 1, s, 'research' from unnest(%s::uuid[]) as j, generate_series(1, %s) as s",
        [jobs, MANY],
    )
    for status, among in (("running", (1, 2, 3)), ("done", (2,)), ("error", (3,)), ("skipped", (4,))):
        db.execute("update public.job_tasks set status = %s where step %% 5 = any(%s)", [status, list(among)])
    db.execute(
        "insert into public.kanban_cards (org_id, title, job_id, state, type) "
        "select j.org_id, 'x', j.id, s, t from public.jobs as j, unnest(%s::text[]) as s, unnest(%s::text[]) as t, "
        "generate_series(1, 3)",
        [list(CARD_STATES), list(CARD_TYPES)],
    )
    return {"job": jobs[0], "other": jobs[1], "third": jobs[2], "jobs": jobs, "org": cast.org_a}


STATEMENTS = {
    "half of a job's tasks move": (
        "update public.job_tasks set job_id = %(other)s, batch = 2 where job_id = %(job)s and step > 125"
    ),
    "tasks of three jobs change": (
        "update public.job_tasks set status = case when status = 'running' then 'done' else 'pending' end, "
        "retry_count = retry_count + case when status = 'error' then 1 else 0 end where status in ('running', 'error')"
    ),
    "tasks are deleted": "delete from public.job_tasks where step % 2 = 0",
    "all tasks are deleted": "delete from public.job_tasks",
    "types change alone": "update public.kanban_cards set type = 'research' where type = 'send_email'",
    "types become e-mails": "update public.kanban_cards set type = 'send_email' where type = 'research'",
    "states change alone": "update public.kanban_cards set state = 'done' where state = 'blocked'",
    "every state becomes another": (
        "update public.kanban_cards set state = (array['in_review', 'approved', 'done', 'done', 'suggested', "
        "'rejected', 'approved'])[array_position(array['suggested', 'in_review', 'approved', 'executing', 'done', "
        "'blocked', 'rejected'], state)]"
    ),
    "cards move": "update public.kanban_cards set job_id = %(third)s where job_id in (%(job)s, %(other)s)",
    "cards lose their job": "update public.kanban_cards set job_id = null where type = 'send_email'",
    "cards are deleted": "delete from public.kanban_cards where state in ('done', 'executing')",
    "a job is deleted": "delete from public.jobs where id = %(job)s",
    "an organisation is deleted": "delete from public.organizations where id = %(org)s",
    "an upsert updates": (
        "insert into public.job_tasks (job_id, batch, step, kind) select %(job)s, 1, s, 'research' "
        "from generate_series(200, 300) as s on conflict (job_id, batch, step) do update set "
        "status = case when job_tasks.status = 'running' then 'error' else job_tasks.status end"
    ),
    "an upsert does nothing": (
        "insert into public.job_tasks (job_id, batch, step, kind) select %(job)s, 1, s, 'research' "
        "from generate_series(200, 300) as s on conflict do nothing"
    ),
    "a merge does three things": (
        "merge into public.job_tasks as t using (select s from generate_series(241, 260) as s) as n "
        "on t.job_id = %(job)s and t.step = n.s "
        "when matched and t.status = 'running' then update set status = 'done' "
        "when matched and t.status = 'error' then delete "
        "when not matched then insert (job_id, batch, step, kind) values (%(job)s, 2, n.s, 'research')"
    ),
    "one statement changes tasks and cards": (
        "with gone as (delete from public.job_tasks where status = 'done' returning job_id), "
        "more as (insert into public.kanban_cards (org_id, title, job_id, state, type) "
        "select %(org)s, 'x', %(job)s, 'done', 'send_email' from gone) "
        "update public.job_tasks set status = 'error' where status = 'running'"
    ),
    "nothing": "update public.job_tasks set status = status",
    "all tasks truncated": "truncate public.job_tasks cascade",
    "all cards truncated": "truncate public.kanban_cards",
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_counters_are_exact_after_a_statement_on_many_rows(db: Session, statement: str) -> None:
    values = fill(db)
    before = assert_exact(db)
    assert all(min(counters.values()) > 2 for counters in before.values())
    query = STATEMENTS[statement]
    with db.transaction(force_rollback=True):
        db.execute(query.encode(), values if "%(" in query else None)
        after = assert_exact(db)
    assert (after == before) == (statement == "nothing")
    assert assert_exact(db) == before, "undone"


def test_counters_are_exact_after_a_copy(db: Session) -> None:
    values = fill(db)
    with db.cursor() as cursor, cursor.copy("copy public.job_tasks (job_id, batch, step, kind) from stdin") as copy:
        for job in values["jobs"]:
            for step in range(120):
                copy.write_row((job, 7, step, "follow_up"))
    assert assert_exact(db)[values["job"]]["total_tasks"] == MANY + 120


def test_each_pair_of_states_and_types_of_a_card_is_counted(db: Session) -> None:
    """One card goes through all of them, by one change of its state or type at a time."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    insert = "insert into public.kanban_cards (org_id, title, job_id, state, type) values (%s, 'x', %s, %s, %s)"
    db.execute(insert.encode(), [cast.org_a, job, "suggested", "research"])
    for state in CARD_STATES:
        for other in CARD_STATES:
            for kind in ("research", "send_email"):
                db.execute("update public.kanban_cards set state = %s, type = 'research'", [state])
                db.execute("update public.kanban_cards set type = %s", [kind])
                assert_exact(db)
                db.execute("update public.kanban_cards set state = %s", [other])
                assert_exact(db)


@pytest.mark.parametrize("status", TASK_STATUSES)
def test_a_task_of_any_status_is_counted_where_it_moves_and_no_more_where_it_was(db: Session, status: str) -> None:
    values = fill(db)
    before = assert_exact(db)
    for target in ("other", "third"):
        db.execute(
            "update public.job_tasks set job_id = %(to)s, batch = 9 "
            "where status = %(status)s and step = (select min(step) from public.job_tasks where status = %(status)s) "
            "and job_id = %(job)s",
            {"to": values[target], "status": status, "job": values["job"]},
        )
        after = assert_exact(db)
        db.execute("update public.job_tasks set job_id = %(job)s, batch = 1 where batch = 9", values)
        assert after != before
    assert assert_exact(db) == before


def test_what_truncate_sets_to_zero_is_what_it_emptied(db: Session) -> None:
    """For jobs of every organisation, and no other column of them."""
    fill(db)
    before = rows(db, "select * from public.jobs order by id")
    db.execute("truncate public.kanban_cards")
    zero = dict.fromkeys([name for name in COUNTERS if "task" not in name], 0)
    assert rows(db, "select * from public.jobs order by id") == [{**job, **zero} for job in before]
    db.execute("truncate public.job_tasks cascade")
    zero = dict.fromkeys(COUNTERS, 0)
    assert rows(db, "select * from public.jobs order by id") == [{**job, **zero} for job in before]
    assert one(db, "select count(*) from public.job_tasks") == 0
