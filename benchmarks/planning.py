"""What a batch costs in a campaign of 300,000 contacts: at its beginning, at its end, and where a day ends."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from psycopg.types.json import Jsonb

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, in_turn, middle, ratio, seconds
from pgassay import Session

CONTACTS, DAYS, BATCH = 300_000, 3, 1_000
ROUNDS = 9
BATCH_LIMIT = 2.0
"""The last batch of the last day, times the first of the first day."""
DAYS_END_LIMIT = 2.0
"""The call that finds a day through, times a bare anti-join of the group with the tasks of that day."""
ORGANISATION_LIMIT = 1.1
"""A batch with the trigger that fills in a task's organisation, times one without it."""

_PLAN = "select public.plan_next_batch(%s)"
_ANTI_JOIN = """
select count(*)
from public.contacts as c
where
    c.org_id = %s
    and c.target_group = 'AMC'
    and not exists (
        select
        from public.job_tasks as t
        where
            t.job_id = %s
            and left(t.input ->> 'day', 5) = %s
            and left(t.input ->> 'contact_id', 37) = c.id::text
    )
"""


def measure(bench: Bench) -> list[Figure]:
    """All batches are planned by plan_next_batch, by a worker for all organisations; what is measured is undone."""
    figures = []
    with bench.clone() as fresh, bench.clone() as through:
        first, last = fresh.connect(), through.connect()
        _, first_job = _campaign(first)
        org, job = _campaign(last)
        figures.append(_organisation(bench, first, first_job))
        batches = CONTACTS // BATCH
        for number in bench.track(f"planning {DAYS} days of {CONTACTS:,} contacts", batches * DAYS - 1):
            _next_batch(last, job)
            if (number + 1) % batches == 0:
                last.execute("vacuum analyze public.job_tasks")
                figures.append(_days_end(bench, last, org, job, (number + 1) // batches))
        last.execute("vacuum analyze public.job_tasks")
        taken = in_turn(
            bench.track("the first and the last batch", ROUNDS),
            {"first": partial(_plan, first, first_job), "last": partial(_plan, last, job)},
        )
        figures.append(
            Figure(
                f"last of {batches * DAYS} batches of {BATCH:,}",
                middle(taken["last"]),
                f"the first: {middle(taken['first'])}",
                ratio(taken["last"], taken["first"]),
                TIMES,
                BATCH_LIMIT,
            )
        )
        _next_batch(last, job)
        figures.append(_days_end(bench, last, org, job, DAYS))
    return figures


def _next_batch(session: Session, job: UUID) -> None:
    with session.transaction():
        session.execute("set local role service_role")
        row = session.execute(_PLAN, [job]).fetchone()
    assert row == (BATCH,), row


def _campaign(session: Session) -> tuple[UUID, UUID]:
    """An organisation with its contacts, and a job of theirs that nothing is planned for."""
    row = session.execute("insert into public.organizations (name) values ('Measured') returning id").fetchone()
    assert row is not None
    org = UUID(str(row[0]))
    session.execute(
        "insert into public.contacts (org_id, email, target_group) "
        "select %s, n || '@example.org', 'AMC' from generate_series(1, %s) as n",
        [org, CONTACTS],
    )
    session.execute("vacuum analyze public.contacts")
    params = {
        "target_group": "AMC",
        "cadence": {f"day{day}": True for day in range(DAYS)},
        "templates": {"intro": {"subject": "Hello", "body": "Test"}},
        "batch_size": BATCH,
    }
    row = session.execute(
        "insert into public.jobs (org_id, name, params) values (%s, 'Campaign', %s) returning id", [org, Jsonb(params)]
    ).fetchone()
    assert row is not None
    return org, UUID(str(row[0]))


def _plan(session: Session, job: UUID, *, filled: bool = True) -> float:
    """Seconds of a batch that is undone, with the trigger that fills in a task's organisation or without."""
    with session.transaction(force_rollback=True):
        if not filled:
            session.execute("alter table public.job_tasks disable trigger job_tasks_fill_organisation")
        session.execute("set local role service_role")
        return seconds(partial(session.execute, _PLAN, [job]))


def _days_end(bench: Bench, session: Session, org: UUID, job: UUID, days: int) -> Figure:
    """After so many days: the call that finds the last of them through, and plans the next one's first batch."""
    taken = in_turn(
        bench.track(f"the end of day {days}", ROUNDS),
        {
            "call": partial(_plan, session, job),
            "join": partial(seconds, partial(session.execute, _ANTI_JOIN, [org, job, str(days - 1)])),
        },
    )
    return Figure(
        f"the call at the end of day {days} of {DAYS}",
        middle(taken["call"]),
        f"a bare anti-join: {middle(taken['join'])}",
        ratio(taken["call"], taken["join"]),
        TIMES,
        DAYS_END_LIMIT,
    )


def _organisation(bench: Bench, session: Session, job: UUID) -> Figure:
    taken = in_turn(
        bench.track("planning with and without the trigger", ROUNDS),
        {filled: partial(_plan, session, job, filled=filled) for filled in (True, False)},
    )
    return Figure(
        f"a batch of {BATCH:,}",
        middle(taken[True]),
        f"without the trigger for org_id: {middle(taken[False])}",
        ratio(taken[True], taken[False]),
        TIMES,
        ORGANISATION_LIMIT,
    )
