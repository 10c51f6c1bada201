"""What reads and changes cost where a job has a million tasks, or an organisation 20,000 jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median
from uuid import UUID, uuid4

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, in_turn, middle, ratio, seconds
from pgassay import Session

SMALL, LARGE = 1_000, 1_000_000
OPEN = 1_000
"""Tasks of either job that are pending or running."""
FEW, MANY = 100, 20_000
"""Jobs of an organisation."""
ENDED = 200_000
"""Pending tasks of a job that is cancelled or deleted."""

ROUNDS = 15
CALLS = 40
"""Calls in a round: of which the median counts."""
ENDING_ROUNDS = 5

PROGRESS_LIMIT = 3.0
ONE_TASK_LIMIT = 1.5
SCAN_LIMIT = 1.3
ENDING_LIMIT = 1.3
CLAIMED_LIMIT = 1.3


def measure(bench: Bench) -> list[Figure]:
    """Each figure compares two things on the same data, in turn."""
    with bench.clone() as clone:
        session = clone.connect()
        member, org = _member_of_an_organisation(session)
        sizes = {size: _job(bench, session, org, size) for size in (SMALL, LARGE)}
        session.execute("vacuum analyze public.jobs, public.job_tasks")
        figures = [_progress(bench, session, member, sizes), _scan(bench, session, member, sizes[LARGE])]
        figures.append(_claimed(bench, session, sizes))
    with bench.clone() as clone:
        figures.append(_one_task(bench, clone.connect()))
    with bench.clone() as clone:
        figures += _endings(bench, clone.connect())
    return figures


def _member_of_an_organisation(session: Session) -> tuple[UUID, UUID]:
    member, org = uuid4(), uuid4()
    session.execute("insert into auth.users (id) values (%s)", [member])
    session.execute("insert into public.organizations (id, name) values (%s, 'Measured')", [org])
    session.execute("insert into public.organization_members (organization_id, user_id) values (%s, %s)", [org, member])
    return member, org


@contextmanager
def _without_triggers(session: Session) -> Iterator[None]:
    """What was in the tables before, as if it had come by itself: made in one go, with its counters."""
    for table in ("jobs", "job_tasks"):
        session.execute(f"alter table public.{table} disable trigger user".encode())
    yield
    for table in ("jobs", "job_tasks"):
        session.execute(f"alter table public.{table} enable trigger user".encode())


def _job(bench: Bench, session: Session, org: UUID, size: int) -> UUID:
    """A running job of so many tasks: 600 pending, 400 running, spread over all of it, and the others over."""
    job = uuid4()
    step = min(size, 100_000)
    with _without_triggers(session):
        session.execute(
            "insert into public.jobs (id, org_id, name, status, started_at, total_tasks) "
            "values (%s, %s, 'Campaign', 'running', now(), %s)",
            [job, org, size],
        )
        for number in bench.track(f"making a job of {size:,} tasks", size // step):
            session.execute(
                "insert into public.job_tasks "
                "(job_id, org_id, batch, step, kind, status, started_at, finished_at) "
                "select %(job)s, %(org)s, %(batch)s, n, 'research', s.status, "
                "case when s.status in ('running', 'done', 'error') then now() end, "
                "case when s.status in ('done', 'error') then now() end "
                "from generate_series(1, %(step)s) as n, lateral (select n %% (%(size)s / %(open)s) as place) as p, "
                "lateral (select case when p.place = 0 and n %% 5 < 3 then 'pending' when p.place = 0 then 'running' "
                "when n %% 7 = 0 then 'error' when n %% 11 = 0 then 'skipped' else 'done' end as status) as s",
                {"job": job, "org": org, "batch": number, "step": step, "size": size, "open": OPEN},
            )
        session.execute(
            "update public.jobs as j set completed_tasks = t.done, failed_tasks = t.error from ("
            "select count(*) filter (where status = 'done') as done, count(*) filter (where status = 'error') as error "
            "from public.job_tasks where job_id = %(job)s) as t where j.id = %(job)s",
            {"job": job},
        )
    return job


def _progress(bench: Bench, session: Session, member: UUID, jobs: Mapping[int, UUID]) -> Figure:
    with session.as_user(member):
        taken = in_turn(
            bench.track("get_job_progress", ROUNDS),
            {size: partial(_calls, session, "select public.get_job_progress(%s)", [job]) for size, job in jobs.items()},
        )
    return Figure(
        f"get_job_progress, {OPEN:,} open tasks of {LARGE:,}",
        middle(taken[LARGE]),
        f"of {SMALL:,}: {middle(taken[SMALL])}",
        ratio(taken[LARGE], taken[SMALL]),
        TIMES,
        PROGRESS_LIMIT,
    )


def _calls(session: Session, statement: str, parameters: Iterable[object], calls: int = CALLS) -> float:
    """The median of some calls."""
    values = list(parameters)
    return median(seconds(partial(session.execute, statement, values)) for _ in range(calls))


def _scan(bench: Bench, session: Session, member: UUID, job: UUID) -> Figure:
    """By one process each: Supabase's auth.uid() is not marked as safe in parallel, whatever a policy does with it."""
    session.execute("set max_parallel_workers_per_gather = 0")
    statement = "select count(*), max(retry_count), max(length(kind)) from public.job_tasks where job_id = %s"

    def as_member() -> float:
        with session.as_user(member):
            return _calls(session, statement, [job], 1)

    scans: dict[str, Callable[[], float]] = {
        "member": as_member,
        "owner": partial(_calls, session, statement, [job], 1),
    }
    taken = in_turn(bench.track("a scan of a job's tasks", ROUNDS), scans)
    session.execute("reset max_parallel_workers_per_gather")
    return Figure(
        f"a member's scan of {LARGE:,} tasks of a job",
        middle(taken["member"]),
        f"the owner's: {middle(taken['owner'])}",
        ratio(taken["member"], taken["owner"]),
        TIMES,
        SCAN_LIMIT,
    )


def _claimed(bench: Bench, session: Session, jobs: Mapping[int, UUID]) -> Figure:
    """Pending to running, in the large job and in the small one, each by what it costs without triggers."""
    tasks = {
        size: [
            row[0]
            for row in session.execute(
                "select id from public.job_tasks where job_id = %s and status = 'pending' "
                "order by md5(id::text) limit %s",
                [job, CALLS],
            )
        ]
        for size, job in jobs.items()
    }

    def change(size: int, *, triggers: bool) -> float:
        statement = "update public.job_tasks set status = 'running', started_at = now() where id = %s"
        with session.transaction(force_rollback=True):
            session.execute(f"alter table public.job_tasks {'enable' if triggers else 'disable'} trigger user".encode())
            for task in tasks[size][: CALLS // 2]:  # pages and plans are warm then
                session.execute(statement, [task])
            return median(seconds(partial(session.execute, statement, [task])) for task in tasks[size][CALLS // 2 :])

    taken = in_turn(
        bench.track("pending to running", ROUNDS),
        {(size, on): partial(change, size, triggers=on) for size in jobs for on in (True, False)},
    )
    large, small = (ratio(taken[size, True], taken[size, False]) for size in (LARGE, SMALL))
    return Figure(
        f"pending → running in a job of {LARGE:,}",
        f"{large:.2f} {TIMES} without triggers",
        f"of {SMALL:,}: {small:.2f} {TIMES}",
        large / small,
        TIMES,
        CLAIMED_LIMIT,
    )


def _one_task(bench: Bench, session: Session) -> Figure:
    """By its id, as a member of an organisation with many jobs, and of one with few."""
    found = {}
    for jobs in (FEW, MANY):
        member, org = _member_of_an_organisation(session)
        session.execute(
            "insert into public.jobs (org_id, name) select %s, 'Campaign' from generate_series(1, %s)", [org, jobs]
        )
        session.execute(
            "insert into public.job_tasks (job_id, org_id, batch, step, kind) "
            "select id, org_id, 0, s, 'research' from public.jobs, generate_series(1, 5) as s where org_id = %s",
            [org],
        )
        row = session.execute(
            "select id from public.job_tasks where org_id = %s order by md5(id::text) limit 1", [org]
        ).fetchone()
        assert row is not None
        found[jobs] = member, row[0]
    session.execute("vacuum analyze public.jobs, public.job_tasks, public.organization_members")

    def read(member: UUID, task: int) -> float:
        with session.as_user(member):
            return _calls(session, "select * from public.job_tasks where id = %s", [task])

    taken = in_turn(
        bench.track("one task by its id", ROUNDS), {jobs: partial(read, *found[jobs]) for jobs in (FEW, MANY)}
    )
    return Figure(
        f"one task, {MANY:,} jobs in the organisation",
        middle(taken[MANY]),
        f"{FEW:,} jobs: {middle(taken[FEW])}",
        ratio(taken[MANY], taken[FEW]),
        TIMES,
        ONE_TASK_LIMIT,
    )


def _endings(bench: Bench, session: Session) -> Iterator[Figure]:
    """A job with many pending tasks is cancelled, or deleted; and the same where the tasks have no triggers."""
    _, org = _member_of_an_organisation(session)
    row = session.execute("insert into public.jobs (org_id, name) values (%s, 'x') returning id", [org]).fetchone()
    assert row is not None
    job = row[0]
    session.execute(
        "insert into public.job_tasks (job_id, org_id, batch, step, kind, input) "
        "select %s, %s, s / 1000, s %% 1000, 'draft_email', jsonb_build_object('day', 0) "
        "from generate_series(1, %s) as s",
        [job, org, ENDED],
    )

    def end(statement: str, *, triggers: bool) -> float:
        session.execute("vacuum analyze public.job_tasks")
        with session.transaction(force_rollback=True):
            session.execute(f"alter table public.job_tasks {'enable' if triggers else 'disable'} trigger user".encode())
            return seconds(partial(session.execute, statement.encode(), [job]))

    for what, statement in (
        ("cancelling", "update public.jobs set status = 'cancelled' where id = %s"),
        ("deleting", "delete from public.jobs where id = %s"),
    ):
        taken = in_turn(
            bench.track(f"{what} a job of {ENDED:,} tasks", ENDING_ROUNDS),
            {on: partial(end, statement, triggers=on) for on in (True, False)},
        )
        yield Figure(
            f"{what} a job of {ENDED:,} pending tasks",
            middle(taken[True]),
            f"without triggers on tasks: {middle(taken[False])}",
            ratio(taken[True], taken[False]),
            TIMES,
            ENDING_LIMIT,
        )
