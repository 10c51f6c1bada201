"""Section 6: which jobs a statement locks, in which order, and when it locks none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from pgassay import Identity, Stage
from pgassay.fixtures import Interleave
from pgassay.interleavings import Step
from tests.jobs.cast import Cast, new_campaign, new_job, new_tasks, settle
from tests.jobs.test_isolation import CALLS

FREE = "select id from public.jobs where id = any(%(jobs)s) for no key update skip locked"
ORDER = (2, 0, 3, 1)  # in which rows of four jobs stand in the tables, and come in a statement

LOCKING = {
    "insert tasks": (
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select j, 9, 9, 'research' from unnest(%(given)s::uuid[]) as j"
    ),
    "finish tasks": "update public.job_tasks set status = 'done' where job_id = any(%(jobs)s) and status = 'running'",
    "fail tasks": "update public.job_tasks set status = 'error' where job_id = any(%(jobs)s) and status = 'running'",
    "retry tasks": (
        "update public.job_tasks set status = 'pending', retry_count = retry_count + 1 "
        "where job_id = any(%(jobs)s) and status = 'error'"
    ),
    "delete tasks": "delete from public.job_tasks where job_id = any(%(jobs)s)",
    "insert cards": (
        "insert into public.kanban_cards (org_id, type, title, job_id) "
        "select %(org)s, 'research', 'x', j from unnest(%(given)s::uuid[]) as j"
    ),
    "approve cards": "update public.kanban_cards set state = 'approved' where job_id = any(%(jobs)s)",
    "unlink cards": "update public.kanban_cards set job_id = null where job_id = any(%(jobs)s)",
    "delete cards": "delete from public.kanban_cards where job_id = any(%(jobs)s)",
}
LOCKING_NONE = {
    "start tasks": "update public.job_tasks set status = 'running' where status = 'pending'",
    "skip tasks": "update public.job_tasks set status = 'skipped' where status = 'pending'",
    "write inputs": "update public.job_tasks set input = '{\"note\": 1}'",
    "write results": "update public.job_tasks set output = '{}', error_message = 'x'",
    "change kinds and places": "update public.job_tasks set kind = 'follow_up', batch = batch + 100",
    "touch nothing": "update public.job_tasks set status = status",
    "no task": "delete from public.job_tasks where false",
    "review cards": "update public.kanban_cards set state = 'in_review'",
    "change types": "update public.kanban_cards set type = 'send_email'",
    "change titles": "update public.kanban_cards set title = 'y', priority = 7",
    "no card": "delete from public.kanban_cards where false",
    "a card without a job": (
        "insert into public.kanban_cards (org_id, type, title, state) values (%(org)s, 'send_email', 'x', 'done')"
    ),
}


def four_jobs(stage: Stage, cast: Cast) -> dict[str, Any]:
    """Running jobs in the order of their ids, each with a task in three states and a suggested card."""
    jobs = sorted((new_job(stage.owner, cast.org_a) for _ in range(4)), key=lambda job: job.int)
    given = [jobs[place] for place in ORDER]
    for job in given:
        stage.owner.execute("update public.jobs set status = 'running' where id = %s", [job])
        tasks = new_tasks(stage.owner, job, [(0, 0), (0, 1), (0, 2)])
        stage.owner.execute("update public.job_tasks set status = 'running' where id = any(%s)", [tasks[1:]])
        stage.owner.execute("update public.job_tasks set status = 'error' where id = %s", [tasks[2]])
        stage.owner.execute(
            "insert into public.kanban_cards (org_id, type, title, job_id) values (%s, 'research', 'x', %s)",
            [cast.org_a, job],
        )
    return {"jobs": jobs, "given": given, "org": cast.org_a}


@pytest.mark.parametrize("statement", LOCKING)
def test_jobs_whose_counters_change_are_locked_in_the_order_of_their_ids(
    interleave: Interleave, statement: str
) -> None:
    """While it waits for one of four, those before it are locked, and those after it are free."""
    with interleave() as stage:
        cast = settle(stage.owner)
        values = four_jobs(stage, cast)
        for place, job in enumerate(values["jobs"]):
            parts: Mapping[str, list[Step]] = {
                "holder": [("select from public.jobs where id = %s for no key update", [job]), "rollback"],
                "actor": [(LOCKING[statement], values), "rollback"],
                "looker": [(FREE, values), "rollback"],
            }
            history = stage.play(parts, ["holder", "actor", "looker", "looker", "holder", "actor"])
            assert history.of("actor")[0].waited_for == ("holder",)
            assert history.outcomes("actor") == ["ok", "ok"]
            free: set[UUID] = {row[0] for row in history.of("looker")[0].rows}
            assert free == set(values["jobs"][place + 1 :])


@pytest.mark.parametrize("statement", LOCKING_NONE)
def test_no_job_is_locked_where_no_counter_and_no_rule_of_final_jobs_is_concerned(
    interleave: Interleave, statement: str
) -> None:
    with interleave() as stage:
        values = four_jobs(stage, settle(stage.owner))
        parts: Mapping[str, list[Step]] = {
            "holder": ["select from public.jobs for update", "rollback"],
            "actor": [(LOCKING_NONE[statement], values), "rollback"],
        }
        history = stage.play(parts, ["holder", "actor", "actor", "holder"])
        assert not any(result.waited_for for result in history.results)
        assert history.outcomes("actor") == ["ok", "ok"]


@pytest.mark.parametrize("call", [call for call in CALLS if not call.startswith("get_")])
def test_every_function_locks_the_job_before_any_task_of_it(interleave: Interleave, call: str) -> None:
    """So that no two of them wait for each other."""
    tasks = "select count(*) from (select from public.job_tasks where job_id = %(job)s for update skip locked) as t"
    with interleave() as stage:
        cast = settle(stage.owner)
        values = new_campaign(stage.owner, cast.org_a)
        parts: Mapping[str, list[Step]] = {
            "holder": [("select from public.jobs where id = %(job)s for update", values), "rollback"],
            "member": [(CALLS[call], values), "rollback"],
            "looker": [(tasks, values), "rollback"],
        }
        schedule = ["holder", "member", "looker", "looker", "holder", "member"]
        history = stage.play(parts, schedule, identities={"member": Identity.user(cast.member_a)})
        assert history.of("member")[0].waited_for == ("holder",)
        assert history.outcomes("member") == ["ok", "ok"]
        assert history.of("looker")[0].rows == ((3,),), "no task is locked yet"


@pytest.mark.parametrize("call", [call for call in CALLS if not call.startswith("get_")])
def test_nothing_that_merely_refers_to_a_job_waits_for_who_changes_it(interleave: Interleave, call: str) -> None:
    """A run is linked to a job while its status or tasks change: its key stays as it is."""
    link = "insert into public.agent_runs (org_id, mode, job_id) values (%(org)s, 'x', %(job)s)"
    with interleave() as stage:
        cast = settle(stage.owner)
        values = new_campaign(stage.owner, cast.org_a)
        parts: Mapping[str, list[Step]] = {
            "member": [(CALLS[call], values), "rollback"],
            "runner": [(link, values), "rollback"],
        }
        schedule = ["member", "runner", "runner", "member"]
        history = stage.play(parts, schedule, identities={"member": Identity.user(cast.member_a)})
        assert history.outcomes("member") == history.outcomes("runner") == ["ok", "ok"]
        assert not any(result.waited_for for result in history.results)
