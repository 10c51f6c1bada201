"""Sections 4, 6 and 9 at all isolation levels: what two or three sessions do at once, some of which see the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pgassay import History, schedules
from pgassay.fixtures import Interleave
from pgassay.interleavings import DEADLOCK, SERIALIZATION_FAILURE
from tests.jobs.cast import PARAMS, new_campaign, one
from tests.jobs.model import FINAL
from tests.jobs.test_concurrency import Table
from tests.sampling import some

READ, REPEAT, SERIAL = "read committed", "repeatable read", "serializable"
LEVELS = [(REPEAT, REPEAT), (SERIAL, SERIAL), (READ, REPEAT), (SERIAL, READ)]
COMER = UUID(int=2**128 - 2**64 - 1)  # of the highest id, and no planned batch is full before it

# each as a member's
OPERATIONS = {
    "claim": "select id from public.claim_tasks(%(job)s, 2)",
    "finish": "select public.finish_task(%(running)s, '{}')",
    "fail": "select public.fail_task(%(running)s, 'x')",
    "retry": "select public.retry_task(%(failed)s)",
    "pause": "select public.transition_job_status(%(job)s, 'paused')",
    "succeed": "select public.transition_job_status(%(job)s, 'succeeded')",
    "fail the job": "select public.transition_job_status(%(job)s, 'failed')",
    "cancel": "select public.cancel_job(%(job)s)",
    "plan": "select public.plan_next_batch(%(job)s)",
    "insert": "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 7, 7, 'research')",
    "delete": "delete from public.job_tasks where id in (%(pending)s, %(running)s)",
    "contact": (
        "insert into public.contacts (id, org_id, email, target_group) values (%(comer)s, %(org)s, 'a@b.c', 'AMC')"
    ),
}
NOT_RUNNING = ("pause", "succeed", "fail the job", "cancel")
SNAPSHOT = "select count(*) from public.jobs"
# An operation of its own is the third statement of each. The first session sees what was there before the second began.
AFTER = ["a", "a", "b", "b", "b", "b", "a", "a"]
WHILE = ["a", "a", "b", "b", "b", "a", "b", "a"]


def campaign(table: Table) -> dict[str, Any]:
    """A running job with tasks in three states, of which nothing is planned, and no contact from an earlier play."""
    table.owner.execute("delete from public.contacts where id = %s", [COMER])
    values = new_campaign(table.owner, table.cast.org_a)
    params = Jsonb({**PARAMS, "batch_size": 10})
    table.owner.execute("update public.jobs set params = %s where id = %s", [params, values["job"]])
    return {**values, "comer": COMER}


def allowed(name: str, level: str, others: Sequence[str]) -> set[str]:
    """What an operation may be answered beside others."""
    if name == "claim" and level != READ:
        return {"0A000"}
    answers = {"ok"}
    if name != "contact" and name != "delete":
        answers.add("PT409")
    if name in ("finish", "fail") and "delete" in others:
        answers.add("PT404")
    if name in ("insert", "contact") and name in others:
        answers.add("23505")
    if level != READ:
        answers.add(SERIALIZATION_FAILURE)
    return answers


def play(
    table: Table, names: Mapping[str, str], levels: Mapping[str, str], schedule: Sequence[str]
) -> tuple[History, Any]:
    """What came of it, and what is left; all that has to hold in any case does."""
    parts = {
        session: [f"set transaction isolation level {levels[session]}", SNAPSHOT, OPERATIONS[name], "commit"]
        for session, name in names.items()
    }
    values = campaign(table)
    history = table.play(values, parts, schedule)
    assert not history.failures(DEADLOCK)
    claimed: list[int] = []
    for session, name in names.items():
        call, ending = history.of(session)[2:]
        others = [other for key, other in names.items() if key != session]
        assert call.outcome in allowed(name, levels[session], others), (name, levels[session])
        assert ending.outcome in {"ok", SERIALIZATION_FAILURE if levels[session] == SERIAL else "ok"}
        claimed += [row[0] for row in call.rows if name == "claim" and ending.tag == "COMMIT"]
    assert len(set(claimed)) == len(claimed), "no task is claimed twice"
    kept = "select count(*) from public.job_tasks where id = any(%s) and status in ('pending', 'skipped')"
    assert one(table.owner, kept, [claimed]) == 0, "who is handed a task keeps it"
    twice = (
        "select count(*) from (select from public.job_tasks where job_id = %(job)s and input ? 'contact_id' "
        "group by input -> 'day', input -> 'contact_id' having count(*) > 1) as t"
    )
    assert one(table.owner, twice, values) == 0, "no contact is planned twice a day"
    return history, table.state(values)


def succeeded(history: History) -> list[str]:
    return [session for session in set(history.schedule) if history.of(session)[3].tag == "COMMIT"]


class Serial:
    """What operations leave behind, one after the other, at the level of every day; played once each."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.known: dict[tuple[str, ...], Any] = {}

    def left(self, names: tuple[str, ...]) -> Any:
        if names not in self.known:
            sessions = dict(zip("xyz", names, strict=False))
            schedule = [session for session in sessions for _ in range(4)]
            self.known[names] = play(self.table, sessions, dict.fromkeys(sessions, READ), schedule)[1]
        return self.known[names]


@pytest.mark.parametrize("first", OPERATIONS)
def test_two_sessions_at_any_level_leave_what_those_that_succeed_leave_one_after_the_other(
    interleave: Interleave, first: str
) -> None:
    """The others are told to try again, or that it is not allowed any more."""
    cases = [(second, levels, schedule) for second in OPERATIONS for levels in LEVELS for schedule in (AFTER, WHILE)]
    with interleave() as stage:
        table = Table(stage)
        serial = Serial(table)
        for second, levels, schedule in some(cases, dev=5, ci=3):
            names = {"a": first, "b": second}
            history, left = play(table, names, dict(zip("ab", levels, strict=True)), schedule)
            done = [names[session] for session in succeeded(history)]
            assert left in [serial.left(order) for order in permutations(done)], (second, levels)
            over = second in NOT_RUNNING and "b" in succeeded(history)
            if schedule == AFTER and first == "claim" and over:
                assert history.outcomes("a")[2] in ("PT409", "0A000"), (
                    "nothing of a job that does not run is handed out"
                )


def test_a_retry_of_what_could_not_be_serialised_succeeds(interleave: Interleave) -> None:
    """40001 comes where trying again helps: the same operation, begun anew, is answered by what is there now."""
    tried = 0
    with interleave() as stage:
        table = Table(stage)
        for first, second in (("plan", "plan"), ("finish", "pause"), ("insert", "cancel"), ("retry", "fail the job")):
            for level in (REPEAT, SERIAL):
                values = campaign(table)
                once = [f"set transaction isolation level {level}", SNAPSHOT, OPERATIONS[first]]
                parts = {
                    "a": [*once, "rollback", *once, "commit"],
                    "b": [f"set transaction isolation level {level}", SNAPSHOT, OPERATIONS[second], "commit"],
                }
                schedule = ["a", "a", "b", "b", "b", "b", *"aaaaaa"]
                answers = table.play(values, parts, schedule).outcomes("a")
                assert answers[2] == SERIALIZATION_FAILURE
                assert answers[6] in ("ok", "PT409")
                tried += 1
    assert tried == 8


@given(
    names=st.tuples(*[st.sampled_from(list(OPERATIONS))] * 3),
    levels=st.tuples(*[st.sampled_from([READ, REPEAT, SERIAL])] * 3),
    data=st.data(),
)
def test_three_sessions_at_any_levels_keep_every_promise(
    interleave: Interleave, names: tuple[str, ...], levels: tuple[str, ...], data: st.DataObject
) -> None:
    sessions = dict(zip("abc", names, strict=True))
    schedule = data.draw(schedules({session: [""] * 4 for session in sessions}))
    with interleave() as stage:
        table = Table(stage)
        history, left = play(table, sessions, dict(zip("abc", levels, strict=True)), schedule)
        (status, *_), *_ = left[0]
        ended = {"succeed": "succeeded", "fail the job": "failed", "cancel": "cancelled"}
        ends = {ended[sessions[session]] for session in succeeded(history) if sessions[session] in ended}
        assert (status in FINAL) == bool(ends)
        assert status in ends or not ends
