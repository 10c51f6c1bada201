"""What interleavings cost, and a campaign that several workers run at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from uuid import UUID

from psycopg.types.json import Jsonb

from benchmarks.bench import Bench
from benchmarks.measuring import TIMES, Figure, middle
from pgassay import Clone, Identity, Session, Stage, every_schedule
from pgassay.interleavings import DEADLOCK

STEP_LIMIT_MS = 5.0
"""200 steps a second."""

DAYS, WORKERS, CLAIM = 3, 4, 25
SLOWER_LIMIT = 1.25
"""Tasks a second in the first tenth of a large campaign, times those in its last: 1 / 0.8."""
NAP_SECONDS = 60
"""How often a server looks for what to vacuum, unless it is told otherwise: autovacuum_naptime."""
MEMBER = UUID("00000000-0000-4000-8000-000000000001")


def measure(bench: Bench) -> list[Figure]:
    """The cost of a step, and of a task in a campaign."""
    figure, _ = _campaign(bench, contacts=1_000, batch=50)
    return [*_steps(bench), figure]


def measure_long(bench: Bench) -> list[Figure]:
    """A large campaign: whether its end is as fast as its beginning."""
    figure, finished = _campaign(bench, contacts=100_000, batch=1_000)
    tenth = len(finished) // 10
    beginning, end = tenth / (finished[tenth] - finished[0]), tenth / (finished[-1] - finished[-1 - tenth])
    slower = Figure(
        "its first tenth", f"{beginning:.0f} a second", f"its last: {end:.0f}", beginning / end, TIMES, SLOWER_LIMIT
    )
    return [figure, slower]


def _steps(bench: Bench) -> list[Figure]:
    """Three sessions that update one row, in every order; and two that take two rows in opposite orders."""
    update = "update public.organizations set name = name || '{}' where name like '{}%'"
    row = {name: [update.format("x", "a"), "commit"] for name in "abc"}
    rows = {name: [*(update.format("x", n) for n in order), "commit"] for name, order in (("a", "ab"), ("b", "ba"))}
    figures = []
    with bench.clone() as clone, Stage(clone) as stage:
        stage.owner.execute("insert into public.organizations (name) values ('a'), ('b')")
        taken, ended = _play(bench, stage, "interleavings", row)
        assert ended == 0
        rate = f"three sessions, one row: {1 / median(taken):.0f} a second"
        step = median(taken) * 1000
        figures.append(Figure("a step of an interleaving", middle(taken), rate, step, "ms", STEP_LIMIT_MS))
        taken, ended = _play(bench, stage, "deadlocks", rows)
        assert ended > 0
        figures.append(Figure("a play that ends in a deadlock", middle(taken), "told only", median(taken) * 1000, "ms"))
    return figures


def _play(bench: Bench, stage: Stage, subject: str, parts: dict[str, list[str]]) -> tuple[list[float], int]:
    """Seconds of each step of the plays without a deadlock, or of each play with one; and how many these are."""
    schedules = list(every_schedule(parts))
    steps, deadlocks = [], []
    for number in bench.track(subject, len(schedules)):
        started = time.perf_counter()
        history = stage.play(parts, schedules[number])
        seconds = time.perf_counter() - started
        if history.failures(DEADLOCK):
            deadlocks.append(seconds)
        else:
            steps.append(seconds / len(history.results))
    return deadlocks or steps, len(deadlocks)


def _campaign(bench: Bench, *, contacts: int, batch: int) -> tuple[Figure, list[float]]:
    """From create_job to succeeded, each contact drafted once a day; and when each of the tasks was finished."""
    finished: list[float] = []
    with bench.clone() as clone, clone.connect() as owner, _member(clone) as member:
        owner.execute("insert into auth.users (id) values (%s)", [MEMBER])
        owner.execute("insert into public.organizations (id, name) values (%s, 'A')", [MEMBER])
        owner.execute(
            "insert into public.organization_members (organization_id, user_id) values (%s, %s)", [MEMBER] * 2
        )
        owner.execute(
            "insert into public.contacts (org_id, email, target_group) "
            "select %s, n || '@example.org', 'AMC' from generate_series(1, %s) as n",
            [MEMBER, contacts],
        )
        owner.execute("analyze")
        params = {
            "target_group": "AMC",
            "cadence": {f"day{day}": True for day in range(DAYS)},
            "templates": {"intro": {"subject": "Hello", "body": "Test"}},
            "batch_size": batch,
        }
        started = time.perf_counter()
        row = member.execute("select (public.create_job(%s, 'x', null, %s)).id", [MEMBER, Jsonb(params)]).fetchone()
        assert row is not None
        member.execute("select public.transition_job_status(%s, 'running')", [row[0]])
        workers = [threading.Thread(target=_work, args=[clone, row[0], finished]) for _ in range(WORKERS)]
        with _vacuumed(clone):
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        member.execute("select public.transition_job_status(%s, 'succeeded')", [row[0]])
        taken = time.perf_counter() - started
        done = owner.execute(
            "select count(*), count(distinct (input ->> 'day', input ->> 'contact_id')), "
            "(select (j.total_tasks, j.completed_tasks, j.failed_tasks)::text from public.jobs as j) "
            "from public.job_tasks where status = 'done'"
        ).fetchone()
        tasks = contacts * DAYS
        assert done == (tasks, tasks, f"({tasks},{tasks},0)"), done
    figure = Figure(
        f"a campaign of {contacts:,} contacts, {DAYS} days",
        f"{taken:.1f} s",
        f"{WORKERS} workers: {tasks / taken:.0f} tasks a second, exact",
        taken / tasks * 1000,
        "ms",
    )
    return figure, finished


@contextmanager
def _vacuumed(clone: Clone) -> Iterator[None]:
    """The tables of jobs are vacuumed as a server does it, which pgassay's own servers do not."""
    ended = threading.Event()

    def vacuum() -> None:
        with clone.connect_as_owner() as owner:
            while not ended.wait(NAP_SECONDS):
                owner.execute("vacuum (analyze) public.jobs, public.job_tasks")

    vacuuming = threading.Thread(target=vacuum)
    vacuuming.start()
    try:
        yield
    finally:
        ended.set()
        vacuuming.join()


def _member(clone: Clone) -> Session:
    session = clone.connect()
    session.become(Identity.user(MEMBER))
    return session


def _work(clone: Clone, job: UUID, finished: list[float]) -> None:
    with _member(clone) as session:
        planned: tuple[int] | None = (1,)
        while planned != (0,):
            while tasks := session.execute("select id from public.claim_tasks(%s, %s)", [job, CLAIM]).fetchall():
                for (task,) in tasks:
                    session.execute("select public.finish_task(%s, '{}')", [task])
                    finished.append(time.perf_counter())
            planned = session.execute("select public.plan_next_batch(%s)", [job]).fetchone()
