"""Each promise of the Jobs system is broken once, by one change of the schema, and the test that holds it must notice.

A fault is three lines: its name, the change, the test. The clean twin is that each of these tests passes on the
unchanged schema. ``make faults`` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pgassay import Edit, Fault, mutants
from pgassay.identity import Databases
from pgassay.templates import Template
from tests.harness.planted import access, functions, rows
from tests.harness.planted import metrics as planted_metrics
from tests.jobs import test_concurrency as concurrency
from tests.jobs import test_creating as creation
from tests.jobs import test_isolation as isolation
from tests.jobs import test_links as links
from tests.jobs import test_metrics as metrics
from tests.jobs import test_noninterference as noninterference
from tests.jobs import test_planning as planning_ahead
from tests.jobs import test_rendering as rendering
from tests.jobs import test_rights as rights
from tests.jobs import test_status_transitions as transitions
from tests.jobs import test_uniqueness as uniqueness
from tests.jobs import test_working as working
from tests.jobs.model import JOB_STATUSES, JOB_TRANSITIONS
from tests.sampling import some

reading = isolation.test_everybody_reads_the_rows_of_their_organisations_and_no_others
writing = isolation.test_update_and_delete_without_where_touch_the_rows_of_ones_organisations_alone
inserting = isolation.test_inserting_works_into_ones_own_organisations_and_no_others
moving = isolation.test_a_member_of_one_organisation_cannot_move_a_row_to_another
calling = isolation.test_functions_know_no_jobs_and_tasks_but_those_of_ones_organisations
creating = isolation.test_jobs_are_created_in_ones_own_organisations_and_no_others
forging = isolation.test_claims_without_a_subject_give_nothing
linking = partial(isolation.test_a_link_cannot_cross_organisations_whoever_makes_it, role="owner")
spying = isolation.test_no_type_that_a_caller_makes_is_used_with_the_owners_rights
forgetting = isolation.test_a_card_that_is_gone_before_its_link_is_checked_touches_no_foreign_job
telling = partial(noninterference.test_a_user_cannot_tell_whether_another_organisation_exists, user="member")
living = transitions.test_jobs_live_as_the_transition_table_says
pair = transitions.test_every_pair_of_statuses_is_allowed_or_refused_as_the_table_says
bookkeeping = metrics.test_counters_metrics_and_progress_are_exact_whatever_happens_to_tasks_and_cards
every_card = metrics.test_every_state_and_type_of_a_card_is_counted_when_it_comes_changes_moves_and_goes
every_task = metrics.test_every_status_of_a_task_is_counted_when_it_changes_moves_and_goes
truncating = metrics.test_truncating_sets_all_counters_of_the_jobs_that_remain_to_zero
taking_places = uniqueness.test_a_place_is_taken_once
executing = rights.test_functions_are_executable_by_those_who_need_them_alone
searching = rights.test_every_function_has_a_fixed_search_path_and_says_what_it_is_for
claiming = concurrency.test_claims_on_one_job_share_its_tasks_and_do_not_wait_for_each_other
counting = partial(concurrency.test_counters_are_exact_after_any_two_statements_at_once, first="insert tasks")
planning = concurrency.test_two_plans_make_two_batches_and_plan_no_contact_twice
leaving = concurrency.test_who_is_no_member_any_more_when_the_waiting_ends_has_changed_nothing
finding = rights.test_policies_find_rows_by_an_index_among_those_of_other_organisations

MY_ORGS = "select m.organization_id from public.organization_members as m where m.user_id = (select auth.uid())"
POLICIES = {
    "jobs": "members_work_with_their_organisations_jobs",
    "job_tasks": "members_work_with_their_organisations_tasks",
    "kanban_cards": "members_work_with_their_organisations_cards",
    "agent_runs": "members_work_with_their_organisations_runs",
    "contacts": "members_work_with_their_organisations_contacts",
}
TASK_COUNTERS = "public.update_job_metrics_on_task_change"
CARD_COUNTERS = "public.update_job_metrics_on_card_change"
CATALOG = "no behaviour: seen in the catalog"


def open_policy(table: str, condition: str) -> str:
    return f"alter policy {POLICIES[table]} on public.{table} using ({condition}) with check ({condition})"


def isolation_faults() -> Iterator[Fault]:
    for table, policy in POLICIES.items():
        yield Fault(
            f"{table}: row level security off", f"alter table public.{table} disable row level security", reading
        )
        yield Fault(f"{table}: policy dropped", f"drop policy {policy} on public.{table}", reading)
        yield Fault(f"{table}: policy true", open_policy(table, "true"), reading)
        yield Fault(f"{table}: policy asks only for a user", open_policy(table, "auth.uid() is not null"), reading)
        yield Fault(
            f"{table}: policy with a shadowed column",
            open_policy(
                table,
                "exists (select from public.organization_members as m "
                "where m.organization_id = m.organization_id and m.user_id = (select auth.uid()))",
            ),
            reading,
        )
        yield Fault(
            f"{table}: policy lets anything be written",
            f"alter policy {policy} on public.{table} with check (true)",
            partial(inserting, table=table),
        )
        mine = f"in ({MY_ORGS})"
        if table == "job_tasks":
            mine = f"in (select j.id from public.jobs as j where j.org_id {mine})"
        yield Fault(
            f"{table}: policy that no index serves",
            f"alter policy {policy} on public.{table} using ({'job' if table == 'job_tasks' else 'org'}_id {mine})",
            partial(finding, table=table, verb="select"),
        )
    for table in ("kanban_cards", "agent_runs", "contacts"):
        yield Fault(
            f"{table}: a row can move to another organisation",
            f"alter policy {POLICIES[table]} on public.{table} with check (true)",
            partial(moving, table=table),
        )
    yield Fault(
        "jobs: a row can move to another organisation",
        "alter policy members_work_with_their_organisations_jobs on public.jobs with check (true); "
        "grant update (org_id) on public.jobs to authenticated",
        partial(moving, table="jobs"),
        "with the grant on the column",
    )
    yield Fault(
        "snapshot of the metrics granted",
        "grant usage on schema private to authenticated; grant select on private.job_metrics_snapshot to authenticated",
        partial(rights.test_no_api_role_holds_anything_on_the_sequences_or_on_private, role="authenticated"),
    )
    yield Fault(
        "metrics without their filter",
        "create or replace view public.job_metrics with (security_barrier) as "
        "select s.*, 0::numeric as duration_seconds, r.refreshed_at "
        "from private.job_metrics_snapshot as s cross join private.job_metrics_refresh as r",
        reading,
    )
    yield Fault(
        "metrics without security_barrier",
        "alter view public.job_metrics set (security_barrier = false)",
        isolation.test_a_users_own_condition_sees_no_foreign_row_of_the_view,
    )
    for function in ("get_job_cards", "get_job_progress"):
        yield Fault(
            f"{function} SECURITY DEFINER",
            f"alter function public.{function}(uuid) security definer",
            partial(calling, call=function),
        )
    for function, call, asked_again, way in (
        ("private.lock_job", "cancel_job", "or not private.caller_may_act_for(v_org_id)", "the job's row"),
        ("private.lock_task", "finish_task", "or not private.caller_may_act_for(v_job.org_id)", "tasks' rows"),
        ("public.claim_tasks", "claim_tasks", "where j.id = p_job_id and private.caller_may_act_for(j.org_id)", ""),
    ):
        lock = Edit(function, "and private.caller_may_act_for(j.org_id)\n    for", "for")
        after = Edit(function, asked_again, "where j.id = p_job_id" if function == "public.claim_tasks" else "")
        yield Fault(f"{function} asks nobody", (lock, after), partial(calling, call=call))
        yield Fault(
            f"{function} locks before it asks",
            lock,
            partial(concurrency.test_nobody_waits_for_a_row_of_another_organisation, call=call),
        )
        yield Fault(f"{function} does not ask again", after, partial(leaving, call=call, way=way or "the tasks"))
    yield Fault(
        "create_job asks nobody", Edit("public.create_job", "and private.caller_may_act_for(o.id)", ""), creating
    )
    yield Fault(
        "authorisation by org <> auth.uid(), which NULL passes",
        Edit("private.caller_may_act_for", "= 'service_role'", "= 'service_role' or (p_org_id <> auth.uid()) is null"),
        partial(forging, claims={}),
    )
    yield Fault(
        "a claim taken for the role",
        Edit("private.caller_may_act_for", "current_setting('role')", "auth.role()"),
        partial(forging, claims={"role": "service_role"}),
    )
    for function in rights.FUNCTIONS_OF_THE_API:
        yield Fault(f"anon may execute {function}", f"grant execute on function public.{function} to anon", executing)
        yield Fault(
            f"{function} without search_path", f"alter function public.{function} reset search_path", searching, CATALOG
        )
    yield Fault("a type of the caller's is taken", Edit("private.lock_job", "public.jobs.status%type", "text"), spying)
    yield Fault(
        "types of pg_temp come first where auth.uid() is called",
        "alter function private.caller_id() set search_path = ''",
        spying,
    )
    yield Fault(
        "cards count on any organisation's job",
        Edit(CARD_COUNTERS, "j.id = v_delta.job_id and j.org_id = v_delta.org_id", "j.id = v_delta.job_id"),
        forgetting,
    )
    yield Fault(
        "a card's task is looked at before its job",
        "drop trigger kanban_cards_check_job_before_task on public.kanban_cards",
        isolation.test_a_foreign_job_is_refused_before_its_task_is_looked_at,
    )
    yield Fault(
        "a foreign job is told from none",
        Edit(
            "private.lock_job",
            "if not found or",
            "if not found and exists (select from public.jobs as j where j.id = p_job_id) then "
            "raise exception 'job % not yours', p_job_id using errcode = 'PT404'; elsif not found or",
        ),
        telling,
    )
    yield Fault(
        "places are unique in all organisations",
        "alter table public.job_tasks add constraint everywhere unique (batch, step)",
        telling,
    )
    yield Fault(
        "a link may cross organisations",
        (
            "alter table public.kanban_cards drop constraint kanban_cards_job_in_same_organisation",
            "alter table public.kanban_cards add foreign key (job_id) references public.jobs (id) on delete set null",
        ),
        linking,
    )
    yield Fault(
        "a card's task may be of another job",
        (
            "alter table public.kanban_cards drop constraint kanban_cards_task_of_same_job",
            "alter table public.kanban_cards add foreign key (task_id) references public.job_tasks (id) "
            "on delete set null",
        ),
        linking,
    )
    yield Fault(
        "a run's job may be of another organisation",
        (
            "alter table public.agent_runs drop constraint agent_runs_job_in_same_organisation",
            "alter table public.agent_runs add foreign key (job_id) references public.jobs (id) on delete set null",
        ),
        linking,
    )
    yield Fault(
        "a card keeps its task without its job",
        "drop trigger kanban_cards_lose_task_with_job on public.kanban_cards",
        links.test_deleting_a_job_deletes_its_tasks_and_keeps_cards_and_runs_without_their_links,
    )


def transition_faults() -> Iterator[Fault]:
    for start in JOB_STATUSES:
        for to in JOB_STATUSES:
            if (start, to) in JOB_TRANSITIONS:
                change = Edit("private.job_status_transitions", f"('{start}', '{to}')", "('nowhere', 'nowhere')")
                yield Fault(f"{start} cannot go to {to}", change, partial(pair, start=start, to=to))
            else:
                change = Edit("private.job_status_transitions", "values\n", f"values ('{start}', '{to}'),\n")
                yield Fault(f"{start} can go to {to}", change, partial(pair, start=start, to=to))
    yield Fault(
        "direct updates are not held to the table", "drop trigger jobs_change_status_as_allowed on public.jobs", living
    )
    yield Fault(
        "the row is not locked",
        (
            Edit("private.lock_job", "for no key update", ""),
            Edit(
                "private.change_job_status",
                "perform private.refuse_invalid_job_transition(old.status, new.status);",
                "",
            ),
        ),
        partial(concurrency.test_two_status_changes_at_once_are_serialised, start="running", level=None),
        "with the guard of direct updates",
    )
    yield Fault(
        "finished_at left unset",
        (
            Edit("private.change_job_status", "new.finished_at := v_now", "null"),
            "alter table public.jobs drop constraint jobs_finished_at_exactly_when_final",
        ),
        living,
        "with the CHECK on it",
    )
    yield Fault(
        "started_at set anew",
        Edit("private.change_job_status", "coalesce(old.started_at, v_now)", "v_now"),
        transitions.test_a_job_that_is_resumed_keeps_the_time_of_its_first_start,
    )
    yield Fault(
        "success with tasks left",
        Edit("private.change_job_status", "new.status = 'succeeded' and", "false and"),
        partial(transitions.test_a_job_does_not_succeed_while_a_task_is_left, task_status="running"),
    )
    yield Fault("pending tasks stay", "drop trigger jobs_skip_pending_tasks_when_final on public.jobs", living)
    yield Fault(
        "a final job takes a pending task", Edit(TASK_COUNTERS, "found and v_delta.has_new_pending", "false"), living
    )
    yield Fault(
        "new pending tasks known by the counters alone",
        Edit(TASK_COUNTERS, " or bool_or(t.pending > 0)", ""),
        transitions.test_two_tasks_that_change_places_do_not_hide_one_that_enters_a_final_job,
    )
    yield Fault(
        "tasks change as they like", "drop trigger job_tasks_change_status_as_allowed on public.job_tasks", living
    )


def uniqueness_faults() -> Iterator[Fault]:
    drop = "alter table public.job_tasks drop constraint job_tasks_job_id_batch_step_key"
    yield Fault("places are not unique", drop, taking_places)
    yield Fault("unique by (job_id, step)", f"{drop}, add unique (job_id, step)", taking_places)
    yield Fault("unique by (job_id, batch, step, id)", f"{drop}, add unique (job_id, batch, step, id)", taking_places)


def metric_faults() -> Iterator[Fault]:
    for table, every_one in (("job_tasks", every_task), ("kanban_cards", every_card)):
        tests: list[mutants.Test] = [bookkeeping, every_one, every_one, truncating]
        for event, test in zip(("inserted", "updated", "deleted", "truncated"), tests, strict=True):
            yield Fault(
                f"{table} not counted when {event}", f"drop trigger {table}_count_{event} on public.{table}", test
            )
    branches = {"n": "inserted", "o": "deleted", "c": "updated"}
    for alias, event in branches.items():
        if event != "inserted":  # tasks are inserted pending
            for status, other in (("done", "skipped"), ("error", "running")):
                yield Fault(
                    f"tasks {event}: {other} counted for {status}",
                    Edit(TASK_COUNTERS, f"{alias}.status = '{status}'", f"{alias}.status = '{other}'"),
                    every_task,
                )
        for old, new, name in (
            (
                "{}.state in ('approved', 'executing', 'done')",
                "{}.state in ('approved', 'done')",
                "executing not approved",
            ),
            ("{}.state in ('executing', 'done')", "{}.state = 'done'", "executing not executed"),
            ("{}.type = 'send_email' and {}.state = 'done'", "{}.state = 'done'", "anything done is an e-mail"),
            ("{}.state = 'blocked'", "{}.state = 'rejected'", "rejected cards are errors"),
        ):
            yield Fault(
                f"cards {event}: {name}",
                Edit(CARD_COUNTERS, old.replace("{}", alias), new.replace("{}", alias)),
                every_card,
            )
    yield Fault(
        "counters recomputed without a lock",
        Edit(
            TASK_COUNTERS,
            "total_tasks = j.total_tasks + coalesce(v_delta.total, 0)",
            "total_tasks = (select count(*) from public.job_tasks as t where t.job_id = v_delta.job_id)",
        ),
        counting,
    )
    moves = "{0}_cards as {1} inner join {2}_cards as x on {1}.id = x.id and {1}.job_id = x.job_id\n"
    yield Fault(
        "cards that move between jobs not counted",
        (
            Edit(
                CARD_COUNTERS,
                "1 as sign\n                    from new_cards as n\n",
                "1 as sign\n from " + moves.format("new", "n", "old"),
            ),
            Edit(
                CARD_COUNTERS,
                "-1 as sign\n                    from old_cards as o\n",
                "-1 as sign\n from " + moves.format("old", "o", "new"),
            ),
        ),
        every_card,
    )
    seen = "in ('repeatable read', 'serializable')"
    for table, change, remark in (
        ("kanban_cards", Edit(CARD_COUNTERS, seen, "= 'never'"), ""),
        (
            "job_tasks",
            (Edit(TASK_COUNTERS, seen, "= 'never'"), Edit(CARD_COUNTERS, seen, "= 'never'")),
            "with the same of cards, which CASCADE truncates too",
        ),
    ):
        yield Fault(
            f"{table} truncated beyond the transaction's snapshot",
            change,
            partial(
                metrics.test_truncate_is_refused_where_it_takes_rows_that_the_transaction_cannot_see,
                table=table,
                level="repeatable read",
            ),
            remark,
        )
    yield Fault(
        "progress counts groups instead of cards",
        Edit("public.get_job_progress", "select coalesce(sum(c.n), 0) from cards", "select count(*) from cards"),
        metrics.test_progress_counts_cards_and_tasks_not_groups_of_them,
    )
    yield Fault(
        "a refresh keeps readers waiting",
        Edit("public.refresh_job_metrics", " concurrently", ""),
        concurrency.test_two_refreshes_at_once_do_not_fail_and_keep_no_reader_waiting,
    )


def runner_faults() -> Iterator[Fault]:
    yield Fault("claims wait for each other", Edit("public.claim_tasks", " skip locked", ""), claiming)
    yield Fault("claims lock nothing", Edit("public.claim_tasks", "for update skip locked", ""), claiming)
    yield Fault("claims lock the job", Edit("public.claim_tasks", "for key share", "for no key update"), claiming)
    yield Fault(
        "tasks are claimed from any job",
        Edit("private.refuse_claim_unless_running", "if p_status <> 'running' then", "if false then"),
        working.test_tasks_are_claimed_finished_failed_and_retried_as_the_model_says,
    )
    yield Fault(
        "a pause during the claim is not noticed",
        Edit(
            "public.claim_tasks",
            "(j.org_id);\n\n    perform private.refuse_claim_unless_running(p_job_id, v_status);",
            "(j.org_id);",
        ),
        concurrency.test_a_claim_that_waited_hands_out_nothing_of_a_job_that_was_paused_meanwhile,
    )
    yield Fault(
        "the last batch has a next one",
        Edit("private.get_next_batch", "if v_last = 2147483647 then", "if false then"),
        planning_ahead.test_a_job_with_a_task_in_the_last_batch_of_all_is_told_so,
    )
    yield Fault(
        "an owner who is no user",
        "drop trigger jobs_forget_unknown_owner on public.jobs",
        partial(links.test_a_job_of_service_role_has_the_owner_of_the_claim_if_that_is_a_user, way="insert"),
    )
    yield Fault(
        "batches are planned without a lock",
        (
            Edit("private.lock_job", "for no key update", ""),
            Edit(
                "public.plan_next_batch",
                "update public.jobs as j\n    set last_run_at = clock_timestamp()\n    where j.id = p_job_id;",
                "",
            ),
        ),
        planning,
        "with the change of last_run_at",
    )
    yield Fault(
        "contacts are planned again",
        Edit("private.get_contacts_ahead", "= p_day::pg_catalog.text", "= p_day::pg_catalog.text and false"),
        planning_ahead.test_batches_are_planned_as_the_model_plans_them_whatever_happens_in_between,
    )
    for call in ("finish", "fail", "retry"):
        yield Fault(
            f"a task is asked to {call} whatever its state",
            Edit("private.lock_task", "v_status <> p_from", "false"),
            partial(
                working.test_a_task_that_is_not_in_the_state_for_it_is_not_finished_failed_or_retried,
                call=call,
                status={"finish": "done", "fail": "error", "retry": "pending"}[call],
            ),
        )
    yield Fault(
        "a failed task of a final job is retried",
        (
            Edit("public.retry_task", "v_job.finished_at is not null", "false"),
            Edit(TASK_COUNTERS, "found and v_delta.has_new_pending", "false"),
        ),
        working.test_a_running_task_of_a_final_job_may_finish_or_fail_but_not_be_retried,
        "with the guard of the counters",
    )
    yield Fault(
        "parameters are not checked",
        Edit("private.get_job_days", "raise exception", "raise notice"),
        creation.test_parameters_with_one_fault_are_refused_with_the_name_of_the_field,
    )
    yield Fault(
        "create_job keeps a job whose tasks failed",
        Edit(
            "public.create_job",
            "perform private.plan_batch(v_job.id);",
            "begin perform private.plan_batch(v_job.id); exception when others then null; end;",
        ),
        creation.test_a_job_whose_first_batch_cannot_be_planned_is_not_created,
    )
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "''''": "&#39;"}
    for character, entity in escapes.items():
        yield Fault(
            f"{entity} not escaped",
            Edit(
                "public.render_template", f"'{entity}')", f"'{character}')" if len(character) == 1 else f"{character})"
            ),
            partial(rendering.test_the_five_characters_are_escaped_and_nothing_else_is, field="body"),
        )
    yield Fault(
        "line breaks get into the subject",
        Edit("public.render_template", "v_field = 'subject'", "false"),
        rendering.test_a_subject_gets_no_line_break_from_a_value,
    )
    yield Fault(
        "a placeholder whose blanks are tried one by one",
        Edit("public.render_template", "([^{}]*)", "[[:space:]]*([^{}]*?)[[:space:]]*"),
        partial(rendering.test_blanks_in_a_placeholder_cost_no_more_than_other_text, inside=" a" * 40_000),
    )
    yield Fault(
        "a literal that hangs on standard_conforming_strings",
        Edit("public.render_template", "[^[:space:]](?:.*[^[:space:]])?", r"\S(?:.*\S)?"),
        rendering.test_a_session_that_reads_literals_in_the_old_way_gets_the_same_and_leaves_nothing_wrong_behind,
    )


FAULTS = [
    *isolation_faults(),
    *transition_faults(),
    *uniqueness_faults(),
    *metric_faults(),
    *runner_faults(),
    *access.FAULTS,
    *functions.FAULTS,
    *planted_metrics.FAULTS,
    *rows.FAULTS,
]


@pytest.mark.parametrize("fault", some(FAULTS, dev=20, ci=8), ids=str)
def test_a_planted_fault_is_noticed(plant: Callable[[Fault], None], fault: Fault) -> None:
    plant(fault)


@pytest.mark.parametrize(
    "fault",
    some({fault.test_name: fault for fault in FAULTS}.values(), dev=20, ci=10),
    ids=lambda fault: fault.test_name,
)
def test_the_same_tests_pass_on_the_unchanged_schema(
    pg_databases: Databases, pg_template: Template, fault: Fault
) -> None:
    mutants.run(fault.noticed_by, pg_databases, pg_template)


def test_every_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_long_value_of_a_parameter_does_not_widen_the_table() -> None:
    assert Fault("of blanks", "", partial(print, inside=" a" * 40_000)).test_name == f"print[{' a' * 30}…]"
