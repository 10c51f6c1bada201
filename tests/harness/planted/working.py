"""Faults of claiming, locking, finishing, failing and retrying, and of rendering."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from tests.harness.planted.words import codes_and_words
from tests.jobs import test_claiming as claims
from tests.jobs import test_concurrency as concurrency
from tests.jobs import test_isolation_levels as levels
from tests.jobs import test_locks as locks
from tests.jobs import test_rendering as rendering
from tests.jobs import test_task_states as states
from tests.jobs import test_working as working

CHANGING_JOB = "private.change_job_status"
TASK_COUNTERS = "public.update_job_metrics_on_task_change"
CLAIM = "public.claim_tasks"
LOCK_JOB = "private.lock_job"
LOCK_TASK = "private.lock_task"
RENDER = "public.render_template"
called = states.test_each_function_moves_a_task_as_the_table_says_and_no_other_task
job_first = locks.test_every_function_locks_the_job_before_any_task_of_it
key_stays = locks.test_nothing_that_merely_refers_to_a_job_waits_for_who_changes_it
missing = claims.test_who_asks_for_what_is_not_there_is_told_what_it_was
in_turn = claims.test_as_many_tasks_as_are_asked_for_are_handed_out_in_the_order_of_batch_and_step
whole = claims.test_what_a_worker_hands_back_is_kept_whole


def asked_for_nothing(call: str) -> partial[None]:
    """The test of what is not there, with that function."""
    case = next(case for case in claims.MISSING if f".{call}(" in case[0])
    return partial(missing, **dict(zip(("statement", "parameters", "what"), case, strict=True)))


def claiming() -> Iterator[Fault]:
    for level, rest in (("repeatable read", "serializable"), ("serializable", "repeatable read")):
        test = partial(claims.test_tasks_are_claimed_where_a_pause_meanwhile_would_be_seen_alone, level=level)
        yield Fault(
            f"claim_tasks: at {level}",
            Edit(CLAIM, "in ('repeatable read', 'serializable')", f"= '{rest}'"),
            test,
        )
        yield Fault(
            f"claim_tasks: {level} is not named",
            Edit(
                CLAIM,
                "            current_setting('transaction_isolation')\n        using",
                "            '?'\n        using",
            ),
            test,
        )
    test = partial(claims.test_tasks_are_claimed_where_a_pause_meanwhile_would_be_seen_alone, level="serializable")
    yield from codes_and_words(
        CLAIM,
        test,
        ("another SQLSTATE for levels", "'0A000'", "'25001'"),
        ("no hint for levels", "that is read committed", "of another kind"),
    )
    yield Fault(
        "claim_tasks: not even at read committed",
        Edit(CLAIM, "in ('repeatable read', 'serializable')", "<> 'read uncommitted'"),
        partial(claims.test_tasks_are_claimed_where_a_pause_meanwhile_would_be_seen_alone, level="read committed"),
    )
    yield Fault(
        "claim_tasks: NULL is a job",
        Edit(CLAIM, "if p_job_id is null then", "if false then"),
        asked_for_nothing("claim_tasks"),
    )
    limit = claims.test_a_limit_that_is_none_is_named
    for value, old, new in (
        (None, "p_limit is null or ", ""),
        (0, "p_limit < 1", "p_limit < 0"),
        (-7, "coalesce(p_limit::pg_catalog.text, 'NULL')", "'?'"),
    ):
        yield Fault(f"claim_tasks: a limit of {value}", Edit(CLAIM, old, new), partial(limit, limit=value))
    pending = states.test_a_claim_takes_pending_tasks_alone
    handed_out = "select (jsonb_populate_record(null::public.job_tasks, {})).*"
    for what, old, new, noticed in (
        (
            "tasks of any job",
            "t.job_id = p_job_id and t.status",
            "t.status",
            claims.test_a_claim_gives_back_whole_tasks_with_their_organisation,
        ),
        ("tasks in error", "t.status = 'pending'", "t.status in ('pending', 'error')", partial(pending, start="error")),
        (
            "skipped tasks",
            "t.status = 'pending'",
            "t.status in ('pending', 'skipped')",
            partial(pending, start="skipped"),
        ),
        ("the last ones", "order by t.batch, t.step", "order by t.batch desc, t.step desc", in_turn),
        ("by step", "order by t.batch, t.step", "order by t.step, t.batch", in_turn),
        ("in any order within a batch", "order by t.batch, t.step", "order by t.batch", in_turn),
        ("handed out in another order", "order by h.batch, h.step", "order by h.batch, h.step desc", in_turn),
        ("handed out in any order", "order by h.batch, h.step", "order by h.batch::text, h.step::text", in_turn),
        ("at most 100", "limit p_limit", "limit least(p_limit, 100)", in_turn),
        ("one more", "limit p_limit", "limit p_limit::bigint + 1", in_turn),
        (
            "as they were before",
            "select h.*",
            handed_out.format("""to_jsonb(h) || '{"status": "pending"}'"""),
            partial(pending, start="pending"),
        ),
        (
            "without their organisation",
            "select h.*",
            handed_out.format("to_jsonb(h) - 'org_id'"),
            claims.test_a_claim_gives_back_whole_tasks_with_their_organisation,
        ),
    ):
        yield Fault(f"claim_tasks: {what}", Edit(CLAIM, old, new), noticed)
    claim = "private.refuse_claim_unless_running"
    says = partial(claims.test_a_job_that_is_not_running_says_in_which_state_it_is, status="paused")
    yield from codes_and_words(
        claim,
        says,
        ("another SQLSTATE", "'PT409'", "'P0001'"),
        ("the status is not named", "no tasks', p_status", "no tasks', '?'"),
        ("what to do is not said", "go to running first", "go on first"),
        ("a paused job's tasks", "p_status <> 'running'", "p_status not in ('running', 'paused')"),
    )
    nowhere = asked_for_nothing("claim_tasks")
    yield from codes_and_words(
        claim,
        nowhere,
        ("another SQLSTATE for no job", "'PT404'", "'P0002'"),
        ("a job that is not there is not named", "not found', p_job_id", "not found', '?'"),
        ("no job at all", "if p_status is null then", "if false then"),
    )


def locking() -> Iterator[Fault]:
    job, task = asked_for_nothing("cancel_job"), asked_for_nothing("finish_task")
    for function, argument, test, what in ((LOCK_JOB, "p_job_id", job, "job"), (LOCK_TASK, "p_task_id", task, "task")):
        yield from codes_and_words(
            function,
            test,
            ("another SQLSTATE", "'PT404'", "'P0002'"),
            ("what is not there is not named", f"'{what} % not found', {argument}", f"'{what} % not found', '?'"),
            ("NULL is not there", f"if {argument} is null then", "if false then"),
            ("another SQLSTATE for NULL", "'PT400'", "'22004'"),
            ("NULL is not named", f"'{argument} must not be null'", "'an argument must not be null'"),
        )
    yield Fault(
        f"{LOCK_JOB}: locks the key too",
        Edit(LOCK_JOB, "for no key update", "for update"),
        partial(key_stays, call="cancel_job"),
    )
    yield Fault(
        f"{LOCK_TASK}: locks the key of the job too",
        Edit(LOCK_TASK, "for no key update of j", "for update of j"),
        partial(key_stays, call="finish_task"),
    )
    yield Fault(
        f"{LOCK_TASK}: the task before the job",
        Edit(LOCK_TASK, "for no key update of j;", "for no key update of t;"),
        partial(job_first, call="finish_task"),
    )
    yield Fault(
        f"{LOCK_TASK}: the task too, before the job is had",
        Edit(
            LOCK_TASK,
            "    select j.*\n",
            "    perform from public.job_tasks as t where t.id = p_task_id for update;\n    select j.*\n",
        ),
        partial(job_first, call="retry_task"),
    )
    yield from codes_and_words(
        LOCK_TASK,
        partial(called, start="pending"),
        ("another SQLSTATE for a transition", "'PT409'", "'P0001'"),
        ("the present status is not named", "to %', v_status, p_to", "to %', '?', p_to"),
        ("the wanted status is not named", "to %', v_status, p_to", "to %', v_status, '?'"),
    )
    yield Fault(
        f"{CLAIM}: no lock on the job",
        Edit(CLAIM, "    for key share;", "    ;"),
        partial(job_first, call="claim_tasks"),
    )


def results() -> Iterator[Fault]:
    running = partial(called, start="running")
    failed = partial(called, start="error")
    for call, old, new, test in (
        ("finish_task", ", output = p_output", "", running),
        ("finish_task", "where t.id = p_task_id", "where t.status = 'running'", running),
        ("finish_task", "'running', 'done'", "'pending', 'done'", running),
        ("fail_task", ", error_message = p_error", "", running),
        ("fail_task", "error_message = p_error", "error_message = left(p_error, 100)", whole),
        ("fail_task", "where t.id = p_task_id", "where t.status = 'running'", running),
        (
            "fail_task",
            "if p_error is null then",
            "if coalesce(p_error, '') = '' then",
            claims.test_an_empty_error_is_an_error_too,
        ),
        ("fail_task", "if p_error is null then", "if false then", working.test_null_is_no_limit_and_no_error),
        ("fail_task", "'PT400'", "'22004'", working.test_null_is_no_limit_and_no_error),
        (
            "retry_task",
            "retry_count = t.retry_count + 1, ",
            "retry_count = 1 + 0 * t.retry_count, ",
            states.test_a_retried_task_is_like_a_new_one_but_counted,
        ),
        ("retry_task", ", error_message = null", "", failed),
        ("retry_task", "where t.id = p_task_id", "where t.status = 'error'", failed),
        (
            "retry_task",
            "v_job.finished_at is not null",
            "v_job.status <> 'running'",
            partial(claims.test_a_failed_task_is_retried_while_its_job_is_not_final, status="paused"),
        ),
        (
            "retry_task",
            "'PT409'",
            "'P0001'",
            partial(claims.test_a_failed_task_of_a_final_job_says_in_which_state_the_job_is, status="failed"),
        ),
        (
            "retry_task",
            "cannot be retried', v_job.status",
            "cannot be retried', '?'",
            partial(claims.test_a_failed_task_of_a_final_job_says_in_which_state_the_job_is, status="failed"),
        ),
        ("finish_task", "output = p_output", "output = jsonb_strip_nulls(p_output)", whole),
    ):
        change = new or "nothing"
        yield Fault(f"{call}: {change} for {old.strip(', ')}", Edit(f"public.{call}", old, new), test)
    yield Fault(
        f"{LOCK_JOB} and what follows: a stale session wins",
        (
            Edit(LOCK_JOB, "for no key update", ""),
            Edit(CHANGING_JOB, "perform private.refuse_invalid_job_transition(old.status, new.status);", ""),
        ),
        partial(concurrency.test_two_status_changes_at_once_are_serialised, start="paused", level=None),
        "with the guard of direct updates",
    )
    yield Fault(
        "an insertion does not look at the status that holds",
        Edit(
            TASK_COUNTERS,
            "v_delta.has_new_pending and v_status in",
            "v_delta.has_new_pending and false and v_status in",
        ),
        partial(
            levels.test_two_sessions_at_any_level_leave_what_those_that_succeed_leave_one_after_the_other,
            first="insert",
        ),
    )


def templates() -> Iterator[Fault]:
    well = rendering.WELL_FORMED
    for what, old, new, test in (
        (
            "variables of any kind",
            "jsonb_typeof(p_variables) <> 'object'",
            "false",
            partial(rendering.test_variables_must_be_an_object, variables=[]),
        ),
        (
            "no variables",
            "p_variables is null or ",
            "",
            partial(
                rendering.test_null_is_no_template_and_no_variables,
                call="'{}', null",
                named="p_variables must be an object",
            ),
        ),
        (
            "a template of any kind",
            "jsonb_typeof(p_template) <> 'object'",
            "false",
            partial(rendering.test_a_template_must_be_an_object_with_subject_and_body, template=[well]),
        ),
        (
            "no template",
            "p_template is null or ",
            "",
            partial(
                rendering.test_null_is_no_template_and_no_variables,
                call="null, '{}'",
                named="p_template must be an object",
            ),
        ),
        (
            "unknown keys",
            "raise exception 'p_template.% is unknown'",
            "raise notice 'p_template.% is unknown'",
            rendering.test_an_unknown_key_of_a_template_is_named,
        ),
        (
            "a body of any type",
            "if jsonb_typeof(p_template -> v_field) is distinct from 'string' then",
            "if v_field = 'subject' and jsonb_typeof(p_template -> v_field) is distinct from 'string' then",
            partial(rendering.test_subject_and_body_must_be_texts, field="body", value=7),
        ),
        (
            "a subject of any type",
            "if jsonb_typeof(p_template -> v_field) is distinct from 'string' then",
            "if v_field = 'body' and jsonb_typeof(p_template -> v_field) is distinct from 'string' then",
            partial(rendering.test_subject_and_body_must_be_texts, field="subject", value=7),
        ),
        (
            "an unknown variable is nothing",
            "if not p_variables ? v_name then",
            "if false then",
            rendering.test_names_are_told_apart_by_case_and_nothing_stands_for_a_missing_one,
        ),
        (
            "an unknown variable is not named",
            "variable: %', v_field, v_name",
            "variable: %', v_field, '?'",
            rendering.test_an_unknown_variable_is_an_error_that_names_it,
        ),
        (
            "an object is a value",
            "in ('object', 'array')",
            "in ('array')",
            partial(rendering.test_an_object_or_an_array_is_no_value, field="body", value={}),
        ),
        (
            "an array is a value",
            "in ('object', 'array')",
            "in ('object')",
            partial(rendering.test_an_object_or_an_array_is_no_value, field="body", value=[]),
        ),
        (
            "another SQLSTATE",
            "'PT400'",
            "'22023'",
            partial(rendering.test_subject_and_body_must_be_texts, field="body", value=7),
        ),
        ("NULL takes the text with it", "coalesce(v.escaped, '')", "v.escaped", rendering.test_null_becomes_nothing),
        (
            "the first variable alone",
            "regexp_matches(v_text, c_variable, 'g') with ordinality",
            "regexp_matches(v_text, c_variable) with ordinality",
            rendering.test_templates_are_filled_as_the_model_fills_them,
        ),
        (
            "line breaks go from the body too",
            "when v_field = 'subject'",
            "when true",
            partial(rendering.test_every_kind_of_line_break_stays_out_of_the_subject_and_in_the_body, value="\u2028"),
        ),
        (
            "U+2028 gets into the subject",
            "\\\\u2028",
            "",
            partial(rendering.test_every_kind_of_line_break_stays_out_of_the_subject_and_in_the_body, value="\u2028"),
        ),
        (
            "U+0085 gets into the subject",
            "\\\\u0085",
            "",
            partial(rendering.test_every_kind_of_line_break_stays_out_of_the_subject_and_in_the_body, value="\x85"),
        ),
    ):
        yield Fault(f"render_template: {what}", Edit(RENDER, old, new), test)


FAULTS = [
    *claiming(),
    *locking(),
    *results(),
    *templates(),
]
