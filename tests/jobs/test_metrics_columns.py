"""Section 6: every column of what is read about jobs, with values that cannot be taken for each other's."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from psycopg.rows import tuple_row

from pgassay import Session
from tests.jobs.campaigns import rows
from tests.jobs.cast import new_job, one, settle
from tests.jobs.model import CARD_STATES, CARD_TYPES, COUNTERS, JOB_STATUSES, Board, Card, Run, Task, percent

REFRESH = "select public.refresh_job_metrics()"
# section 6, third point
COLUMNS = [
    *("job_id", "org_id", "name", "status", "created_at", "started_at", "finished_at", "last_run_at"),
    *COUNTERS,
    *("task_completion_rate", "approval_rate"),
    *("cards_suggested", "cards_in_review", "cards_approved_pending", "cards_executing", "cards_done"),
    *("cards_blocked", "cards_rejected"),
    *("email_cards", "task_cards", "call_cards", "research_cards", "followup_cards", "deal_cards"),
    *("total_runs", "last_run_ended_at", "duration_seconds", "refreshed_at"),
]
OF_THE_JOB = COLUMNS[: COLUMNS.index("task_completion_rate")]
# No two of these numbers, nor of the sums that counters are of them, are equal; some are above 100.
TASKS = {"pending": 7, "running": 6, "done": 126, "error": 45, "skipped": 3}
STATES = dict(zip(CARD_STATES, (11, 13, 17, 19, 123, 29, 31), strict=True))
TYPES = dict(zip(CARD_TYPES, (141, 37, 26, 18, 12, 9), strict=True))
RUNS = 104
LATEST = datetime(2025, 11, 20, 12, 30, 0, 123456, tzinfo=UTC)


def fill(db: Session, org: UUID, job: UUID) -> Board:
    """Tasks, cards and runs of a running job in these numbers, and the board of them."""
    statuses = list(Counter(TASKS).elements())
    tasks = db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select %s, 1, s.step, 'research' from generate_series(1, %s) as s (step) returning id, step",
        [job, len(statuses)],
    ).fetchall()
    board = Board(tasks={task: Task(job, statuses[step - 1]) for task, step in tasks})
    for status in ("skipped", "running", "done", "error"):
        through = {status, *(("done", "error") if status == "running" else ())}
        some = [key for key, task in board.tasks.items() if task.status in through]
        db.execute("update public.job_tasks set status = %s where id = any(%s)", [status, some])
    # Types in a circle over the states, so that neither follows from the other.
    types = list(Counter(TYPES).elements())
    for number, state in enumerate(Counter(STATES).elements()):
        board.cards[uuid4()] = Card(job, types[(number * 101) % len(types)], state)
    db.execute(
        "insert into public.kanban_cards (id, org_id, title, type, state, job_id) "
        "select c.id, %s, 'x', c.type, c.state, %s "
        "from unnest(%s::uuid[], %s::text[], %s::text[]) as c (id, type, state)",
        [
            *(org, job, list(board.cards)),
            [card.type for card in board.cards.values()],
            [card.state for card in board.cards.values()],
        ],
    )
    for number in range(RUNS):
        board.runs[uuid4()] = Run(job, LATEST - timedelta(hours=number) if number % 2 == 0 else None)
    db.execute(
        "insert into public.agent_runs (id, org_id, mode, job_id, ended_at) "
        "select r.id, %s, 'x', %s, r.ended_at from unnest(%s::uuid[], %s::timestamptz[]) as r (id, ended_at)",
        [org, job, list(board.runs), [run.ended_at for run in board.runs.values()]],
    )
    return board


def another_day(db: Session, job: UUID, day: int) -> None:
    """Times that differ from each other and from now: only with its triggers out of the way can they be set."""
    db.execute("alter table public.jobs disable trigger user")
    db.execute(
        "update public.jobs set created_at = %(day)s, started_at = %(day)s + interval '90.25 minutes', "
        "last_run_at = %(day)s + interval '3 hours', "
        "finished_at = case when finished_at is not null then %(day)s + interval '5 hours' end where id = %(job)s",
        {"day": datetime(2025, 11, day, 6, tzinfo=UTC), "job": job},
    )
    db.execute("alter table public.jobs enable trigger user")


def test_every_column_of_the_metrics_is_what_it_is_called(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a, "Autumn")
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    board = fill(db, cast.org_a, job)
    db.execute("update public.jobs set status = 'paused' where id = %s", [job])
    another_day(db, job, 3)
    fill(db, cast.org_b, new_job(db, cast.org_b))
    db.execute(REFRESH)
    (kept,) = rows(db, "select * from public.jobs where id = %s", [job])
    with db.as_user(cast.member_a):
        (found,) = rows(db, "select * from public.job_metrics")
    refreshed, live = found.pop("refreshed_at"), found.pop("duration_seconds")
    expected = {"job_id": job, **{name: kept[name] for name in OF_THE_JOB if name != "job_id"}, **board.metrics(job)}
    assert found == expected
    counts = [value for name, value in found.items() if isinstance(value, int) and name != "errors_count"]
    assert len(set(counts)) == len(counts), (
        "errors_count, which is cards_blocked, is the one number that is there twice"
    )
    assert len({kept[name] for name in ("created_at", "started_at", "last_run_at")}) == 3
    assert (found["name"], found["status"], found["last_run_ended_at"]) == ("Autumn", "paused", LATEST)
    assert live == one(db, "select extract(epoch from now() - %s)", [kept["started_at"]])
    assert refreshed == one(db, "select refreshed_at from private.job_metrics_refresh")


def test_the_metrics_have_these_columns_in_this_order(db: Session) -> None:
    db.execute(REFRESH)
    with db.as_service_role(), db.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("select * from public.job_metrics")
        assert [column.name for column in cursor.description or ()] == COLUMNS


def test_jobs_in_every_state_are_in_the_metrics_and_more_than_a_hundred_of_them(db: Session) -> None:
    """Also one whose owner is gone, one without anything, and each with the duration that its state gives."""
    cast = settle(db)
    for number in range(17):
        for status in JOB_STATUSES:
            way = {"pending": [], "running": ["running"], "cancelled": ["cancelled"]}.get(status, ["running", status])
            job = new_job(db, cast.org_a, f"{status} {number}")
            for step in way:
                db.execute("update public.jobs set status = %s where id = %s", [step, job])
            if status not in ("pending", "cancelled"):
                another_day(db, job, number + 1)
    ended = new_job(db, cast.org_a, "started, then cancelled")
    for step in ("running", "cancelled"):
        db.execute("update public.jobs set status = %s where id = %s", [step, ended])
    another_day(db, ended, 18)
    db.execute(REFRESH)
    with db.as_user(cast.member_a):
        found = {row["job_id"]: row for row in rows(db, "select * from public.job_metrics")}
    jobs = {row["id"]: row for row in rows(db, "select * from public.jobs")}
    assert len(jobs) == 103
    assert found.keys() == jobs.keys()
    now = one(db, "select now()")
    for job, row in found.items():
        kept = jobs[job]
        expected = {**{name: kept[name] for name in OF_THE_JOB if name != "job_id"}, **Board().metrics(job)}
        assert {name: row[name] for name in expected} == expected
        duration = None
        if kept["started_at"] is not None:
            delta = (kept["finished_at"] or now) - kept["started_at"]
            duration = Decimal(delta // timedelta(microseconds=1)) / 1_000_000
        assert row["duration_seconds"] == duration, kept["status"]


def test_a_job_that_has_just_started_has_lasted_no_negative_time(db: Session) -> None:
    """Its start is by the clock, now() is when the transaction began."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    assert one(db, "select started_at > now() from public.jobs") is True
    db.execute(REFRESH)
    with db.as_user(cast.member_a):
        assert one(db, "select duration_seconds from public.job_metrics") == 0


@pytest.mark.parametrize(("part", "whole"), [(1, 32), (3, 32), (5, 32), (1, 3), (2, 3), (1, 8), (32, 32), (0, 32)])
def test_rates_have_two_decimals_and_halves_are_rounded_up(db: Session, part: int, whole: int) -> None:
    """1 of 32 is 3.125 percent."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select %s, 1, s, 'research' from generate_series(1, %s) as s",
        [job, whole],
    )
    for status in ("running", "done"):
        db.execute("update public.job_tasks set status = %s where step <= %s", [status, part])
    db.execute(
        "insert into public.kanban_cards (org_id, type, title, state, job_id) "
        "select %s, 'research', 'x', case when s <= %s then 'executing' else 'rejected' end, %s "
        "from generate_series(1, %s) as s",
        [cast.org_a, part, job, whole],
    )
    db.execute(REFRESH)
    expected = percent(part, whole)
    with db.as_user(cast.member_a):
        found = db.execute("select task_completion_rate, approval_rate from public.job_metrics").fetchone()
        assert found is not None
        assert [str(rate) for rate in found] == [str(expected)] * 2
        progress = one(db, "select public.get_job_progress(%s)::text", [job])
    assert f'"completion_rate" : {expected},' in progress


def test_a_rate_of_nothing_is_null(db: Session) -> None:
    """No task; no card that is decided, whatever others there are."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    for state in ("suggested", "in_review", "blocked"):
        db.execute(
            "insert into public.kanban_cards (org_id, type, title, state, job_id) values (%s, 'research', 'x', %s, %s)",
            [cast.org_a, state, job],
        )
    db.execute(REFRESH)
    rates = "select task_completion_rate, approval_rate from public.job_metrics"
    with db.as_user(cast.member_a):
        assert db.execute(rates).fetchall() == [(None, None)]
        assert one(db, "select public.get_job_progress(%s)", [job])["completion_rate"] is None
    db.execute("update public.kanban_cards set state = 'rejected' where state = 'blocked'")
    db.execute(REFRESH)
    with db.as_user(cast.member_a):
        assert db.execute(rates).fetchall() == [(None, 0)]


def test_nothing_but_the_duration_changes_between_refreshes(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    fill(db, cast.org_a, job)
    db.execute(REFRESH)
    with db.as_service_role():
        before = rows(db, "select * from public.job_metrics")
    db.execute("update public.job_tasks set status = 'done' where status = 'running'")
    db.execute("update public.kanban_cards set state = 'blocked', type = 'research'")
    db.execute("update public.agent_runs set ended_at = now()")
    db.execute("update public.jobs set name = 'another', status = 'failed'")
    new_job(db, cast.org_a)
    with db.as_service_role():
        assert rows(db, "select * from public.job_metrics") == before
    db.execute("delete from public.jobs")
    with db.as_service_role():
        assert rows(db, "select * from public.job_metrics") == before
