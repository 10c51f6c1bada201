"""Section 3: a job has one task at a place (batch, step), whoever inserts it, one at a time or many at once."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from pgassay import Clone, Session
from pgassay.fixtures import Example
from tests.jobs.cast import new_job, one, outcome, settle

PLACES = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2))  # job, batch, step: small, so they collide
COLUMNS = "(job_id, batch, step, kind)"


@given(statements=st.lists(st.lists(PLACES, min_size=1, max_size=4), min_size=1, max_size=8), as_member=st.booleans())
def test_a_place_is_taken_once(example: Example, statements: list[list[tuple[int, int, int]]], as_member: bool) -> None:
    with example() as db:
        cast = settle(db)
        jobs = [new_job(db, cast.org_a) for _ in range(3)]
        taken: set[tuple[int, int, int]] = set()
        for places in statements:
            free = len(set(places)) == len(places) and not taken & set(places)
            rows = [[jobs[job], batch, step] for job, batch, step in places]
            statement = (
                f"insert into public.job_tasks {COLUMNS} select p.job, p.batch, p.step, 'research' "
                "from unnest(%s::uuid[], %s::int[], %s::int[]) as p (job, batch, step)"
            )
            parameters = [list(column) for column in zip(*rows, strict=True)]
            if as_member:
                with db.as_user(cast.member_a):
                    result = outcome(db, statement, parameters)
            else:
                result = outcome(db, statement, parameters)
            assert result == ("ok" if free else "23505")
            if free:
                taken |= set(places)
        kept = db.execute("select job_id, batch, step from public.job_tasks where job_id = any(%s)", [jobs]).fetchall()
        assert sorted(kept) == sorted((jobs[job], batch, step) for job, batch, step in taken)


@given(first=PLACES, second=PLACES)
def test_a_task_cannot_move_to_a_place_that_is_taken(
    example: Example, first: tuple[int, int, int], second: tuple[int, int, int]
) -> None:
    with example() as db:
        cast = settle(db)
        jobs = [new_job(db, cast.org_a) for _ in range(3)]
        insert = f"insert into public.job_tasks {COLUMNS} values (%s, %s, %s, 'research')"
        assert outcome(db, insert, [jobs[first[0]], *first[1:]]) == "ok"
        elsewhere = (jobs[second[0]], 9, 9)
        assert outcome(db, insert, elsewhere) == "ok"
        move = "update public.job_tasks set batch = %s, step = %s where job_id = %s and batch = 9"
        assert outcome(db, move, [*second[1:], jobs[second[0]]]) == ("23505" if first == second else "ok")


def test_the_same_place_in_two_jobs_is_two_places(db: Session) -> None:
    cast = settle(db)
    for _ in range(2):
        db.execute(
            "insert into public.job_tasks (job_id, batch, step, kind) values (%s, 0, 0, 'research')",
            [new_job(db, cast.org_a)],
        )
    assert one(db, "select count(*) from public.job_tasks") == 2


def test_two_sessions_that_insert_the_same_place_make_one_task(clone: Clone) -> None:
    """The first commits only after the second has been seen waiting for it."""
    first, second, watcher = (clone.connect() for _ in range(3))
    job = new_job(first, settle(first).org_a)
    insert = "insert into public.job_tasks (job_id, batch, step, kind) values (%s, 0, 0, 'research')"
    results = []
    with first.transaction():
        first.execute(insert, [job])
        other = threading.Thread(target=lambda: results.append(outcome(second, insert, [job])))
        other.start()
        while one(watcher, "select pg_blocking_pids(%s)", [second.info.backend_pid]) != [first.info.backend_pid]:
            assert other.is_alive()
    other.join()
    assert results == ["23505"]
    assert one(watcher, "select total_tasks from public.jobs where id = %s", [job]) == 1
