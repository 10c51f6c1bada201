"""Section 6: what ``get_job_cards`` and ``get_job_progress`` give back, each column and number of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg.rows import dict_row

from pgassay import Session
from tests.jobs.campaigns import refusal, rows
from tests.jobs.cast import new_job, one, settle
from tests.jobs.model import CARD_STATES, CARD_TYPES, Board, Task
from tests.jobs.test_metrics_columns import LATEST, STATES, TASKS, TYPES, fill


def test_every_column_of_a_jobs_cards_is_what_it_is_called_and_all_of_them_are_given(db: Session) -> None:
    cast = settle(db)
    job, other = new_job(db, cast.org_a), new_job(db, cast.org_a)
    tasks = db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select %s, 1, s, 'research' from generate_series(1, 130) as s returning id",
        [job],
    ).fetchall()
    contacts = db.execute(
        "insert into public.contacts (org_id, email) select %s, 'a@b.c' from generate_series(1, 130) returning id",
        [cast.org_a],
    ).fetchall()
    made: list[dict[str, Any]] = [
        {
            "id": uuid4(),
            "type": CARD_TYPES[number % len(CARD_TYPES)],
            "title": f"title {number}",
            "state": CARD_STATES[number % len(CARD_STATES)],
            "priority": 1000 - number,
            "contact_id": contacts[number][0] if number % 3 else None,
            "task_id": tasks[-number][0] if number % 5 else None,
            "created_at": LATEST + timedelta(days=number * 7 % 50),  # ties among them
        }
        for number in range(130)
    ]
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into public.kanban_cards (org_id, job_id, id, type, title, state, priority, contact_id, task_id, "
            "created_at) values (%(org)s, %(job)s, %(id)s, %(type)s, %(title)s, %(state)s, %(priority)s, "
            "%(contact_id)s, %(task_id)s, %(created_at)s)",
            [{**card, "org": cast.org_a, "job": job} for card in made],
        )
    for elsewhere in (other, None):
        db.execute(
            "insert into public.kanban_cards (org_id, type, title, job_id) values (%s, 'research', 'x', %s)",
            [cast.org_a, elsewhere],
        )
    expected = sorted(made, key=lambda card: (-card["created_at"].timestamp(), card["id"].int))
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block, db.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute("select * from public.get_job_cards(%s)", [job]).fetchall()
            assert [column.name for column in cursor.description or ()] == list(made[0])
        assert found == expected
    with db.as_user(cast.member_a):
        assert len(rows(db, "select * from public.get_job_cards(%s)", [other])) == 1
        assert rows(db, "select * from public.get_job_cards(%s)", [new_job(db, cast.org_a)]) == []


def keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json`: an object, of which each key stands there once."""
    assert len({key for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def test_every_number_of_a_jobs_progress_is_what_it_is_called_and_stands_there_once(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    board = fill(db, cast.org_a, job)
    fill(db, cast.org_b, new_job(db, cast.org_b))
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block:
            text = one(db, "select public.get_job_progress(%s)::text", [job])
        found = json.loads(text, object_pairs_hook=keys_once)
        assert found == board.progress(job)
        assert found["tasks_by_status"] == TASKS
        assert found["by_state"] == STATES
        assert found["by_type"] == TYPES
        assert found["total_tasks"] == sum(found["tasks_by_status"].values())
        assert found["total_cards"] == sum(found["by_state"].values()) == sum(found["by_type"].values())


def test_progress_is_live_and_follows_every_status(db: Session) -> None:
    """Each status alone, after a change in the same transaction."""
    cast = settle(db)
    job = new_job(db, cast.org_a)
    board = Board()
    for status, way in {"pending": [], "running": ["running"], "done": ["running", "done"]}.items():
        task = one(
            db,
            "insert into public.job_tasks (job_id, batch, step, kind) "
            "select %s, count(*), 0, 'research' from public.job_tasks returning id",
            [job],
        )
        for step in way:
            db.execute("update public.job_tasks set status = %s where id = %s", [step, task])
        board.tasks[task] = Task(job, status)
        with db.as_user(cast.member_a):
            assert one(db, "select public.get_job_progress(%s)", [job]) == board.progress(job)
    db.execute("update public.jobs set status = 'running' where id = %s", [job])
    db.execute("update public.jobs set status = 'failed' where id = %s", [job])
    for task in board.tasks.values():
        task.status = "skipped" if task.status == "pending" else task.status
    with db.as_user(cast.member_a):
        assert one(db, "select public.get_job_progress(%s)", [job]) == board.progress(job)


@pytest.mark.parametrize("function", ["get_job_cards", "get_job_progress"])
def test_reads_of_null_are_a_bad_argument(db: Session, function: str) -> None:
    cast = settle(db)
    for block in (db.as_user(cast.member_a), db.as_service_role()):
        with block:
            assert refusal(db, f"select public.{function}(null)") == ("PT400", "p_job_id must not be null")
            missing = uuid4()
            assert refusal(db, f"select public.{function}(%s)", [missing]) == ("PT404", f"job {missing} not found")
