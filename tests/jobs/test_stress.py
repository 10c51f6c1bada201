"""Section 9: sessions that plan, insert contacts and delete tasks all at once, for as long as the profile has time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

from hypothesis import settings
from psycopg.types.json import Jsonb

from pgassay import Clone, Identity
from tests.jobs.cast import PARAMS, Cast, new_contacts, one, settle

SECONDS = {"dev": 1.0, "ci": 3.0}.get(settings.get_current_profile_name(), 15.0)
PLANNERS, INSERTERS = 3, 2
DAYS = (0, 2, 5)
PLAN = "select public.plan_next_batch(%s)"
FLAWS = """
select
    (
        select count(*)
        from public.contacts as c, unnest(%(days)s::int[]) as d
        where c.org_id = %(org)s and not exists (
            select from public.job_tasks as t
            where t.job_id = %(job)s and t.input -> 'contact_id' = to_jsonb(c.id) and t.input -> 'day' = to_jsonb(d)
        )
    ) as missing,
    (
        select count(*)
        from (
            select from public.job_tasks as t where t.job_id = %(job)s
            group by t.input -> 'contact_id', t.input -> 'day' having count(*) > 1
        ) as t
    ) as twice,
    (select j.total_tasks - (select count(*) from public.job_tasks where job_id = j.id) from public.jobs as j) as drift
"""


def test_no_contact_is_missing_and_none_is_planned_twice_a_day(clone: Clone) -> None:
    with clone.connect() as db:
        cast = settle(db)
        new_contacts(db, cast.org_a, 50)
        with db.as_user(cast.member_a):
            params = {**PARAMS, "cadence": {f"day{day}": True for day in DAYS}, "batch_size": 50}
            job = one(db, "select (public.create_job(%s, 'x', null, %s)).id", [cast.org_a, Jsonb(params)])
        until = time.monotonic() + SECONDS
        counts = run_until(
            until,
            *[partial(plans, clone, cast, job, until) for _ in range(PLANNERS)],
            *[partial(inserts_contacts, clone, cast, until) for _ in range(INSERTERS)],
            partial(deletes_tasks, clone, job, until),
        )
        assert all(counts), counts
        with db.as_user(cast.member_a):
            while one(db, PLAN, [job]):
                pass
        flaws = db.execute(FLAWS, {"days": list(DAYS), "org": cast.org_a, "job": job}).fetchone()
        assert flaws == (0, 0, 0), f"missing, twice a day, counters: {flaws}; turns: {counts}"


def run_until(until: float, *parts: Callable[[], int]) -> list[int]:
    """How many turns each part took. All begin together; an error of one is the test's."""
    with ThreadPoolExecutor(len(parts)) as pool:
        ready = threading.Barrier(len(parts))

        def begin(part: Callable[[], int]) -> int:
            ready.wait(timeout=60)
            return part()

        return [future.result() for future in [pool.submit(begin, part) for part in parts]]


def plans(clone: Clone, cast: Cast, job: UUID, until: float) -> int:
    turns = 0
    with clone.connect() as db:
        db.become(Identity.user(cast.member_a))
        while time.monotonic() < until:
            turns += one(db, PLAN, [job]) > 0
    return turns


def inserts_contacts(clone: Clone, cast: Cast, until: float) -> int:
    """Several in a transaction that stays open meanwhile: their ids lie anywhere, behind the cursor too."""
    turns = 0
    with clone.connect() as db:
        while time.monotonic() < until:
            with db.transaction():
                for _ in range(3):
                    new_contacts(db, cast.org_a, 1)
                    db.execute("select count(*) from public.job_tasks")
            turns += 1
    return turns


def deletes_tasks(clone: Clone, job: UUID, until: float) -> int:
    """Of any day, so that some contacts lack an early day and have a later one."""
    turns = 0
    chance = random.Random(7)
    with clone.connect() as db:
        while time.monotonic() < until:
            tasks = [row[0] for row in db.execute("select id from public.job_tasks where job_id = %s", [job])]
            some = chance.sample(sorted(tasks), min(3, len(tasks)))
            turns += db.execute("delete from public.job_tasks where id = any(%s)", [some]).rowcount > 0
    return turns
