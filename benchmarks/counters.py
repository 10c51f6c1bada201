"""What the counters of tasks cost: a bulk insert, and one update in a small job and in a large one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median
from uuid import UUID

from psycopg import sql

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, in_turn, middle, ratio, seconds
from pgassay import Session

BULK = 100_000
BULK_ROUNDS = 7
COUNTERS_LIMIT = 1.3
"""With the counters, times without them."""
TRIGGERS_LIMIT = 2.5
"""With all triggers, of which one looks up each task's organisation, times with none."""

SMALL, LARGE = 1_000, 1_000_000
UPDATE_ROUNDS = 24
TASKS = 16
"""Tasks whose updates are measured in each round, with the counters and without, in each job."""
WARM = 4
"""Tasks updated before that: switching triggers has the statement planned anew."""
SIZE_LIMIT = 1.5
"""An update in the large job, times one in the small job."""
UPDATE_LIMIT = 3.0
"""With the counters, times without."""

_TRIGGERS = ("inserted", "updated", "deleted", "truncated")
_CHANGES = (("pending", "running"), ("running", "done"))

Key = tuple[int, tuple[str, str]]
"""The size of a job, and a change of a task's status in it."""


def measure(bench: Bench) -> list[Figure]:
    """The cost of the counters' triggers, which alone are disabled for the comparison."""
    return [*_bulk(bench), *_updates(bench)]


def _bulk(bench: Bench) -> list[Figure]:
    taken = in_turn(
        bench.track(f"inserting {BULK:,} tasks", BULK_ROUNDS),
        {triggers: partial(_insert_in_bulk, bench, triggers) for triggers in ("all", "all but counters", "none")},
    )
    return [
        Figure(
            f"insert of {BULK:,} tasks",
            middle(taken["all"]),
            f"{triggers}: {middle(taken[other])}",
            ratio(taken["all"], taken[other]),
            TIMES,
            limit,
        )
        for other, triggers, limit in (
            ("all but counters", "without counters", COUNTERS_LIMIT),
            ("none", "without triggers", TRIGGERS_LIMIT),
        )
    ]


def _insert_in_bulk(bench: Bench, triggers: str) -> float:
    """Seconds of one statement, in a clone of its own: nothing is bloated by the one before."""
    with bench.clone() as clone:
        session = clone.connect()
        job, org = _new_job(session)
        if triggers == "all but counters":
            _count(session, False)
        elif triggers == "none":
            session.execute("alter table public.job_tasks disable trigger user")
        # who has no trigger gives the organisation
        return seconds(partial(_add_tasks, session, job, BULK, org=org if triggers == "none" else None))


def _updates(bench: Bench) -> list[Figure]:
    with bench.clone() as clone:
        session = clone.connect()
        tasks = {size: _spread(session, _job_of(bench, session, size)) for size in (SMALL, LARGE)}
        session.execute("vacuum analyze public.jobs, public.job_tasks")
        taken = in_turn(
            bench.track("updating tasks", UPDATE_ROUNDS),
            {counted: partial(_update_tasks, session, tasks, counted=counted) for counted in (True, False)},
        )
    figures = []
    for change in _CHANGES:
        counted = {size: [one[size, change] for one in taken[True]] for size in (SMALL, LARGE)}
        plain = {size: [one[size, change] for one in taken[False]] for size in (SMALL, LARGE)}
        what = f"one task {' → '.join(change)}"
        figures.append(
            Figure(
                f"{what}, job of {LARGE:,}",
                middle(counted[LARGE]),
                f"job of {SMALL:,}: {middle(counted[SMALL])}",
                ratio(counted[LARGE], counted[SMALL]),
                TIMES,
                SIZE_LIMIT,
            )
        )
        figures += [
            Figure(
                f"{what}, job of {size:,}",
                middle(counted[size]),
                f"without counters: {middle(plain[size])}",
                ratio(counted[size], plain[size]),
                TIMES,
                UPDATE_LIMIT,
            )
            for size in (SMALL, LARGE)
        ]
    return figures


def _update_tasks(session: Session, tasks: dict[int, Iterator[int]], *, counted: bool) -> dict[Key, float]:
    """Median seconds of each change in each job, over tasks that are taken from the two jobs by turns."""
    _count(session, counted)
    taken: dict[Key, list[float]] = {(size, change): [] for change in _CHANGES for size in tasks}
    for number in range(WARM + TASKS):
        for size in tasks if number % 2 == 0 else reversed(tasks):
            task = next(tasks[size])
            for change in _CHANGES:
                one = seconds(partial(_set_status, session, task, change[1]))
                if number >= WARM:
                    taken[size, change].append(one)
    return {key: median(samples) for key, samples in taken.items()}


def _set_status(session: Session, task: int, status: str) -> None:
    session.execute("update public.job_tasks set status = %s where id = %s", [status, task], prepare=True)


def _job_of(bench: Bench, session: Session, size: int) -> UUID:
    """A running job of ``size`` tasks, counted as they came."""
    job, _ = _new_job(session)
    step = min(size, BULK)
    for number in bench.track(f"making a job of {size:,} tasks", size // step):
        _add_tasks(session, job, step, batch=number)
    session.execute("update public.jobs set status = 'running' where id = %s", [job])
    return job


def _spread(session: Session, job: UUID) -> Iterator[int]:
    """As many of the job's tasks as are updated, evenly over all of it, in a random but repeatable order."""
    wanted = 2 * UPDATE_ROUNDS * (WARM + TASKS)
    rows = session.execute(
        "select t.id from (select id, row_number() over (order by id) - 1 as place, count(*) over () as size "
        "from public.job_tasks where job_id = %s) as t "
        "where t.place %% (t.size / %s) = 0 order by md5(t.place::text) limit %s",
        [job, wanted, wanted],
    ).fetchall()
    assert len(rows) == wanted, f"the job has too few tasks: {wanted} are wanted"
    return iter([task for (task,) in rows])


def _new_job(session: Session) -> tuple[UUID, UUID]:
    """A job, and its organisation."""
    row = session.execute(
        "with o as (insert into public.organizations (name) values ('Measured') returning id) "
        "insert into public.jobs (org_id, name) select o.id, 'Campaign' from o returning id, org_id"
    ).fetchone()
    assert row is not None
    return UUID(str(row[0])), UUID(str(row[1]))


def _add_tasks(session: Session, job: UUID, number: int, batch: int = 0, org: UUID | None = None) -> None:
    session.execute(
        "insert into public.job_tasks (job_id, batch, step, kind, org_id) "
        "select %s, %s, s, 'send_email', %s from generate_series(1, %s) as s",
        [job, batch, org, number],
    )


def _count(session: Session, counted: bool) -> None:
    """Have tasks counted, or not; all other triggers stay as they are."""
    action = sql.SQL("enable trigger {}" if counted else "disable trigger {}")
    actions = [action.format(sql.Identifier(f"job_tasks_count_{event}")) for event in _TRIGGERS]
    session.execute(sql.SQL("alter table public.job_tasks {}").format(sql.SQL(", ").join(actions)))
