"""Each promise is broken once, by one change of the schema, and the test that holds it has to notice.

A fault is three lines: what is broken, the SQL that breaks it, the tests that must fail. The clean twin is that each of
these tests passes on the unchanged schema.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, is_hypothesis_test, settings

from pgassay import Clone
from tests.jobs import test_isolation as isolation
from tests.jobs import test_links as links
from tests.jobs import test_metrics as metrics
from tests.jobs import test_rights as rights
from tests.jobs import test_status_transitions as transitions
from tests.jobs import test_uniqueness as uniqueness

Test = Callable[..., None]

reading = isolation.test_everybody_reads_the_rows_of_their_organisations_and_no_others
writing = isolation.test_update_and_delete_without_where_touch_the_rows_of_ones_organisations_alone
moving = isolation.test_a_member_of_one_organisation_cannot_move_a_row_to_another
calling = isolation.test_functions_know_no_jobs_and_tasks_but_those_of_ones_organisations
linking = partial(isolation.test_a_link_cannot_cross_organisations_whoever_makes_it, role="owner")
living = transitions.test_jobs_live_as_the_transition_table_says
pair = transitions.test_every_pair_of_statuses_is_allowed_or_refused_as_the_table_says
bookkeeping = metrics.test_counters_metrics_and_progress_are_exact_whatever_happens_to_tasks_and_cards
truncating = metrics.test_truncating_sets_all_counters_of_the_jobs_that_remain_to_zero
taking_places = uniqueness.test_a_place_is_taken_once


@dataclass(frozen=True)
class Fault:
    """What is broken, the SQL that breaks it, and the test that must notice."""

    name: str
    ddl: str
    noticed_by: Test


def edit(function: str, old: str, new: str) -> str:
    """SQL that replaces a piece of a function's definition, and fails where that piece is not in it."""
    return f"""
    do $edit$
    declare
        v_before constant text := pg_get_functiondef('{function}'::regproc);
        v_after constant text := replace(v_before, $old${old}$old$, $new${new}$new$);
    begin
        assert v_before <> v_after, 'the fault is not planted';
        execute v_after;
    end
    $edit$
    """


def open_policy(table: str, policy: str, condition: str) -> str:
    return f"alter policy {policy} on public.{table} using ({condition}) with check ({condition})"


JOBS_POLICY = "members_work_with_their_organisations_jobs"
TASKS_POLICY = "members_work_with_their_organisations_tasks"
CARDS_POLICY = "members_work_with_their_organisations_cards"
MY_ORGS = "select m.organization_id from public.organization_members as m where m.user_id = (select auth.uid())"

FAULTS = [
    # isolation
    *(
        Fault(f"row level security off on {table}", f"alter table public.{table} disable row level security", reading)
        for table in isolation.TABLES
    ),
    Fault("policy on jobs lets all in", open_policy("jobs", JOBS_POLICY, "true"), writing),
    Fault("policy on jobs asks only for a user", open_policy("jobs", JOBS_POLICY, "auth.uid() is not null"), reading),
    Fault("policy on tasks lets all in", open_policy("job_tasks", TASKS_POLICY, "true"), reading),
    Fault(
        "shadowed column in the policy on jobs",
        open_policy(
            "jobs", JOBS_POLICY, "exists (select from public.organization_members as m where m.user_id = auth.uid())"
        ),
        reading,
    ),
    Fault("policy on jobs dropped", f"drop policy {JOBS_POLICY} on public.jobs", reading),
    Fault("policy on tasks dropped", f"drop policy {TASKS_POLICY} on public.job_tasks", reading),
    Fault(
        "a card can move to any organisation",
        f"alter policy {CARDS_POLICY} on public.kanban_cards with check (true)",
        partial(moving, table="kanban_cards"),
    ),
    Fault(
        "a job can move to any organisation",
        f"alter policy {JOBS_POLICY} on public.jobs with check (true); "
        "grant update (org_id) on public.jobs to authenticated",
        partial(moving, table="jobs"),
    ),
    Fault(
        "metrics without their filter",
        "create or replace view public.job_metrics with (security_barrier) as "
        + "select s.*, 0::numeric as duration_seconds, r.refreshed_at "
        + "from private.job_metrics_snapshot as s cross join private.job_metrics_refresh as r",
        reading,
    ),
    Fault(
        "a view that the planner may look into",
        "alter view public.job_metrics set (security_barrier = false)",
        isolation.test_a_users_own_condition_sees_no_foreign_row_of_the_view,
    ),
    Fault(
        "authorisation that NULL passes",
        edit("private.lock_job", "current_setting('role') = 'service_role'", "(auth.uid() <> j.org_id) is null"),
        partial(isolation.test_claims_without_a_subject_give_nothing, claims={}),
    ),
    Fault(
        "a function that does not ask who calls",
        edit("private.lock_job", "current_setting('role') = 'service_role'", "true"),
        partial(calling, call="cancel_job"),
    ),
    Fault(
        "a claim taken for the role",
        edit("private.lock_job", "current_setting('role')", "auth.role()"),
        partial(isolation.test_claims_without_a_subject_give_nothing, claims={"role": "service_role"}),
    ),
    Fault(
        "anon may execute",
        "grant execute on function public.cancel_job(uuid) to anon",
        rights.test_functions_are_executable_by_those_who_need_them_alone,
    ),
    Fault(
        "a read that is SECURITY DEFINER",
        "alter function public.get_job_progress(uuid) security definer",
        partial(calling, call="get_job_progress"),
    ),
    Fault(
        "search_path lost",
        "alter function public.cancel_job(uuid) reset search_path",
        rights.test_every_function_has_a_fixed_search_path_and_says_what_it_is_for,
    ),
    Fault(
        "a link that may cross organisations",
        "alter table public.kanban_cards drop constraint kanban_cards_job_in_same_organisation, "
        "add foreign key (job_id) references public.jobs (id) on delete set null",
        linking,
    ),
    Fault(
        "a card's task may be of another job",
        "alter table public.kanban_cards drop constraint kanban_cards_task_of_same_job, "
        "add foreign key (task_id) references public.job_tasks (id) on delete set null",
        linking,
    ),
    Fault(
        "a card may keep its task without its job",
        "drop trigger kanban_cards_lose_task_with_job on public.kanban_cards",
        links.test_deleting_a_job_deletes_its_tasks_and_keeps_cards_and_runs_without_their_links,
    ),
    # status
    *(
        Fault(
            f"{start} can go to {to}",
            edit("private.job_status_transitions", "values\n", f"values ('{start}', '{to}'),\n"),
            partial(pair, start=start, to=to),
        )
        for start, to in (
            ("pending", "paused"),
            ("pending", "failed"),
            ("succeeded", "running"),
            ("paused", "succeeded"),
        )
    ),
    Fault(
        "running cannot go to paused",
        edit("private.job_status_transitions", "('running', 'paused'), ", ""),
        partial(pair, start="running", to="paused"),
    ),
    Fault(
        "direct updates are not held to the table", "drop trigger jobs_change_status_as_allowed on public.jobs", living
    ),
    Fault("pending tasks stay", "drop trigger jobs_skip_pending_tasks_when_final on public.jobs", living),
    Fault(
        "pending can go to paused, in any run",
        edit("private.job_status_transitions", "values\n", "values ('pending', 'paused'),\n"),
        living,
    ),
    Fault("tasks change as they like", "drop trigger job_tasks_change_status_as_allowed on public.job_tasks", living),
    Fault(
        "success with tasks left",
        edit("private.change_job_status", "new.status = 'succeeded' and", "false and"),
        partial(transitions.test_a_job_does_not_succeed_while_a_task_is_left, task_status="running"),
    ),
    Fault(
        "started_at set anew",
        edit("private.change_job_status", "coalesce(old.started_at, v_now)", "v_now"),
        transitions.test_a_job_that_is_resumed_keeps_the_time_of_its_first_start,
    ),
    Fault(
        "a final job takes a pending task",
        edit("public.update_job_metrics_on_task_change", "found and v_delta.has_new_pending", "false"),
        living,
    ),
    Fault(
        "new pending tasks known by the counters alone",
        edit("public.update_job_metrics_on_task_change", " or bool_or(t.pending > 0)", ""),
        transitions.test_two_tasks_that_change_places_do_not_hide_one_that_enters_a_final_job,
    ),
    # uniqueness
    Fault(
        "no unique places",
        "alter table public.job_tasks drop constraint job_tasks_job_id_batch_step_key",
        taking_places,
    ),
    Fault(
        "unique by (job_id, step)",
        "alter table public.job_tasks drop constraint job_tasks_job_id_batch_step_key, add unique (job_id, step)",
        taking_places,
    ),
    Fault(
        "unique by (job_id, batch, step, id)",
        "alter table public.job_tasks drop constraint job_tasks_job_id_batch_step_key, "
        "add unique (job_id, batch, step, id)",
        taking_places,
    ),
    # metrics
    *(
        Fault(f"{table} not counted when {event}", f"drop trigger {table}_count_{event} on public.{table}", noticed_by)
        for table in ("job_tasks", "kanban_cards")
        for event, noticed_by in (
            ("inserted", bookkeeping),
            ("updated", bookkeeping),
            ("deleted", bookkeeping),
            ("truncated", truncating),
        )
    ),
    Fault(
        "blocked cards are no errors",
        edit("public.update_job_metrics_on_card_change", "n.state = 'blocked'", "n.state = 'rejected'"),
        bookkeeping,
    ),
    Fault(
        "e-mails counted whatever the type",
        edit("public.update_job_metrics_on_card_change", "n.type = 'send_email' and ", ""),
        bookkeeping,
    ),
    Fault(
        "progress counts groups instead of cards",
        edit("public.get_job_progress", "select coalesce(sum(c.n), 0) from cards", "select count(*) from cards"),
        metrics.test_progress_counts_cards_and_tasks_not_groups_of_them,
    ),
]


THOROUGH_UNTIL_NOTICED = settings(
    settings.get_profile("ci"), phases=[Phase.generate], database=None, report_multiple_bugs=False
)


@contextmanager
def noticing(test: Test) -> Iterator[None]:
    """Have Hypothesis stop at the first example that fails: a planted fault need not be shrunk, nor remembered."""
    before = settings.default
    settings.register_profile("planted", THOROUGH_UNTIL_NOTICED)
    settings.load_profile("planted")  # for state machines, which look it up when they are run
    inner = test.func if isinstance(test, partial) else test
    try:
        with pytest.MonkeyPatch.context() as patch:
            if is_hypothesis_test(inner):  # which has looked it up when it was decorated
                patch.setattr(inner, "_hypothesis_internal_use_settings", THOROUGH_UNTIL_NOTICED)
            yield
    finally:
        settings.register_profile("before", before)
        settings.load_profile("before")


def run(test: Test, clone: Clone) -> None:
    """Run a test of the Jobs system on ``clone``, giving it the fixtures that it asks for."""
    wanted = inspect.signature(test).parameters
    session = clone.connect()
    fixtures: dict[str, Any] = {"clone": clone, "example": session.example}
    given = {name: value for name, value in fixtures.items() if name in wanted}
    if "db" in wanted:
        with session.example() as db:
            test(**given, db=db)
    else:
        test(**given)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(clone: Clone, fault: Fault) -> None:
    with clone.connect() as owner:
        owner.execute(fault.ddl.encode())
    with noticing(fault.noticed_by), pytest.raises((AssertionError, psycopg.Error, pytest.fail.Exception)):
        run(fault.noticed_by, clone)


@pytest.mark.parametrize(
    "test",
    {repr(fault.noticed_by): fault.noticed_by for fault in FAULTS}.values(),
    ids=lambda test: (test.func if isinstance(test, partial) else test).__name__,
)
def test_the_same_tests_pass_on_the_unchanged_schema(clone: Clone, test: Test) -> None:
    run(test, clone)
