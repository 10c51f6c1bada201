"""Faults of the triggers that keep counters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from tests.jobs import test_concurrency as concurrency
from tests.jobs import test_costs as costs
from tests.jobs import test_counting as counting
from tests.jobs import test_locks as locks
from tests.jobs import test_metrics as metrics
from tests.jobs import test_status_effects as effects

TASK_COUNTERS = "public.update_job_metrics_on_task_change"
CARD_COUNTERS = "public.update_job_metrics_on_card_change"
final_job = effects.test_a_final_job_takes_no_pending_task_by_any_way_and_says_so
in_order = locks.test_jobs_whose_counters_change_are_locked_in_the_order_of_their_ids
no_lock = locks.test_no_job_is_locked_where_no_counter_and_no_rule_of_final_jobs_is_concerned
counted = counting.test_counters_are_exact_after_a_statement_on_many_rows
truncated = counting.test_what_truncate_sets_to_zero_is_what_it_emptied


def counters() -> Iterator[Fault]:
    inserted = "0, 0, true)::private.task_delta order by d.job_id"
    rowwise = "d.has_new_pending)::private.task_delta\n                    order by d.job_id"
    settled = "d.failed, false)::private.task_delta\n                    order by d.job_id"
    removed = "d.failed, false)::private.task_delta\n                order by d.job_id"
    for text, statement in (
        (inserted, "insert tasks"),
        (rowwise, "retry tasks"),
        (settled, "finish tasks"),
        (removed, "delete tasks"),
    ):
        yield Fault(
            f"{TASK_COUNTERS}: {statement} lock jobs in another order",
            Edit(TASK_COUNTERS, text, f"{text} desc"),
            partial(in_order, statement=statement),
        )
    yield Fault(
        f"{CARD_COUNTERS}: jobs are locked in another order",
        Edit(CARD_COUNTERS, "order by d.job_id", "order by d.job_id desc"),
        partial(in_order, statement="approve cards"),
    )
    yield Fault(
        f"{TASK_COUNTERS}: pending tasks are counted by job and not one by one",
        Edit(TASK_COUNTERS, "group by c.job_id, c.id", "group by c.job_id"),
        concurrency.test_a_pending_task_that_changes_places_with_another_is_pending_in_no_final_job,
    )
    yield Fault(
        f"{TASK_COUNTERS}: new tasks are not pending",
        Edit(TASK_COUNTERS, "0, 0, true)", "0, 0, false)"),
        partial(final_job, final="failed"),
    )
    for what, old, new in (
        ("another SQLSTATE for final jobs", "using errcode = 'PT409';", "using errcode = 'P0001';"),
        ("the job is not named", "more', v_delta.job_id, v_status", "more', '?', v_status"),
        ("its status is not named", "more', v_delta.job_id, v_status", "more', v_delta.job_id, '?'"),
    ):
        yield Fault(f"{TASK_COUNTERS}: {what}", Edit(TASK_COUNTERS, old, new), partial(final_job, final="cancelled"))
    yield Fault(
        f"{TASK_COUNTERS}: locks jobs of which nothing changes",
        Edit(TASK_COUNTERS, "where (d.total, d.completed, d.failed) <> (0, 0, 0)", ""),
        partial(no_lock, statement="start tasks"),
    )
    yield Fault(
        f"{TASK_COUNTERS}: locks jobs whose pending tasks stay so",
        Edit(
            TASK_COUNTERS,
            "sum(t.total) <> 0 or sum(t.completed) <> 0 or sum(t.failed) <> 0 or bool_or(t.pending > 0)\n",
            "true\n",
        ),
        partial(no_lock, statement="write inputs"),
    )
    yield Fault(
        f"{CARD_COUNTERS}: locks jobs of which nothing changes",
        Edit(CARD_COUNTERS, "where (d.created, d.approved, d.executed, d.emails, d.errors) <> (0, 0, 0, 0, 0)", ""),
        partial(no_lock, statement="review cards"),
    )
    yield Fault(
        f"{TASK_COUNTERS}: one row a job is counted",
        Edit(
            TASK_COUNTERS,
            "                    count(*) as total\n                from new_tasks",
            "                    1 as total\n                from new_tasks",
        ),
        counting.test_counters_are_exact_after_a_copy,
    )
    yield Fault(
        f"{TASK_COUNTERS}: what moves is known by the counters of one job",
        Edit(TASK_COUNTERS, "sum(t.total) <> 0 or ", ""),
        partial(
            counting.test_a_task_of_any_status_is_counted_where_it_moves_and_no_more_where_it_was, status="pending"
        ),
    )
    for column, delta, statement in (
        ("total_tasks", "total", "tasks are deleted"),
        ("completed_tasks", "completed", "tasks are deleted"),
        ("failed_tasks", "failed", "tasks are deleted"),
    ):
        yield Fault(
            f"{TASK_COUNTERS}: {column} stays",
            Edit(TASK_COUNTERS, f"j.{column} + coalesce(v_delta.{delta}, 0)", f"j.{column}"),
            partial(counted, statement=statement),
        )
        yield Fault(
            f"{TASK_COUNTERS}: {column} stays when truncated",
            Edit(TASK_COUNTERS, f"{column} = 0", f"{column} = j.{column}"),
            truncated,
        )
    for column, delta in (
        *(("cards_created", "created"), ("cards_approved", "approved"), ("cards_executed", "executed")),
        *(("emails_sent", "emails"), ("errors_count", "errors")),
    ):
        yield Fault(
            f"{CARD_COUNTERS}: {column} stays",
            Edit(CARD_COUNTERS, f"j.{column} + v_delta.{delta}", f"j.{column}"),
            metrics.test_every_state_and_type_of_a_card_is_counted_when_it_comes_changes_moves_and_goes,
        )
        yield Fault(
            f"{CARD_COUNTERS}: {column} stays when truncated",
            Edit(CARD_COUNTERS, f"{column} = 0", f"{column} = j.{column}"),
            truncated,
        )
    for table, function in (("job_tasks", TASK_COUNTERS), ("kanban_cards", CARD_COUNTERS)):
        for level, rest in (("repeatable read", "serializable"), ("serializable", "repeatable read")):
            yield Fault(
                f"{table}: truncated at {level}",
                (
                    Edit(TASK_COUNTERS, "in ('repeatable read', 'serializable')", f"= '{rest}'"),
                    Edit(CARD_COUNTERS, "in ('repeatable read', 'serializable')", f"= '{rest}'"),
                ),
                partial(
                    metrics.test_truncate_is_refused_where_it_takes_rows_that_the_transaction_cannot_see,
                    table=table,
                    level=level,
                ),
            )
        yield Fault(
            f"{function}: counts anew",
            Edit(
                function,
                "    return null;\nend;",
                f"    perform from public.{table} as x where x.job_id = v_delta.job_id;\n    return null;\nend;",
            ),
            partial(
                costs.test_one_change_reads_no_other_task_or_card_of_its_job,
                change=f"insert a {'task' if table == 'job_tasks' else 'card'}",
            ),
        )


FAULTS = [
    *counters(),
]
