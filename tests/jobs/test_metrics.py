"""Section 6: counters, ``job_metrics`` and ``get_job_progress`` are what counting by hand gives."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import dict_row

from pgassay import Clone, Session
from pgassay.fixtures import Example
from tests.jobs.cast import new_card, new_job, new_tasks, one, outcome, settle
from tests.jobs.model import CARD_STATES, CARD_TYPES, COUNTERS, FINAL, TASK_TRANSITIONS, Board, Card, Run, Task

JOBS = 3


class Bookkeeping(RuleBasedStateMachine):
    """Several jobs whose tasks, cards and runs change in random batches, beside a board kept by hand.

    Every rule is one statement on many rows, as far as it can be.
    """

    def __init__(self, example: Example) -> None:
        super().__init__()
        self._block = ExitStack()
        self.db = self._block.enter_context(example())
        self.cast = settle(self.db)
        self.board = Board()
        self.jobs: list[UUID] = []
        self.steps = 0

    def teardown(self) -> None:
        self._block.close()

    @initialize()
    def begin(self) -> None:
        self.jobs = [new_job(self.db, self.cast.org_a) for _ in range(JOBS)]

    def some(self, data: st.DataObject, among: list[Any]) -> list[Any]:
        return data.draw(st.lists(st.sampled_from(among), unique=True, min_size=1)) if among else []

    def a_job(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(self.jobs))

    @rule(data=st.data(), count=st.integers(1, 6))
    def add_tasks_to_several_jobs(self, data: st.DataObject, count: int) -> None:
        places = [(self.a_job(data), self.steps, step) for step in range(count)]
        self.steps += 1
        rows = self.db.execute(
            "insert into public.job_tasks (job_id, batch, step, kind) "
            "select p.job, p.batch, p.step, 'send_email' "
            "from unnest(%s::uuid[], %s::int[], %s::int[]) as p (job, batch, step) returning id, job_id",
            [list(column) for column in zip(*places, strict=True)],
        ).fetchall()
        self.board.tasks |= {task: Task(job) for task, job in rows}

    @precondition(lambda self: self.board.tasks)
    @rule(data=st.data())
    def change_statuses(self, data: st.DataObject) -> None:
        changes = {}
        for task in self.some(data, sorted(self.board.tasks)):
            was = self.board.tasks[task].status
            allowed = sorted(to for start, to in TASK_TRANSITIONS if start == was)
            if allowed:
                changes[task] = data.draw(st.sampled_from(allowed))
        self.db.execute(
            "update public.job_tasks as t set status = c.status, "
            "retry_count = t.retry_count + case when c.status = 'pending' then 1 else 0 end "
            "from unnest(%s::bigint[], %s::text[]) as c (id, status) where t.id = c.id",
            [list(changes), list(changes.values())],
        )
        for task, status in changes.items():
            self.board.tasks[task].status = status

    @precondition(lambda self: self.board.tasks)
    @rule(data=st.data())
    def move_tasks_between_jobs(self, data: st.DataObject) -> None:
        held = {card.task for card in self.board.cards.values()}
        moves = {task: self.a_job(data) for task in self.some(data, sorted(set(self.board.tasks) - held))}
        # a batch of its own each, so that no place is taken
        batches = range(self.steps, self.steps + len(moves))
        self.steps += len(moves)
        self.db.execute(
            "update public.job_tasks as t set job_id = m.job, batch = m.batch "
            "from unnest(%s::bigint[], %s::uuid[], %s::int[]) as m (id, job, batch) where t.id = m.id",
            [list(moves), list(moves.values()), list(batches)],
        )
        for task, job in moves.items():
            self.board.tasks[task].job = job

    @precondition(lambda self: self.board.tasks)
    @rule(data=st.data())
    def touch_what_is_not_counted(self, data: st.DataObject) -> None:
        self.db.execute(
            "update public.job_tasks set input = '{\"x\": 1}' where id = any(%s)",
            [self.some(data, sorted(self.board.tasks))],
        )

    @precondition(lambda self: self.board.tasks)
    @rule(data=st.data())
    def delete_tasks(self, data: st.DataObject) -> None:
        gone = self.some(data, sorted(self.board.tasks))
        self.db.execute("delete from public.job_tasks where id = any(%s)", [gone])
        for task in gone:
            del self.board.tasks[task]
        for card in self.board.cards.values():
            card.task = None if card.task in gone else card.task

    @rule(data=st.data(), count=st.integers(1, 5))
    def add_cards(self, data: st.DataObject, count: int) -> None:
        new = {}
        for _ in range(count):
            job = data.draw(st.sampled_from([None, *self.jobs]))
            tasks = [
                None,
                *(key for key, task in sorted(self.board.tasks.items()) if job is not None and task.job == job),
            ]
            new[uuid4()] = Card(
                job,
                data.draw(st.sampled_from(CARD_TYPES)),
                data.draw(st.sampled_from(CARD_STATES)),
                data.draw(st.sampled_from(tasks)),
            )
        self.db.execute(
            "insert into public.kanban_cards (id, org_id, title, type, state, job_id, task_id) "
            "select c.id, %s, 'x', c.type, c.state, c.job, c.task "
            "from unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::bigint[]) "
            "as c (id, type, state, job, task)",
            [
                self.cast.org_a,
                list(new),
                [card.type for card in new.values()],
                [card.state for card in new.values()],
                [card.job for card in new.values()],
                [card.task for card in new.values()],
            ],
        )
        self.board.cards |= new

    @precondition(lambda self: self.board.cards)
    @rule(data=st.data(), state=st.sampled_from(CARD_STATES), new_type=st.sampled_from([None, *CARD_TYPES]))
    def change_cards(self, data: st.DataObject, state: str, new_type: str | None) -> None:
        some = self.some(data, list(self.board.cards))
        self.db.execute(
            "update public.kanban_cards set state = %s, type = coalesce(%s, type) where id = any(%s)",
            [state, new_type, some],
        )
        for card in some:
            self.board.cards[card].state = state
            self.board.cards[card].type = new_type or self.board.cards[card].type

    @precondition(lambda self: self.board.cards)
    @rule(data=st.data())
    def move_cards(self, data: st.DataObject) -> None:
        some = self.some(data, list(self.board.cards))
        job = data.draw(st.sampled_from([None, *self.jobs]))
        self.db.execute("update public.kanban_cards set job_id = %s, task_id = null where id = any(%s)", [job, some])
        for card in some:
            self.board.cards[card].job = job
            self.board.cards[card].task = None

    @precondition(lambda self: self.board.cards)
    @rule(data=st.data())
    def delete_cards(self, data: st.DataObject) -> None:
        gone = self.some(data, list(self.board.cards))
        self.db.execute("delete from public.kanban_cards where id = any(%s)", [gone])
        for card in gone:
            del self.board.cards[card]

    @rule(data=st.data(), ended=st.sampled_from([None, "2025-11-03 10:00+00", "2025-11-04 11:30+00"]))
    def add_a_run(self, data: st.DataObject, ended: str | None) -> None:
        job = data.draw(st.sampled_from([None, *self.jobs]))
        row = self.db.execute(
            "insert into public.agent_runs (org_id, mode, job_id, ended_at) values (%s, 'draft', %s, %s) "
            "returning id, ended_at",
            [self.cast.org_a, job, ended],
        ).fetchone()
        assert row is not None
        self.board.runs[row[0]] = Run(job, row[1])

    @rule(data=st.data())
    def delete_a_job(self, data: st.DataObject) -> None:
        job = self.a_job(data)
        self.db.execute("delete from public.jobs where id = %s", [job])
        self.board.tasks = {key: task for key, task in self.board.tasks.items() if task.job != job}
        for card in self.board.cards.values():
            if card.job == job:
                card.job = card.task = None
        for run in self.board.runs.values():
            run.job = None if run.job == job else run.job
        self.jobs[self.jobs.index(job)] = new_job(self.db, self.cast.org_a)

    @rule()
    def metrics_agree_once_refreshed(self) -> None:
        with self.db.as_service_role():
            self.db.execute("select public.refresh_job_metrics()")
        with self.db.as_user(self.cast.member_a), self.db.cursor(row_factory=dict_row) as cursor:
            metrics = {row["job_id"]: row for row in cursor.execute("select * from public.job_metrics").fetchall()}
            assert set(metrics) == set(self.jobs), "one row a job"
            for job in self.jobs:
                expected = self.board.metrics(job)
                assert {name: metrics[job][name] for name in expected} == expected

    @invariant()
    def progress_is_live(self) -> None:
        with self.db.as_user(self.cast.member_both):
            for job in self.jobs:
                assert one(self.db, "select public.get_job_progress(%s)", [job]) == self.board.progress(job)

    @invariant()
    def counters_are_exact(self) -> None:
        with self.db.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("select * from public.jobs where org_id = %s", [self.cast.org_a]).fetchall()
        kept = {row["id"]: {name: row[name] for name in COUNTERS} for row in rows}
        assert kept == {job: self.board.counters(job) for job in self.jobs}

    @invariant()
    def links_are_kept(self) -> None:
        rows = self.db.execute(
            "select id, job_id, task_id from public.kanban_cards where org_id = %s", [self.cast.org_a]
        ).fetchall()
        assert {row[0]: row[1:] for row in rows} == {key: (c.job, c.task) for key, c in self.board.cards.items()}


def test_counters_metrics_and_progress_are_exact_whatever_happens_to_tasks_and_cards(example: Example) -> None:
    run_state_machine_as_test(partial(Bookkeeping, example))  # type: ignore[arg-type] # a factory, as documented


def test_every_state_and_type_of_a_card_is_counted_when_it_comes_changes_moves_and_goes(db: Session) -> None:
    cast = settle(db)
    jobs = [new_job(db, cast.org_a) for _ in range(2)]
    board = Board()

    def check() -> None:
        with db.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute("select * from public.jobs").fetchall():
                assert {name: row[name] for name in COUNTERS} == board.counters(row["id"])

    for kind in CARD_TYPES:
        for state in CARD_STATES:
            insert = (
                "insert into public.kanban_cards (org_id, title, type, state, job_id) "
                "values (%s, 'x', %s, %s, %s) returning id"
            )
            card = one(db, insert, [cast.org_a, kind, state, jobs[0]])
            board.cards[card] = Card(jobs[0], kind, state)
            check()
    for before, after in zip(CARD_STATES, [*CARD_STATES[1:], CARD_STATES[0]], strict=True):
        for card, known in board.cards.items():
            if known.state == before and known.job == jobs[0]:
                db.execute(
                    "update public.kanban_cards set state = %s, job_id = %s where id = %s", [after, jobs[1], card]
                )
                board.cards[card] = Card(jobs[1], known.type, after)
        check()
    for state in CARD_STATES:
        db.execute("delete from public.kanban_cards where state = %s", [state])
        board.cards = {card: known for card, known in board.cards.items() if known.state != state}
        check()


def test_every_status_of_a_task_is_counted_when_it_changes_moves_and_goes(db: Session) -> None:
    cast = settle(db)
    jobs = [new_job(db, cast.org_a) for _ in range(2)]
    board = Board()
    ways = {"pending": [], "running": ["running"], "done": ["running", "done"], "error": ["running", "error"]}
    ways["skipped"] = ["skipped"]

    def check() -> None:
        with db.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute("select * from public.jobs").fetchall():
                assert {name: row[name] for name in COUNTERS} == board.counters(row["id"])

    for batch, (end, way) in enumerate(ways.items()):
        tasks = new_tasks(db, jobs[0], [(batch, 0), (batch, 1)])
        for status in ["pending", *way]:
            db.execute("update public.job_tasks set status = %s where id = any(%s)", [status, tasks])
            board.tasks |= {task: Task(jobs[0], status) for task in tasks}
            check()
        db.execute("update public.job_tasks set job_id = %s where id = %s", [jobs[1], tasks[0]])
        board.tasks[tasks[0]] = Task(jobs[1], end)
        check()
    for task in list(board.tasks):
        db.execute("delete from public.job_tasks where id = %s", [task])
        del board.tasks[task]
        check()


def test_progress_counts_cards_and_tasks_not_groups_of_them(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    new_tasks(db, job, [(0, step) for step in range(3)])
    for state in ("suggested", "suggested", "done"):
        new_card(db, cast.org_a, job, state=state)
    with db.as_user(cast.member_a):
        assert one(db, "select public.get_job_progress(%s)", [job]) == {
            "total_tasks": 3,
            "tasks_by_status": {"pending": 3},
            "completion_rate": 0,
            "total_cards": 3,
            "by_state": {"suggested": 2, "done": 1},
            "by_type": {"send_email": 3},
        }


def test_truncating_sets_all_counters_of_the_jobs_that_remain_to_zero(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    tasks = new_tasks(db, job, [(0, 0), (0, 1)])
    db.execute("update public.job_tasks set status = 'running'")
    db.execute("update public.job_tasks set status = case when id = %s then 'done' else 'error' end", [tasks[0]])
    new_card(db, cast.org_a, job, tasks[0], state="done")
    new_card(db, cast.org_a, job, state="blocked")
    counters = f"select {', '.join(COUNTERS)} from public.jobs where id = %s"
    assert db.execute(counters.encode(), [job]).fetchone() == (2, 1, 1, 2, 1, 1, 1, 1)
    db.execute("truncate public.job_tasks cascade")
    assert db.execute(counters.encode(), [job]).fetchone() == (0,) * 8
    assert one(db, "select count(*) from public.kanban_cards") == 0


def test_truncating_cards_alone_leaves_the_counters_of_tasks(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    new_tasks(db, job, [(0, 0)])
    new_card(db, cast.org_a, job, state="executing")
    db.execute("truncate public.kanban_cards")
    assert db.execute("select total_tasks, cards_created, cards_approved from public.jobs").fetchone() == (1, 0, 0)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("table", ["job_tasks", "kanban_cards"])
def test_truncate_is_refused_where_it_takes_rows_that_the_transaction_cannot_see(
    clone: Clone, table: str, level: str
) -> None:
    with clone.connect() as db:
        db.execute(f"begin isolation level {level}".encode())
        assert outcome(db, f"truncate public.{table} cascade") == "0A000"
        db.execute("rollback; begin")
        assert outcome(db, f"truncate public.{table} cascade") == "ok"
        db.execute("rollback")


def test_duration_is_live_until_the_job_is_finished_and_null_before_it_has_started(db: Session) -> None:
    cast = settle(db)
    never, live, done = (new_job(db, cast.org_a) for _ in range(3))
    for job in (live, done):
        db.execute("update public.jobs set status = 'running' where id = %s", [job])
    db.execute("update public.jobs set status = 'failed' where id = %s", [done])
    with db.as_service_role():
        db.execute("select public.refresh_job_metrics()")
        rows: dict[UUID, Any] = dict(db.execute("select job_id, duration_seconds from public.job_metrics").fetchall())
        (expected,) = db.execute(
            "select extract(epoch from finished_at - started_at) from public.jobs where id = %s", [done]
        ).fetchone() or (None,)
    assert rows[never] is None
    assert rows[live] >= 0
    assert rows[done] == expected


def test_a_job_in_a_final_state_keeps_its_duration(clone: Clone) -> None:
    with clone.connect() as db:
        cast = settle(db)
        job = new_job(db, cast.org_a)
        db.execute("update public.jobs set status = 'running' where id = %s", [job])
        with db.as_service_role():
            db.execute("select public.refresh_job_metrics()")
        duration = "select duration_seconds from public.job_metrics where job_id = %s"
        with db.as_user(cast.member_a):
            first = one(db, duration, [job])
        with db.as_user(cast.member_a):
            assert one(db, duration, [job]) > first, "live: another transaction, a later now()"
        assert one(db, "select status from public.jobs where id = %s", [job]) not in FINAL


def test_metrics_are_as_of_refreshed_at(clone: Clone) -> None:
    with clone.connect() as db:
        cast = settle(db)
        db.execute("select public.refresh_job_metrics()")
        new_job(db, cast.org_a)
        query = "select count(*), max(refreshed_at) from public.job_metrics"

        def seen() -> Any:
            with db.as_user(cast.member_a):
                return db.execute(query).fetchone()

        assert seen() == (0, None)
        with db.as_service_role():
            db.execute("select public.refresh_job_metrics()")
        count, refreshed = seen()
        assert count == 1
        new_job(db, cast.org_a)
        assert seen() == (1, refreshed)
        with db.as_service_role():
            db.execute("select public.refresh_job_metrics()")
        count, later = seen()
        assert count == 2
        assert later > refreshed


def test_a_refresh_that_finds_nothing_new_writes_no_row_anew(clone: Clone) -> None:
    """Seen with ``refreshed_at`` as a column of the materialized view: its size doubled at every refresh."""
    with clone.connect() as db:
        cast = settle(db)
        for _ in range(50):
            new_job(db, cast.org_a)
        refresh = "select public.refresh_job_metrics()"
        places = "select array_agg(ctid::text order by job_id) from private.job_metrics_snapshot"
        db.execute(refresh)
        before = one(db, places)
        db.execute(refresh)
        assert one(db, places) == before


@pytest.mark.parametrize("function", ["get_job_cards", "get_job_progress"])
def test_reads_of_a_job_that_is_not_there_are_pt404(db: Session, function: str) -> None:
    cast = settle(db)
    with db.as_user(cast.member_a), pytest.raises(Exception, match="not found") as caught:
        db.execute(f"select public.{function}(%s)".encode(), [uuid4()])
    assert getattr(caught.value, "sqlstate", None) == "PT404"


def test_cards_of_a_job_come_newest_first_and_ties_by_id(db: Session) -> None:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    new_card(db, cast.org_a)
    cards = [new_card(db, cast.org_a, job) for _ in range(6)]
    db.execute(
        "update public.kanban_cards set created_at = '2025-11-03'::timestamptz "
        "+ (%s - array_position(%s::uuid[], id)) / 2 * interval '1 day' where job_id = %s",
        [len(cards), cards, job],
    )
    with db.as_user(cast.member_a):
        rows = db.execute("select id, created_at from public.get_job_cards(%s)", [job]).fetchall()
    assert sorted(row[0] for row in rows) == sorted(cards)
    assert rows == sorted(rows, key=lambda row: (-row[1].timestamp(), str(row[0])))
    assert len({row[1] for row in rows}) == 3
