"""Faults of the functions and triggers for the statuses of jobs and tasks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from tests.harness.planted.sources import trigger
from tests.harness.planted.words import codes_and_words
from tests.jobs import test_status_effects as effects
from tests.jobs import test_status_transitions as transitions
from tests.jobs import test_task_states as states
from tests.jobs.model import COUNTERS, JOB_STATUSES, TASK_STATUSES, TASK_TRANSITIONS

REFUSING = "private.refuse_invalid_job_transition"
CHANGING_JOB = "private.change_job_status"
CHANGING_TASK = "private.change_task_status"
TASK_COUNTERS = "public.update_job_metrics_on_task_change"
TRANSITION = "public.transition_job_status"
refused = effects.test_a_refused_transition_names_both_statuses_and_what_is_allowed_and_changes_nothing
moved = effects.test_a_transition_sets_the_times_that_belong_to_it_and_changes_nothing_else
by_hand = effects.test_the_times_of_a_job_are_not_set_by_hand
begun = effects.test_a_new_job_that_has_run_or_counted_already_is_a_bad_argument
no_status = effects.test_a_status_that_is_none_is_named_beside_those_that_there_are
final_job = effects.test_a_final_job_takes_no_pending_task_by_any_way_and_says_so
updated = states.test_a_direct_update_moves_a_task_as_the_table_says
ended = states.test_a_job_that_ends_skips_pending_tasks_and_leaves_the_others
succeeding = states.test_a_job_succeeds_once_its_tasks_are_neither_pending_nor_running
clock_back = states.test_a_task_that_ends_after_the_clock_went_back_ends_when_it_started
by_the_clock = states.test_tasks_start_and_finish_by_the_clock_and_not_when_the_transaction_began
superuser = states.test_not_even_a_superuser_passes_the_tables


def refusals_of_transitions() -> Iterator[Fault]:
    one = partial(refused, start="pending", to="paused")
    yield from codes_and_words(
        REFUSING,
        one,
        ("another SQLSTATE", "'PT409'", "'P0001'"),
        ("the present status is not named", "p_from, coalesce(p_to, 'NULL')", "'?', coalesce(p_to, 'NULL')"),
        ("the wanted status is not named", "coalesce(p_to, 'NULL')", "'?'"),
        ("what is allowed is not named", "array_to_string(v_allowed, ', ')", "'?'"),
        ("what is allowed comes in any order", "order by t.to_status", "order by t.to_status desc"),
        ("nothing is refused", "p_to is null or p_to <> all(v_allowed)", "false"),
        ("transitions from any status count", "where t.from_status = p_from", ""),
    )
    yield Fault(
        f"{REFUSING}: a final status is not called so",
        Edit(REFUSING, "%s is a final status.", "%s."),
        partial(refused, start="failed", to="running"),
    )
    yield Fault(
        f"{REFUSING}: NULL is let through",
        Edit(REFUSING, "p_to is null or ", ""),
        partial(states.test_null_is_no_status_to_go_to_or_begin_with, table="jobs"),
    )
    for status in JOB_STATUSES:
        comma = "'pending', " if status == "pending" else f", '{status}'"
        yield Fault(
            f"{TRANSITION}: {status} is no status",
            Edit(TRANSITION, comma, ""),
            partial(refused, start="failed", to=status),
        )
    yield from codes_and_words(
        TRANSITION,
        partial(no_status, status="done"),
        ("done is a status", "not in ('pending'", "not in ('done', 'pending'"),
        ("another SQLSTATE", "'PT400'", "'P0001'"),
        ("a status that is none is not named", "quote_literal(p_new_status)", "'?'"),
        ("statuses that there are are not named", "Statuses are: pending, running", "Statuses are: running"),
    )
    yield Fault(
        f"{TRANSITION}: NULL is a status",
        Edit(TRANSITION, "p_new_status is null\n        or ", ""),
        partial(no_status, status=None),
    )
    yield Fault(
        f"{TRANSITION}: to go where one is, is fine",
        Edit(TRANSITION, "perform private.refuse_invalid_job_transition(v_status, p_new_status);", ""),
        partial(refused, start="paused", to="paused"),
    )
    yield Fault(
        f"{TRANSITION}: changes every job",
        Edit(TRANSITION, "where j.id = p_job_id", ""),
        transitions.test_jobs_live_as_the_transition_table_says,
    )
    again = effects.test_cancelling_again_changes_nothing_and_succeeds
    cancel = "if v_status = 'cancelled' then"
    yield Fault("cancel_job: again is an error", Edit("public.cancel_job", cancel, "if false then"), again)
    yield Fault(
        "cancel_job: a failed job is passed over",
        Edit("public.cancel_job", cancel, "if v_status in ('cancelled', 'failed') then"),
        partial(refused, start="failed", to="cancelled"),
    )
    yield Fault(
        "cancel_job: fails the job",
        Edit("public.cancel_job", "set status = 'cancelled'", "set status = 'failed'"),
        partial(moved, start="running", to="cancelled"),
    )


def beginnings() -> Iterator[Fault]:
    yield Fault(
        "begin_job: a time is a conflict",
        Edit("private.begin_job", "then 'PT400'", "then 'PT409'"),
        partial(begun, column="last_run_at"),
    )
    yield Fault(
        "begin_job: a status is a bad argument",
        Edit("private.begin_job", "else 'PT409'", "else 'PT400'"),
        partial(transitions.test_a_job_is_created_pending_whoever_creates_it, status="running"),
    )
    clause = "new.status is distinct from 'pending'\n    or "
    yield Fault("jobs_begin_pending: of any status", trigger("jobs_begin_pending", (clause, "")), superuser)
    for column in ("started_at", "finished_at", "last_run_at"):
        without = (f"new.{column}", "null::timestamptz")
        yield Fault(
            f"jobs_begin_pending: {column} as one likes",
            trigger("jobs_begin_pending", without),
            partial(begun, column=column),
        )
    for counter in COUNTERS:
        yield Fault(
            f"jobs_begin_pending: {counter} as one likes",
            trigger("jobs_begin_pending", (f"new.{counter}", "0")),
            partial(begun, column=counter),
        )
    yield Fault(
        "job_tasks_begin_pending: done from the beginning",
        trigger("job_tasks_begin_pending", ("new.status is distinct from 'pending'", "new.status = 'running'")),
        partial(transitions.test_a_task_is_created_pending_whoever_creates_it, status="done"),
    )
    yield Fault(
        f"{CHANGING_TASK}: another SQLSTATE for new tasks",
        Edit(CHANGING_TASK, "coalesce(new.status, 'NULL') using errcode = 'PT409'", "'x' using errcode = 'PT400'"),
        partial(transitions.test_a_task_is_created_pending_whoever_creates_it, status="running"),
    )


def changes_of_jobs() -> Iterator[Fault]:
    yield Fault(
        f"{CHANGING_JOB}: finishes before it started",
        Edit(CHANGING_JOB, "greatest(clock_timestamp(), old.started_at)", "clock_timestamp()"),
        clock_back,
    )
    yield Fault(
        f"{CHANGING_JOB}: as of the transaction",
        Edit(CHANGING_JOB, "greatest(clock_timestamp(), old.started_at)", "greatest(now(), old.started_at)"),
        partial(moved, start="pending", to="running"),
    )
    pair = "(new.started_at, new.finished_at) is distinct from (old.started_at, old.finished_at)"
    for column, other, status in (("finished_at", "started_at", "failed"), ("started_at", "finished_at", "running")):
        yield Fault(
            f"{CHANGING_JOB}: {column} is set by hand",
            Edit(CHANGING_JOB, pair, f"new.{other} is distinct from old.{other}"),
            partial(by_hand, column=column, status=status),
        )
        yield Fault(
            f"jobs_change_status_as_allowed: not asked for {column}",
            trigger("jobs_change_status_as_allowed", (f", old.{column}", ""), (f", new.{column}", "")),
            partial(by_hand, column=column, status=status),
        )
    yield Fault(
        "jobs_change_status_as_allowed: not asked for status",
        trigger("jobs_change_status_as_allowed", ("old.status, ", ""), ("new.status, ", "")),
        partial(moved, start="pending", to="running"),
    )
    yield Fault(
        "jobs_change_status_as_allowed: asked when the name changes",
        trigger("jobs_change_status_as_allowed", ("before update", "before update of name")),
        partial(moved, start="pending", to="running"),
    )
    yield Fault(
        f"{CHANGING_JOB}: another SQLSTATE for times",
        Edit(CHANGING_JOB, "'PT400'", "'P0001'"),
        partial(by_hand, column="started_at", status="running"),
    )
    yield Fault(
        f"{CHANGING_JOB}: no transition is refused",
        Edit(CHANGING_JOB, "perform private.refuse_invalid_job_transition(old.status, new.status);", ""),
        partial(refused, start="failed", to="running"),
    )
    for status, rest in (("pending", "running"), ("running", "pending")):
        yield Fault(
            f"{CHANGING_JOB}: succeeds with a {status} task",
            Edit(CHANGING_JOB, "t.status in ('pending', 'running')", f"t.status = '{rest}'"),
            partial(succeeding, start=status),
        )
    yield Fault(
        f"{CHANGING_JOB}: tasks of any job keep it from success",
        Edit(CHANGING_JOB, "t.job_id = old.id and ", ""),
        partial(
            transitions.test_a_job_that_reaches_a_final_status_skips_its_pending_tasks_and_no_others,
            final="succeeded",
        ),
    )
    yield Fault(
        f"{CHANGING_JOB}: another SQLSTATE for tasks that are left",
        Edit(CHANGING_JOB, "using errcode = 'PT409', hint", "using errcode = 'P0001', hint"),
        partial(succeeding, start="pending"),
    )
    yield Fault(
        f"{CHANGING_JOB}: a start is no run",
        Edit(CHANGING_JOB, "new.last_run_at := v_now;", ""),
        effects.test_a_job_last_ran_when_it_was_started_or_planned_and_at_no_other_time,
    )
    yield Fault(
        f"{CHANGING_JOB}: any change is a run",
        Edit(CHANGING_JOB, "    return new;", "    new.last_run_at := v_now;\n    return new;"),
        effects.test_a_job_last_ran_when_it_was_started_or_planned_and_at_no_other_time,
    )
    yield Fault(
        f"{CHANGING_JOB}: starts without a time",
        Edit(CHANGING_JOB, "new.started_at := coalesce(old.started_at, v_now);", ""),
        partial(moved, start="pending", to="running"),
    )
    for final in ("succeeded", "failed", "cancelled"):
        finals = "('succeeded', 'failed', 'cancelled')"
        less = finals.replace(f"'{final}'", "'nowhere'")
        yield Fault(
            f"{CHANGING_JOB}: {final} is not finished",
            Edit(CHANGING_JOB, finals, less),
            partial(moved, start="running", to=final),
        )
        yield Fault(
            f"{TASK_COUNTERS}: a job that is {final} takes pending tasks",
            Edit(TASK_COUNTERS, f"v_status in {finals}", f"v_status in {less}"),
            partial(final_job, final=final),
        )
        if final != "succeeded":  # which has no pending task anyway
            yield Fault(
                f"jobs_skip_pending_tasks_when_final: not when {final}",
                trigger("jobs_skip_pending_tasks_when_final", (finals, less)),
                partial(ended, final=final, start="pending"),
            )
    yield Fault(
        "skip_pending_tasks: running ones too",
        Edit("private.skip_pending_tasks", "t.status = 'pending'", "t.status in ('pending', 'running')"),
        partial(ended, final="failed", start="running"),
    )
    yield Fault(
        "skip_pending_tasks: of every job",
        Edit("private.skip_pending_tasks", "t.job_id = new.id and ", ""),
        partial(
            transitions.test_a_job_that_reaches_a_final_status_skips_its_pending_tasks_and_no_others, final="failed"
        ),
    )


def changes_of_tasks() -> Iterator[Fault]:
    for start in TASK_STATUSES:
        for to in TASK_STATUSES:
            if start == to:
                continue
            case = partial(updated, start=start, to=to)
            if (start, to) == ("pending", "skipped"):
                clause = "\n    and (old.status, new.status) is distinct from ('pending', 'skipped')"
                yield Fault(
                    "a task cannot go from pending to skipped",
                    trigger("job_tasks_change_status_as_allowed", (clause, "")),
                    case,
                )
            elif (start, to) in TASK_TRANSITIONS:
                blocked = f"if (old.status, new.status) = ('{start}', '{to}') then old.status := 'nowhere'; end if;"
                yield Fault(
                    f"a task cannot go from {start} to {to}",
                    Edit(CHANGING_TASK, "\n    case\n", f"\n    {blocked}\n    case\n"),
                    case,
                )
            else:
                allowed = f"if (old.status, new.status) = ('{start}', '{to}') then return new; end if;"
                yield Fault(
                    f"a task can go from {start} to {to}",
                    Edit(CHANGING_TASK, "\n    case\n", f"\n    {allowed}\n    case\n"),
                    case,
                )
    retried = partial(updated, start="error", to="pending")
    for name, new in (("uncounted", ">= old.retry_count"), ("counted twice", "> old.retry_count")):
        yield Fault(
            f"{CHANGING_TASK}: a retry {name}",
            Edit(CHANGING_TASK, "= old.retry_count + 1", new),
            retried,
        )
    for column in ("started_at", "finished_at"):
        yield Fault(
            f"{CHANGING_TASK}: a retried task keeps {column}",
            Edit(CHANGING_TASK, f"new.{column} := null;", ""),
            retried,
        )
    yield from codes_and_words(
        CHANGING_TASK,
        partial(updated, start="done", to="running"),
        ("another SQLSTATE", "errcode = 'PT409',", "errcode = 'P0001',"),
        ("the present status is not named", "old.status, coalesce(new.status, 'NULL')\n", "'?', new.status\n"),
        ("the wanted status is not named", "old.status, coalesce(new.status, 'NULL')\n", "old.status, '?'\n"),
    )
    yield Fault(
        f"{CHANGING_TASK}: started as of the transaction",
        Edit(CHANGING_TASK, "new.started_at := clock_timestamp()", "new.started_at := now()"),
        by_the_clock,
    )
    yield Fault(
        f"{CHANGING_TASK}: finished as of the transaction",
        Edit(CHANGING_TASK, "greatest(clock_timestamp(), old.started_at)", "greatest(now(), old.started_at)"),
        by_the_clock,
    )
    yield Fault(
        f"{CHANGING_TASK}: finishes before it started",
        Edit(CHANGING_TASK, "greatest(clock_timestamp(), old.started_at)", "clock_timestamp()"),
        clock_back,
    )
    yield Fault(
        "job_tasks_change_status_as_allowed: asked when the status stays",
        trigger(
            "job_tasks_change_status_as_allowed",
            ("old.status is distinct from new.status", "new.status is not null"),
        ),
        partial(states.test_an_update_that_leaves_a_tasks_status_is_no_transition, status="done"),
    )


FAULTS = [
    *refusals_of_transitions(),
    *beginnings(),
    *changes_of_jobs(),
    *changes_of_tasks(),
]
