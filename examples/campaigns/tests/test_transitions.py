"""The panel offers what the database allows, and nothing else."""

from __future__ import annotations

from typing import get_args

from campaigns import cards, contracts, jobs, tasks, transitions

from pgassay import Session


def test_the_buttons_are_the_databases_table(db: Session) -> None:
    table = set(db.execute("select from_status, to_status from private.job_status_transitions()").fetchall())
    assert {(start, move.to) for start, moves in transitions.MOVES.items() for move in moves} == table


def test_a_job_does_not_succeed_while_a_task_is_open() -> None:
    for status in ("pending", "running"):
        offered = transitions.of({"status": "running", "tasks_by_status": {status: 1, "done": 1}})
        assert [move.to for move in offered] == ["paused", "failed", "cancelled"]
    offered = transitions.of({"status": "running", "tasks_by_status": {"done": 1, "error": 1}})
    assert [move.to for move in offered] == ["paused", "succeeded", "failed", "cancelled"]


def test_the_words_of_the_api_are_the_databases(db: Session) -> None:
    rows = db.execute(
        "select conname, pg_get_constraintdef(oid) from pg_constraint where conname in "
        "('jobs_status_known', 'job_tasks_status_known', 'kanban_cards_state_known', 'kanban_cards_type_known')"
    ).fetchall()
    known = {name: set(definition.split("'")[1::2]) for name, definition in rows}
    assert known["jobs_status_known"] == set(jobs.STATUSES) == set(get_args(contracts.JobStatus))
    assert known["job_tasks_status_known"] == set(tasks.STATUSES) == set(get_args(contracts.TaskStatus))
    assert known["kanban_cards_state_known"] == set(cards.STATES) == set(get_args(contracts.CardState))
    assert known["kanban_cards_type_known"] == set(cards.TYPES) == set(get_args(contracts.CardType))
