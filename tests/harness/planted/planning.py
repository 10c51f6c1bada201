"""Faults of planning, and of what a task's input may be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from tests.harness.planted.sources import trigger
from tests.harness.planted.words import codes_and_words
from tests.jobs import test_claiming as claims
from tests.jobs import test_costs as costs
from tests.jobs import test_planning as plans
from tests.jobs import test_planning_days as days
from tests.jobs import test_status_effects as effects

AHEAD = "private.get_contacts_ahead"
WITHOUT = "private.get_contacts_without"
FIRST = "private.get_first_without"
PLAN = "private.plan_batch"
late = days.test_who_comes_on_a_later_day_gets_the_days_before_it_first


def planning() -> Iterator[Fault]:
    status = plans.test_batches_are_planned_for_pending_and_running_jobs_alone
    for state, rest in (("pending", "= 'running'"), ("running", "= 'pending'")):
        yield Fault(
            f"plan_next_batch: not for a {state} job",
            Edit("public.plan_next_batch", "not in ('pending', 'running')", rest.replace("=", "<>")),
            partial(status, status=state),
        )
    yield Fault(
        "plan_next_batch: for a paused job",
        Edit("public.plan_next_batch", "not in ('pending', 'running')", "not in ('pending', 'running', 'paused')"),
        partial(status, status="paused"),
    )
    words = partial(claims.test_a_job_that_takes_no_more_batches_says_in_which_state_it_is, status="paused")
    yield from codes_and_words(
        "public.plan_next_batch",
        words,
        ("another SQLSTATE", "'PT409'", "'P0001'"),
        ("the status is not named", "more tasks', v_status", "more tasks', '?'"),
        ("what is needed is not named", "pending or running.", "running."),
    )
    yield Fault(
        "plan_next_batch: is no run",
        Edit("public.plan_next_batch", "set last_run_at = clock_timestamp()", "set last_run_at = j.last_run_at"),
        effects.test_a_plan_that_finds_nothing_is_a_run_too,
    )
    first_days = days.test_each_day_takes_the_contacts_by_their_ids_and_then_comes_the_next_day
    for what, function, old, new, test in (
        (
            "another organisation's contacts",
            AHEAD,
            "c.org_id = p_org_id\n            and ",
            "",
            days.test_contacts_of_another_organisation_are_none_of_a_jobs,
        ),
        (
            "contacts of any group",
            AHEAD,
            "c.target_group = p_group\n            and ",
            "",
            days.test_who_left_the_group_is_planned_no_more,
        ),
        (
            "from the first contact again",
            AHEAD,
            "and c.id >= coalesce(p_after, '00000000-0000-0000-0000-000000000000')",
            "",
            days.test_who_comes_behind_is_planned_when_the_day_at_hand_is_through,
        ),
        (
            "the last one again",
            AHEAD,
            "and c.id is distinct from p_after",
            "",
            days.test_the_last_one_planned_is_behind_too,
        ),
        (
            "who is planned already",
            AHEAD,
            "t.job_id = p_job_id\n                    and left(t.input ->> 'day', 5) = p_day",
            "false and t.job_id = p_job_id\n                    and left(t.input ->> 'day', 5) = p_day",
            days.test_a_task_that_somebody_wrote_counts_like_a_planned_one,
        ),
        (
            "who lacks a day before",
            AHEAD,
            "from unnest(p_days_before) as d (day)",
            "from unnest(p_days_before[:0]) as d (day)",
            late,
        ),
        ("in the opposite order", AHEAD, "order by c.id", "order by c.id desc", first_days),
        ("more than a batch", AHEAD, "limit p_limit", "limit p_limit + 1", first_days),
        (
            "tasks of other jobs count",
            AHEAD,
            "t.job_id = p_job_id\n                    and left(t.input ->> 'day', 5) = p_day",
            "left(t.input ->> 'day', 5) = p_day",
            days.test_two_jobs_of_one_group_do_not_count_each_others_tasks,
        ),
        (
            "late: another organisation's contacts",
            WITHOUT,
            "c.org_id = p_org_id\n            and ",
            "",
            days.test_contacts_of_another_organisation_are_none_of_a_jobs,
        ),
        (
            "late: contacts of any group",
            WITHOUT,
            "c.target_group = p_group\n            and ",
            "",
            days.test_who_left_the_group_is_planned_no_more,
        ),
        (
            "late: tasks of other jobs count",
            WITHOUT,
            "t.job_id = p_job_id\n                    and ",
            "",
            days.test_two_jobs_of_one_group_do_not_count_each_others_tasks,
        ),
        (
            "late: tasks of any day count",
            WITHOUT,
            "and left(t.input ->> 'day', 5) = p_day::pg_catalog.text",
            "",
            partial(days.test_a_task_that_is_gone_is_planned_again, day=3),
        ),
        (
            "late: more than a batch",
            FIRST,
            "limit p_limit",
            "limit p_limit + 1",
            days.test_more_who_came_late_than_a_batch_holds_go_on_with_the_next_batch,
        ),
        ("late: in the opposite order", FIRST, "order by c.id", "order by c.id desc", late),
        (
            "late: tasks of any day count for one",
            FIRST,
            "and left(t.input ->> 'day', 5) = p_day::pg_catalog.text",
            "",
            late,
        ),
        (
            "late: tasks of other jobs count for one",
            FIRST,
            "t.job_id = p_job_id\n                    and ",
            "",
            days.test_two_jobs_of_one_group_do_not_count_each_others_tasks,
        ),
        (
            "late ones are never looked for",
            PLAN,
            "if v_is_sure is not true or v_late <> '{}' then",
            "if false then",
            late,
        ),
        (
            "late ones are surely none",
            PLAN,
            "v_is_sure := v_plan.days = v_days;",
            "v_is_sure := true;",
            days.test_a_day_that_is_added_before_is_made_up_for,
        ),
        (
            "late ones after a full batch are forgotten",
            PLAN,
            "then v_contacts[v_size]",
            "then c_last",
            days.test_who_came_late_goes_on_with_a_day_before_those_who_come_later_begin,
        ),
        (
            "the day at hand stays after late ones",
            PLAN,
            "v_plan.day := v_day;\n                    v_plan.last",
            "v_plan.last",
            late,
        ),
        (
            "a day that is taken out stays",
            PLAN,
            "elsif v_plan.day <> all(v_days) then",
            "elsif false then",
            days.test_a_day_that_is_taken_out_is_passed_over,
        ),
        (
            "a cadence that is another one goes on",
            PLAN,
            "or v_plan.reached <> all(v_days)",
            "",
            days.test_a_cadence_that_has_nothing_of_the_old_one_begins_anew,
        ),
        (
            "the cursor is not kept",
            PLAN,
            "last_contact_id = excluded.last_contact_id,",
            "",
            costs.test_a_batch_costs_what_it_is_whatever_is_planned,
        ),
        ("the day at hand is not kept", PLAN, "        day = excluded.day,\n", "", late),
        ("steps from 0", PLAN, "        n.step,", "        n.step - 1,", first_days),
        ("another kind", PLAN, "'draft_email'", "'send_email'", first_days),
        (
            "another template",
            PLAN,
            "array_position(v_days, v_plan.day)",
            "1",
            plans.test_each_task_names_the_template_of_its_day,
        ),
        ("the number is not returned", PLAN, "return cardinality(v_contacts);", "return v_size;", first_days),
        (
            "batches of any job count",
            "private.get_next_batch",
            "where t.job_id = p_job_id",
            "",
            days.test_two_jobs_of_one_group_do_not_count_each_others_tasks,
        ),
        ("batches from 0", "private.get_next_batch", "coalesce(v_last, 0) + 1", "coalesce(v_last + 1, 0)", first_days),
        (
            "every other batch",
            "private.get_next_batch",
            "coalesce(v_last, 0) + 1",
            "coalesce(v_last, -1) + 2",
            first_days,
        ),
    ):
        yield Fault(f"planning: {what}", Edit(function, old, new), test)
    last = plans.test_a_job_with_a_task_in_the_last_batch_of_all_is_told_so
    for what, old, new in (
        ("another SQLSTATE", "'PT409'", "'22003'"),
        ("the batch is not named", "p_job_id, v_last", "p_job_id, '?'"),
    ):
        yield Fault(f"the last batch of all: {what}", Edit("private.get_next_batch", old, new), last)


def looking_again() -> Iterator[Fault]:
    """What has planning look through its days once more."""
    left = days.test_who_comes_back_to_the_group_gets_a_day_that_was_taken_away_meanwhile
    for what, function, change, to in (
        (
            "is sure of those who left the group",
            PLAN,
            "where private.is_day_left_out(p_job_id, d.day, d.day_after)",
            "where false",
        ),
        (
            "takes anybody's day for one's own",
            "private.is_day_left_out",
            "and left(t.input ->> 'contact_id', 37) = left(a.input ->> 'contact_id', 37)",
            "",
        ),
        ("looks at the first day alone", PLAN, "unnest(v_days, v_days[2:])", "unnest(v_days[:1], v_days[:1])"),
    ):
        yield Fault(f"planning {what}", Edit(function, change, to), left)
    yield Fault(
        "planning is sure at its beginning",
        Edit(PLAN, "v_is_sure := v_plan.days = v_days;", "v_is_sure := coalesce(v_plan.days, v_days) = v_days;"),
        days.test_who_joins_the_group_with_a_later_day_gets_the_earlier_ones,
    )
    yield Fault(
        "the first contact of all is passed over",
        Edit("private.get_contacts_ahead", "c.id >= coalesce", "c.id > coalesce"),
        days.test_the_least_id_of_all_is_the_first,
    )
    gone = partial(days.test_a_task_that_is_gone_is_planned_again, day=0)
    wrote = days.test_an_input_that_is_written_over_is_no_task_for_its_contact_any_more
    forgetting = "private.forget_deleted_tasks"
    yield Fault(
        "tasks that are deleted are not looked for",
        "drop trigger job_tasks_keep_plans_deleted on public.job_tasks",
        gone,
    )
    yield Fault(
        "tasks of a day that are deleted are not looked for",
        Edit(forgetting, "where o.input -> 'day' is not null", "where o.input is null"),
        gone,
    )
    yield Fault(
        "inputs that are written over are not looked at",
        trigger(
            "job_tasks_keep_contacts_and_plans_updated", ("after update of input, job_id", "after update of job_id")
        ),
        wrote,
    )
    yield Fault(
        "days that are written over are not looked at",
        Edit("private.check_changed_task", "do update set days = null", "do nothing"),
        wrote,
    )
    yield Fault(
        "what members write is looked at by no plan",
        Edit("private.check_inserted_tasks", "where n.input -> 'day' is not null", "where n.input is null"),
        days.test_a_later_day_that_somebody_wrote_hides_no_earlier_one,
    )
    hostile = partial(plans.test_whatever_members_write_into_an_input_planning_goes_on, day=0)
    check = "private.refuse_foreign_contacts"
    for what, old, new in (
        ("any contact", "c.org_id = n.org_id and ", ""),
        ("any text", "end is not true", "end is false"),
        (
            "uuids in any form",
            "'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'",
            "'^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'",
        ),
        ("another SQLSTATE", "'PT400'", "'23503'"),
    ):
        test = plans.test_a_contact_of_another_organisation_is_refused_in_an_input if what == "any contact" else hostile
        yield Fault(f"input.contact_id: {what}", Edit(check, old, new), test)


FAULTS = [
    *planning(),
    *looking_again(),
]
