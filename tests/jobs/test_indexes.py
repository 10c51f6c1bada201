"""Section 8: queries find what they look for by an index, as the plan of each says and the rows that it reads."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest

from pgassay import Session
from tests.jobs.cast import Cast, new_job, one, settle
from tests.jobs.test_costs import rows_read

JOBS = 120
TABLES = ("contacts", "jobs", "job_tasks", "kanban_cards", "agent_runs")
# what the index is asked for, in a query that needs it; a sort is in none of these plans
QUERIES = {
    "an organisation's jobs by status": (
        "select * from public.jobs where org_id = %(org)s and status = 'running'",
        {"org_id", "status"},
    ),
    "an organisation's jobs by creation": (
        "select * from public.jobs where org_id = %(org)s and created_at > '2025-11-20' order by created_at limit 5",
        {"org_id", "created_at"},
    ),
    "an organisation's latest jobs": (
        "select * from public.jobs where org_id = %(org)s order by created_at desc limit 5",
        {"org_id"},
    ),
    "a job's tasks by status": (
        "select * from public.job_tasks where job_id = %(job)s and status = 'running'",
        {"job_id", "status"},
    ),
    "a job's task at a place": (
        "select * from public.job_tasks where job_id = %(job)s and batch = 1 and step = 2",
        {"job_id", "batch", "step"},
    ),
    "a job's tasks in order": (
        "select * from public.job_tasks where job_id = %(job)s order by batch, step limit 5",
        {"job_id"},
    ),
    "a job's pending tasks in order": (
        "select * from public.job_tasks where job_id = %(job)s and status = 'pending' order by batch, step limit 5",
        {"job_id"},
    ),
    "a job's cards by state": (
        "select * from public.kanban_cards where job_id = %(job)s and state = 'blocked'",
        {"job_id", "state"},
    ),
    "a task's cards": (
        "select * from public.kanban_cards where job_id = %(job)s and task_id = %(task)s",
        {"job_id", "task_id"},
    ),
    "a user's jobs": ("select * from public.jobs where owner_id = %(owner)s", {"owner_id"}),
}
# whose foreign keys are looked for, and how many rows of each table are concerned at the most
DELETES = {
    "a job": ("delete from public.jobs where id = %(job)s", {"job_tasks": 200, "kanban_cards": 700, "agent_runs": 20}),
    "a task": ("delete from public.job_tasks where id = %(task)s", {"kanban_cards": 20, "job_tasks": 20}),
    "a user": ("delete from auth.users where id = %(owner)s", {"jobs": 20}),
    "a contact": ("delete from public.contacts where id = %(contact)s", {"kanban_cards": 20}),
}


def fill(db: Session) -> tuple[Cast, dict[str, Any]]:
    """Many jobs of two organisations, two of them with many tasks and cards; statistics know of it."""
    cast = settle(db)
    db.execute(
        "insert into public.jobs (org_id, name, created_at, owner_id) "
        "select (array[%s, %s]::uuid[])[1 + n %% 2], 'x', timestamptz '2025-11-01' + n * interval '6 hours', "
        "case when n <> 7 then %s::uuid end from generate_series(1, %s) as n",
        [cast.org_a, cast.org_b, cast.stranger, JOBS],
    )
    job, other = (new_job(db, org) for org in (cast.org_a, cast.org_b))
    db.execute("update public.jobs set status = 'running', owner_id = %s where id = %s", [cast.member_a, job])
    db.execute(
        "insert into public.contacts (org_id, email) select %s, n::text from generate_series(1, 300) as n",
        [cast.org_a],
    )
    db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select j, b, s, 'research' "
        "from unnest(%s::uuid[]) as j, generate_series(0, 9) as b, generate_series(0, 19) as s",
        [[job, other]],
    )
    # half of them are over before those that are left, and a few of those are running
    db.execute("update public.job_tasks set status = 'skipped' where batch < 5")
    db.execute("update public.job_tasks set status = 'running' where batch = 5 and step < 3")
    db.execute(
        "insert into public.kanban_cards (org_id, type, title, job_id, task_id, state) "
        "select %s, 'research', 'x', t.job_id, t.id, case when n = 3 and t.step = 1 then 'blocked' else 'done' end "
        "from public.job_tasks as t, generate_series(1, 3) as n where t.job_id = %s",
        [cast.org_a, job],
    )
    task = one(db, "select id from public.job_tasks where job_id = %s and batch = 9 and step = 9", [job])
    contact = one(db, "select id from public.contacts order by id limit 1")
    db.execute("update public.kanban_cards set contact_id = %s where task_id = %s", [contact, task])
    db.execute(
        "insert into public.agent_runs (org_id, mode, job_id) select j.org_id, 'x', j.id from public.jobs as j, "
        "generate_series(1, 5)"
    )
    db.execute(f"analyze {', '.join(f'public.{table}' for table in TABLES)}".encode())
    # A table of a test is small: what is asked here is whether there is an index for it.
    db.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
    owner: UUID = cast.member_a
    return cast, {"job": job, "org": cast.org_a, "task": task, "owner": owner, "contact": contact}


def test_each_query_is_served_by_an_index_without_a_filter_or_a_sort(db: Session) -> None:
    _, values = fill(db)
    for name, (query, columns) in QUERIES.items():
        plan = "\n".join(row[0] for row in db.execute(f"explain (costs off) {query}".encode(), values))
        condition = "\n".join(re.findall(r"Index Cond: .*", plan))
        asked = {column for column in columns if re.search(rf"\b{column}\b", condition)}
        assert asked == columns, f"{name}:\n{plan}"
        assert not re.search("Seq Scan|Filter|Sort", plan), f"{name}:\n{plan}"


@pytest.mark.parametrize("what", DELETES)
def test_what_refers_to_a_row_that_is_deleted_is_found_by_an_index(db: Session, what: str) -> None:
    _, values = fill(db)
    statement, most = DELETES[what]
    scans = "select sum(s.seq_scan) from pg_stat_xact_user_tables as s where s.relname = any(%s)"
    before = {table: rows_read(db, table) for table in most}
    scanned = one(db, scans, [list(most)])
    assert db.execute(statement.encode(), values).rowcount == 1
    assert one(db, scans, [list(most)]) == scanned
    for table, rows in most.items():
        assert rows_read(db, table) - before[table] <= rows, table


def test_a_member_finds_tasks_and_jobs_by_an_index_through_the_policies(db: Session) -> None:
    """The condition of the policy does not keep a query from its index."""
    cast, values = fill(db)
    for query in ("a job's pending tasks in order", "a job's task at a place", "a job's cards by state"):
        with db.as_user(cast.member_a):
            statement = f"explain (costs off) {QUERIES[query][0]}"
            plan = "\n".join(row[0] for row in db.execute(statement.encode(), values))
        assert re.search(r"Index Cond: .*job_id", plan), plan
        assert not re.search("Seq Scan on (job_tasks|kanban_cards)|Sort", plan), plan
