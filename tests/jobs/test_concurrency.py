"""Sections 4, 5 and 6 under concurrency: what sessions do at once, in every order that their statements can have."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations_with_replacement, permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import IsolationLevel
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from pgassay import Clone, History, Identity, Stage, every_schedule, schedules
from pgassay.fixtures import Interleave
from pgassay.interleavings import DEADLOCK, SERIALIZATION_FAILURE, Step
from tests.jobs.cast import PARAMS, new_campaign, new_card, new_contacts, new_job, new_tasks, one, settle
from tests.jobs.model import COUNTERS, FINAL, JOB_TRANSITIONS, Board, Card, Task
from tests.jobs.test_isolation import CALLS

Values = Mapping[str, Any]
Parts = Mapping[str, Sequence[str]]

LEVELS = [None, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
every_level = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name.lower() if level else "default")


class Table:
    """A stage with an organisation, at which campaigns are played."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.owner = stage.owner
        self.cast = settle(stage.owner)
        self.member = Identity.user(self.cast.member_a)
        self.contacts = new_contacts(stage.owner, self.cast.org_a, 7)

    def play(
        self,
        values: Values,
        parts: Parts,
        schedule: Sequence[str],
        *,
        owners: Collection[str] = (),
        level: IsolationLevel | None = None,
    ) -> History:
        """Play with these values for the statements' parameters, and see that all promises hold afterwards.

        Each session is a member's, but those of ``owners``.
        """
        steps: dict[str, list[Step]] = {
            name: [step if step in ("commit", "rollback") else (step, values) for step in part]
            for name, part in parts.items()
        }
        identities = {name: self.member for name in parts if name not in owners}
        history = self.stage.play(steps, schedule, identities=identities, isolation_level=level)
        self.check([values["job"], values.get("other")])
        return history

    def check(self, jobs: list[UUID | None]) -> None:
        """Exact counters, no pending task in a final job, and timestamps as section 4 has them."""
        with self.owner.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute("select * from public.jobs where id = any(%s)", [jobs]).fetchall()
            tasks = cursor.execute("select * from public.job_tasks where job_id = any(%s)", [jobs]).fetchall()
            cards = cursor.execute("select * from public.kanban_cards where job_id = any(%s)", [jobs]).fetchall()
        board = Board(
            {task["id"]: Task(task["job_id"], task["status"]) for task in tasks},
            {card["id"]: Card(card["job_id"], card["type"], card["state"], card["task_id"]) for card in cards},
        )
        for job in found:
            assert {name: job[name] for name in COUNTERS} == board.counters(job["id"])
            final = job["status"] in FINAL
            assert (job["finished_at"] is not None) == final
            if final:
                assert all(task.status != "pending" for task in board.tasks_of(job["id"]))
            if job["status"] in ("running", "paused", "succeeded", "failed"):
                assert job["started_at"] is not None
            if job["started_at"] is not None:
                assert job["last_run_at"] >= job["started_at"]
                assert not final or job["finished_at"] >= job["started_at"]

    def state(self, values: Values) -> Any:
        """A job and its tasks, without what differs from one campaign to the next."""
        job = self.owner.execute(
            "select status, started_at is null, finished_at is null, last_run_at is null "
            "from public.jobs where id = %(job)s",
            values,
        ).fetchall()
        tasks = self.owner.execute(
            "select batch, step, kind, status, retry_count, output, error_message, input ->> 'contact_id' "
            "from public.job_tasks where job_id = %(job)s order by batch, step",
            values,
        ).fetchall()
        return job, tasks


def serial_orders(parts: Parts) -> Iterator[list[str]]:
    for order in permutations(parts):
        yield [name for name in order for _ in parts[name]]


# Functions, each as a member's

FUNCTIONS = {
    "start": "select public.transition_job_status(%(job)s, 'running')",
    "pause": "select public.transition_job_status(%(job)s, 'paused')",
    "succeed": "select public.transition_job_status(%(job)s, 'succeeded')",
    "fail": "select public.transition_job_status(%(job)s, 'failed')",
    "cancel": "select public.cancel_job(%(job)s)",
    "plan": "select public.plan_next_batch(%(job)s)",
    "claim": "select batch, step, status from public.claim_tasks(%(job)s, 2)",
    "finish a task": "select public.finish_task(%(running)s, '{}')",
    "fail a task": "select public.fail_task(%(running)s, 'x')",
    "retry a task": "select public.retry_task(%(failed)s)",
    "insert a task": "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 7, 7, 'research')",
}


def told(history: History, name: str) -> Any:
    """What a session's call came to. To claim nothing, and to hear that nothing is to be claimed, are the same."""
    result = history.of(name)[0]
    if result.statement == FUNCTIONS["claim"] and not result.rows:
        return "nothing"
    return result.outcome, result.rows


def is_like_a_serial_order(table: Table, parts: Parts, interleaved: list[tuple[str, ...]]) -> None:
    """The serial orders are played on the schema, too: that it is right then is what the other tests are for."""

    def play(schedule: Sequence[str]) -> Any:
        values = new_campaign(table.owner, table.cast.org_a)
        history = table.play(values, parts, schedule)
        assert not history.failures(DEADLOCK)
        return {name: told(history, name) for name in parts}, table.state(values)

    serial = [play(schedule) for schedule in serial_orders(parts)]
    for schedule in interleaved:
        assert play(schedule) in serial, serial


@pytest.mark.parametrize("first", FUNCTIONS)
def test_two_calls_at_once_do_what_one_after_the_other_would(interleave: Interleave, first: str) -> None:
    names = list(FUNCTIONS)
    with interleave() as stage:
        table = Table(stage)
        for second in names[names.index(first) :]:
            parts = {"a": [FUNCTIONS[first], "commit"], "b": [FUNCTIONS[second], "commit"]}
            serial = list(serial_orders(parts))
            is_like_a_serial_order(table, parts, [s for s in every_schedule(parts) if list(s) not in serial])


@given(data=st.data(), names=st.tuples(*[st.sampled_from(list(FUNCTIONS))] * 3))
def test_three_calls_at_once_do_what_one_after_the_other_would(
    interleave: Interleave, data: st.DataObject, names: tuple[str, ...]
) -> None:
    parts = {session: [FUNCTIONS[name], "commit"] for session, name in zip("abc", names, strict=True)}
    schedule = data.draw(schedules(parts))
    with interleave() as stage:
        is_like_a_serial_order(Table(stage), parts, [schedule])


@pytest.mark.parametrize("ending", ["cancel", "fail"])
@pytest.mark.parametrize("other", ["claim", "plan", "insert a task", "retry a task", "finish a task"])
def test_whoever_is_rolled_back_no_task_is_pending_in_a_final_job_or_claimed_from_it(
    interleave: Interleave, ending: str, other: str
) -> None:
    with interleave() as stage:
        table = Table(stage)
        for ends in (("commit", "commit"), ("commit", "rollback"), ("rollback", "commit")):
            parts = {"ending": [FUNCTIONS[ending], ends[0]], "other": [FUNCTIONS[other], ends[1]]}
            for schedule in every_schedule(parts):
                values = new_campaign(table.owner, table.cast.org_a)
                history = table.play(values, parts, schedule)
                assert history.outcomes("ending") == ["ok", "ok"]
                assert not history.failures(DEADLOCK)
                status = one(table.owner, "select status from public.jobs where id = %(job)s", values)
                assert (status in FINAL) == (ends[0] == "commit")
                if other == "claim" and schedule[:2] == ("ending", "ending") and ends[0] == "commit":
                    assert history.outcomes("other")[0] == "PT409"


def test_a_pending_task_that_changes_places_with_another_is_pending_in_no_final_job(interleave: Interleave) -> None:
    """No counter and no number of pending tasks changes by that, and the job is locked all the same."""
    swap = (
        "update public.job_tasks set batch = batch + 5, "
        "job_id = case job_id when %(job)s::uuid then %(other)s::uuid else %(job)s::uuid end "
        "where id in (%(pending)s, %(coming)s)"
    )
    with interleave() as stage:
        table = Table(stage)
        parts = {"ending": [FUNCTIONS["cancel"], "commit"], "swap": [swap, "commit"]}
        for schedule in every_schedule(parts):
            values = new_campaign(table.owner, table.cast.org_a)
            other = new_job(table.owner, table.cast.org_a)
            (coming,) = new_tasks(table.owner, other, [(0, 0)])
            history = table.play({**values, "other": other, "coming": coming}, parts, schedule, owners=["swap"])
            assert history.outcomes("ending")[0] in ("ok", DEADLOCK)
            assert history.outcomes("swap")[0] in ("ok", "PT409", DEADLOCK)


def test_claims_on_one_job_share_its_tasks_and_do_not_wait_for_each_other(interleave: Interleave) -> None:
    with interleave() as stage:
        table = Table(stage)
        parts = {name: ["select id from public.claim_tasks(%(job)s, 2)", "commit"] for name in "abc"}
        for schedule in every_schedule(parts):
            values = new_campaign(table.owner, table.cast.org_a)
            new_tasks(table.owner, values["job"], [(1, step) for step in range(4)])
            history = table.play(values, parts, schedule)
            assert not any(result.waited_for for result in history.results)
            claimed = [row[0] for result in history.results for row in result.rows]
            assert len(claimed) == len(set(claimed)) == 5


def test_a_claim_that_waited_hands_out_nothing_of_a_job_that_was_paused_meanwhile(interleave: Interleave) -> None:
    """The table's lock makes it wait between its look at the job and the tasks; a pause does not touch the tasks."""
    parts = {
        "holder": ["lock table public.job_tasks in exclusive mode", "commit"],
        "claim": [FUNCTIONS["claim"], "commit"],
        "pause": [FUNCTIONS["pause"], "commit"],
    }
    with interleave() as stage:
        table = Table(stage)
        for ending, outcome in (("commit", "PT409"), ("rollback", "ok")):
            parts["pause"][1] = ending
            values = new_campaign(table.owner, table.cast.org_a)
            schedule = ["holder", "claim", "pause", "pause", "holder", "claim"]
            history = table.play(values, parts, schedule, owners=["holder"])
            assert history.of("claim")[0].waited_for == ("holder",)
            assert history.outcomes("claim")[0] == outcome
            left = one(table.owner, "select status from public.job_tasks where id = %(pending)s", values)
            assert left == ("pending" if outcome == "PT409" else "running")


def test_two_plans_make_two_batches_and_plan_no_contact_twice(interleave: Interleave) -> None:
    with interleave() as stage:
        table = Table(stage)
        parts = {name: [FUNCTIONS["plan"], "commit"] for name in "abc"}
        planned = (
            "select batch, count(*), array_agg(input ->> 'contact_id') from public.job_tasks "
            "where job_id = %(job)s and batch > 0 group by batch order by batch"
        )
        for schedule in every_schedule(parts):
            values = new_campaign(table.owner, table.cast.org_a)
            history = table.play(values, parts, schedule)
            assert sorted(history.of(name)[0].rows for name in parts) == [((0,),), ((2,),), ((5,),)]
            rows = table.owner.execute(planned.encode(), values).fetchall()
            assert [row[:2] for row in rows] == [(1, 5), (2, 2)]
            assert sorted(contact for row in rows for contact in row[2]) == sorted(table.contacts)


# Status changes against the model, at every isolation level, directly too

STATUSES = ("running", "paused", "succeeded", "failed", "cancelled")
MOVES = {
    **{to: f"select public.transition_job_status(%(job)s, '{to}')" for to in STATUSES},
    "cancel_job": FUNCTIONS["cancel"],
    **{f"update to {to}": f"update public.jobs set status = '{to}' where id = %(job)s" for to in STATUSES},
}
TO_START = {"pending": [], "running": ["running"], "paused": ["running", "paused"]}


def expected(move: str, status: str) -> tuple[str, str]:
    """Section 4: what a call or direct update is answered, and the status afterwards."""
    to = "cancelled" if move == "cancel_job" else move.removeprefix("update to ")
    if to == status and (move == "cancel_job" or move.startswith("update")):
        return "ok", status
    return ("ok", to) if (status, to) in JOB_TRANSITIONS else ("PT409", status)


def explains(order: Sequence[str], moves: Mapping[str, str], history: History, start: str, end: str) -> bool:
    """Whether the model, going through the sessions in this order, comes to what was seen."""
    status = start
    for name in order:
        move, ending = history.of(name)
        if move.sqlstate == SERIALIZATION_FAILURE:
            continue
        answer, after = expected(moves[name], status)
        if move.outcome != answer:
            return False
        if ending.tag == "COMMIT":
            status = after
    return status == end


def play_moves(
    table: Table,
    start: str,
    moves: Mapping[str, str],
    endings: Sequence[str],
    level: IsolationLevel | None,
    interleaved: list[tuple[str, ...]] | None = None,
) -> None:
    parts = {name: [MOVES[move], ending] for (name, move), ending in zip(moves.items(), endings, strict=True)}
    owners = [name for name, move in moves.items() if move.startswith("update")]
    for schedule in interleaved or every_schedule(parts):
        job = new_job(table.owner, table.cast.org_a)
        for status in TO_START[start]:
            table.owner.execute("update public.jobs set status = %s where id = %s", [status, job])
        history = table.play({"job": job}, parts, schedule, owners=owners, level=level)
        end = one(table.owner, "select status from public.jobs where id = %s", [job])
        assert any(explains(order, moves, history, start, end) for order in permutations(parts)), end
        assert level is not None or not history.failures(SERIALIZATION_FAILURE)


@pytest.mark.parametrize("start", TO_START)
@every_level
def test_two_status_changes_at_once_are_serialised(
    interleave: Interleave, start: str, level: IsolationLevel | None
) -> None:
    with interleave() as stage:
        table = Table(stage)
        for first, second in combinations_with_replacement([*STATUSES, "cancel_job"], 2):
            play_moves(table, start, {"a": first, "b": second}, ["commit", "commit"], level)


@given(
    start=st.sampled_from(list(TO_START)),
    moves=st.tuples(*[st.sampled_from(list(MOVES))] * 3),
    endings=st.tuples(*[st.sampled_from(["commit", "rollback"])] * 3),
    level=st.sampled_from(LEVELS),
    data=st.data(),
)
def test_three_status_changes_at_once_are_serialised(
    interleave: Interleave,
    start: str,
    moves: tuple[str, ...],
    endings: tuple[str, ...],
    level: IsolationLevel | None,
    data: st.DataObject,
) -> None:
    named = dict(zip("abc", moves, strict=True))
    parts = {name: ["", ""] for name in named}
    schedule = data.draw(schedules(parts))
    with interleave() as stage:
        play_moves(Table(stage), start, named, endings, level, [schedule])


@pytest.mark.parametrize("endings", [("rollback", "commit"), ("commit", "rollback")])
def test_a_status_change_that_is_rolled_back_lets_the_other_one_win(
    interleave: Interleave, endings: tuple[str, ...]
) -> None:
    with interleave() as stage:
        table = Table(stage)
        for first, second in combinations_with_replacement(["paused", "failed", "cancel_job"], 2):
            play_moves(table, "running", {"a": first, "b": second}, endings, None)


# Plain statements on tasks and cards, as the owner: counters stay exact

PLAIN = {
    "insert tasks": (
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "values (%(job)s, 8, 0, 'research'), (%(other)s, 8, 0, 'research')"
    ),
    "start tasks": (
        "update public.job_tasks set status = 'running' where job_id in (%(job)s, %(other)s) and status = 'pending'"
    ),
    "finish a task": "update public.job_tasks set status = 'done' where id = %(running)s",
    "retry a task": (
        "update public.job_tasks set status = 'pending', retry_count = retry_count + 1 "
        "where id = %(failed)s and status = 'error'"
    ),
    "move a task": "update public.job_tasks set job_id = %(other)s, batch = 9 where id = %(failed)s",
    "delete tasks": "delete from public.job_tasks where id in (%(pending)s, %(running)s)",
    "insert a card": (
        "insert into public.kanban_cards (org_id, type, title, state, job_id) "
        "values (%(org)s, 'send_email', 'x', 'done', %(other)s)"
    ),
    "change cards": "update public.kanban_cards set state = 'blocked' where job_id in (%(job)s, %(other)s)",
    "move a card": "update public.kanban_cards set job_id = %(other)s, task_id = null where id = %(card)s",
    "delete a card": "delete from public.kanban_cards where id = %(card)s",
    "cancel the job": "update public.jobs set status = 'cancelled' where id = %(job)s and status = 'running'",
    "delete the other job": "delete from public.jobs where id = %(other)s",
}
# one that SQL does not let do what it was asked is no fault of the counters: a place taken, a job gone or final
CLEAN = {"ok", "23505", "23503", "PT409", DEADLOCK, "25P02"}


def two_jobs(table: Table) -> Values:
    values = new_campaign(table.owner, table.cast.org_a)
    other = new_campaign(table.owner, table.cast.org_a)["job"]
    card = new_card(table.owner, table.cast.org_a, values["job"], values["running"])
    return {**values, "other": other, "card": card}


@pytest.mark.parametrize("first", PLAIN)
def test_counters_are_exact_after_any_two_statements_at_once(interleave: Interleave, first: str) -> None:
    names = list(PLAIN)
    with interleave() as stage:
        table = Table(stage)
        for second in names[names.index(first) :]:
            for ending in ("commit", "rollback"):
                parts = {"a": [PLAIN[first], "commit"], "b": [PLAIN[second], ending]}
                for schedule in every_schedule(parts):
                    history = table.play(two_jobs(table), parts, schedule, owners=parts)
                    assert {result.outcome for result in history.results} <= CLEAN


@given(
    parts=st.fixed_dictionaries(
        {
            name: st.lists(st.sampled_from(list(PLAIN)), min_size=1, max_size=2).flatmap(
                lambda names: st.sampled_from(["commit", "rollback"]).map(lambda end: [*names, end])
            )
            for name in "abc"
        }
    ),
    data=st.data(),
)
def test_counters_are_exact_after_three_transactions_at_once(
    interleave: Interleave, parts: dict[str, list[str]], data: st.DataObject
) -> None:
    schedule = data.draw(schedules(parts))
    with interleave() as stage:
        table = Table(stage)
        statements = {name: [PLAIN.get(step, step) for step in part] for name, part in parts.items()}
        history = table.play(two_jobs(table), statements, schedule, owners=parts)
        assert {result.outcome for result in history.results} <= CLEAN


def test_statements_in_opposite_orders_may_deadlock_and_then_nothing_of_the_victim_stays(
    interleave: Interleave,
) -> None:
    """Section 6. The victim's place is where the other one's statements alone would have led."""
    change = "update public.kanban_cards set state = 'done' where id = %({})s"
    parts = {"a": [change.format("one"), change.format("two")], "b": [change.format("two"), change.format("one")]}
    parts = {name: [*part, "commit"] for name, part in parts.items()}
    with interleave() as stage:
        table = Table(stage)
        deadlocks = 0
        for schedule in every_schedule(parts):
            jobs = [new_job(table.owner, table.cast.org_a) for _ in range(2)]
            one_card, two = (new_card(table.owner, table.cast.org_a, job) for job in jobs)
            values = {"job": jobs[0], "other": jobs[1], "one": one_card, "two": two}
            history = table.play(values, parts, schedule, owners=parts)
            victims = history.failures(DEADLOCK)
            deadlocks += len(victims)
            assert len(victims) <= 1
            states = table.owner.execute(
                "select state from public.kanban_cards where id in (%(one)s, %(two)s)", values
            ).fetchall()
            assert states == [("done",), ("done",)], "the other one's changes are there"
        assert deadlocks > 0


def test_one_place_is_taken_by_one_of_two(interleave: Interleave) -> None:
    insert = "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 3, 3, 'research')"
    with interleave() as stage:
        table = Table(stage)
        for ending in ("commit", "rollback"):
            parts = {"a": [insert, ending], "b": [insert, "commit"]}
            for schedule in every_schedule(parts):
                values = new_campaign(table.owner, table.cast.org_a)
                history = table.play(values, parts, schedule)
                outcomes = {name: history.outcomes(name)[0] for name in parts}
                places = one(
                    table.owner, "select count(*) from public.job_tasks where job_id = %(job)s and step = 3", values
                )
                taken = [name for name in parts if outcomes[name] == "ok" and history.of(name)[1].tag == "COMMIT"]
                assert len(taken) == places <= 1
                assert set(outcomes.values()) <= {"ok", "23505"}
                if ending == "commit":
                    assert sorted(outcomes.values()) == ["23505", "ok"]


def test_two_refreshes_at_once_do_not_fail_and_keep_no_reader_waiting(interleave: Interleave) -> None:
    refresh = "select public.refresh_job_metrics()"
    parts: dict[str, list[Step]] = {
        "a": [refresh, "commit"],
        "b": [refresh, "commit"],
        "reader": ["select count(*) from public.job_metrics", "commit"],
    }
    with interleave() as stage:
        table = Table(stage)
        identities = {
            "a": Identity.service_role(),
            "b": Identity.service_role(),
            "reader": Identity.user(table.cast.member_a),
        }
        for schedule in every_schedule(parts):
            job = new_job(table.owner, table.cast.org_a)
            history = stage.play(parts, schedule, identities=identities)
            assert {result.outcome for result in history.results} == {"ok"}
            assert not history.of("reader")[0].waited_for
            seen = one(table.owner, "select count(*) from private.job_metrics_snapshot where job_id = %s", [job])
            assert seen == 1


@pytest.mark.parametrize("call", CALLS)
def test_nobody_waits_for_a_row_of_another_organisation(interleave: Interleave, call: str) -> None:
    lock = "select from public.jobs, public.job_tasks where jobs.id = %(job)s and job_id = %(job)s for update"
    with interleave() as stage:
        table = Table(stage)
        values = new_campaign(table.owner, table.cast.org_b)
        parts: dict[str, list[Step]] = {
            "owner": [(lock, values), "commit"],
            "stranger": [(CALLS[call], values), "commit"],
        }
        history = stage.play(parts, ["owner", "stranger", "stranger", "owner"], identities={"stranger": table.member})
        assert history.of("stranger")[0].sqlstate == "PT404"
        assert not any(result.waited_for for result in history.results)


WAYS_TO_WAIT = {
    "the job's row": "select from public.jobs where id = %(job)s for update",
    "tasks' rows": "select from public.job_tasks where job_id = %(job)s for update",
    "the tasks": "lock table public.job_tasks in exclusive mode",
}
WAITING = [
    *[(call, "the job's row") for call in CALLS if not call.startswith("get_")],
    *[(call, "tasks' rows") for call in CALLS if call.endswith("_task")],
    ("claim_tasks", "the tasks"),
]


@pytest.mark.parametrize(("call", "way"), WAITING)
def test_who_is_no_member_any_more_when_the_waiting_ends_has_changed_nothing(
    interleave: Interleave, call: str, way: str
) -> None:
    leave = "delete from public.organization_members where user_id = %(member)s"
    with interleave() as stage:
        table = Table(stage)
        for ending, outcome in (("commit", "PT404"), ("rollback", "ok")):
            values = {**new_campaign(table.owner, table.cast.org_a), "member": table.cast.member_both}
            before = table.state(values)
            parts: dict[str, list[Step]] = {
                "holder": [(WAYS_TO_WAIT[way], values), "commit"],
                "member": [(CALLS[call], values), "commit"],
                "owner": [(leave, values), ending],
            }
            schedule = ["holder", "member", "owner", "owner", "holder", "member"]
            identities = {"member": Identity.user(table.cast.member_both)}
            history = stage.play(parts, schedule, identities=identities)
            assert history.of("member")[0].waited_for == ("holder",)
            assert history.outcomes("member")[0] == outcome
            assert (table.state(values) == before) == (outcome == "PT404")
            table.owner.execute(
                "insert into public.organization_members (organization_id, user_id) "
                "values (%(org)s, %(member)s) on conflict do nothing",
                values,
            )


def work(clone: Clone, member: UUID, job: UUID, errors: list[BaseException]) -> None:
    """A worker: finishes what it claims, and plans more, until there is nothing left."""
    try:
        with clone.connect() as session:
            session.become(Identity.user(member))
            while True:
                tasks = session.execute("select id, input from public.claim_tasks(%s, 7)", [job]).fetchall()
                for number, (task, _) in enumerate(tasks):
                    if number == 3:
                        session.execute("select public.fail_task(%s, 'try again')", [task])
                        session.execute("select public.retry_task(%s)", [task])
                    else:
                        session.execute("select public.finish_task(%s, '{}')", [task])
                if not tasks and one(session, "select public.plan_next_batch(%s)", [job]) == 0:
                    left = "select count(*) from public.job_tasks where job_id = %s and status = 'pending'"
                    if one(session, left, [job]) == 0:
                        return
    except BaseException as error:
        errors.append(error)


def test_a_campaign_that_several_workers_run_at_once_drafts_every_contact_once_a_day(clone: Clone) -> None:
    days, workers = 3, 4
    with clone.connect() as owner, clone.connect() as session:
        cast = settle(owner)
        contacts = new_contacts(owner, cast.org_a, 60)
        new_contacts(owner, cast.org_b, 10)
        session.become(Identity.user(cast.member_a))
        params = {**PARAMS, "cadence": {f"day{day}": True for day in range(days)}, "batch_size": 20}
        job = one(session, "select (public.create_job(%s, 'Campaign', null, %s)).id", [cast.org_a, Jsonb(params)])
        session.execute("select public.transition_job_status(%s, 'running')", [job])
        errors: list[BaseException] = []
        threads = [threading.Thread(target=work, args=[clone, cast.member_a, job, errors]) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        session.execute("select public.transition_job_status(%s, 'succeeded')", [job])
        drafted = Counter(
            owner.execute(
                "select (input -> 'day')::int, input ->> 'contact_id' from public.job_tasks where status = 'done'"
            ).fetchall()
        )
        assert drafted == Counter({(day, contact): 1 for day in range(days) for contact in contacts})
        counters = "select status, total_tasks, completed_tasks, failed_tasks from public.jobs"
        assert owner.execute(counters).fetchall() == [("succeeded", len(drafted), len(drafted), 0)]
