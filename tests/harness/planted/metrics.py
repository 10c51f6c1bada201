"""Faults of what is read about jobs: ``job_metrics``, its refresh, ``get_job_cards`` and ``get_job_progress``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Edit, Fault
from tests.harness.planted.sources import metrics
from tests.jobs import test_concurrency as concurrency
from tests.jobs import test_costs as costs
from tests.jobs import test_metrics as refreshed
from tests.jobs import test_metrics_columns as columns
from tests.jobs import test_reads as reads
from tests.jobs import test_refreshing as refreshing
from tests.jobs.model import CARD_STATES, CARD_TYPES, COUNTERS

REFRESH = "public.refresh_job_metrics"
CARDS = "public.get_job_cards"
PROGRESS = "public.get_job_progress"
SNAPSHOT_STATES = dict(
    zip(
        CARD_STATES,
        ("suggested", "in_review", "approved_pending", "executing", "done", "blocked", "rejected"),
        strict=True,
    )
)
SNAPSHOT_TYPES = dict(zip(CARD_TYPES, ("email", "task", "call", "research", "followup", "deal"), strict=True))

every_column = columns.test_every_column_of_the_metrics_is_what_it_is_called
every_job = columns.test_jobs_in_every_state_are_in_the_metrics_and_more_than_a_hundred_of_them
rounding = partial(columns.test_rates_have_two_decimals_and_halves_are_rounded_up, part=1, whole=32)
nothing = columns.test_a_rate_of_nothing_is_null
just_started = columns.test_a_job_that_has_just_started_has_lasted_no_negative_time
all_cards = reads.test_every_column_of_a_jobs_cards_is_what_it_is_called_and_all_of_them_are_given
all_numbers = reads.test_every_number_of_a_jobs_progress_is_what_it_is_called_and_stands_there_once
never_filled = refreshing.test_metrics_that_were_never_filled_are_an_error_until_the_first_refresh


def following(names: tuple[str, ...] | list[str]) -> Iterator[tuple[str, str]]:
    """Each name and the next one, the last one's being the first."""
    yield from zip(names, [*names[1:], names[0]], strict=True)


def counts() -> Iterator[Fault]:
    """What is counted for the snapshot."""
    for column, names in (("state", SNAPSHOT_STATES), ("type", SNAPSHOT_TYPES)):
        for value, other in following(list(names)):
            name = names[value]
            yield Fault(
                f"metrics: {other} counted as {name}",
                metrics((f"c.{column} = '{value}') as {name}", f"c.{column} = '{other}') as {name}")),
                every_column,
            )
            yield Fault(
                f"metrics: no {name} is NULL", metrics((f"coalesce(c.{name}, 0) as", f"c.{name} as")), every_job
            )
    for what, old, new, test in (
        ("runs that ended are counted alone", "count(*) as total,", "count(r.ended_at) as total,", every_column),
        ("the first run's end", "max(r.ended_at)", "min(r.ended_at)", every_column),
        ("no run is NULL", "coalesce(r.total, 0)", "r.total", every_job),
        ("jobs without cards are left out", "left join cards", "inner join cards", every_job),
        ("jobs without runs are left out", "left join runs", "inner join runs", every_job),
        ("a hundred jobs at most", "on j.id = r.job_id;", "on j.id = r.job_id limit 100;", every_job),
        (
            "finished jobs are left out",
            "on j.id = r.job_id;",
            "on j.id = r.job_id where j.finished_at is null;",
            every_job,
        ),
        (
            "jobs without tasks are left out",
            "on j.id = r.job_id;",
            "on j.id = r.job_id where j.total_tasks > 0;",
            every_job,
        ),
        (
            "runs of any job",
            "where r.job_id is not null\n    group by r.job_id",
            "where r.job_id is not null\n    group by r.job_id, r.id",
            every_column,
        ),
    ):
        yield Fault(f"metrics: {what}", metrics((old, new)), test)


def rates() -> Iterator[Fault]:
    tasks = "round(100.0 * j.completed_tasks / nullif(j.total_tasks, 0), 2)"
    cards = "100.0 * j.cards_approved / nullif(j.cards_approved + coalesce(c.rejected, 0), 0), 2\n"
    half_even = "round((10000.0 * j.completed_tasks / nullif(j.total_tasks, 0))::float8)::numeric / 100"
    for what, old, new, test in (
        ("one decimal of tasks", tasks, tasks.replace(", 2)", ", 1)"), rounding),
        ("three decimals of tasks", tasks, tasks.replace(", 2)", ", 3)"), rounding),
        ("tasks cut off", tasks, tasks.replace("round", "trunc"), rounding),
        ("halves of tasks to even", tasks, half_even, rounding),
        ("a part of tasks", tasks, tasks.replace("100.0", "1.0"), rounding),
        ("whole numbers of tasks", tasks, tasks.replace("100.0", "100"), rounding),
        (
            "failed tasks are done",
            tasks,
            tasks.replace("j.completed_tasks", "(j.completed_tasks + j.failed_tasks)"),
            every_column,
        ),
        ("no task divides", tasks, tasks.replace("nullif(j.total_tasks, 0)", "j.total_tasks"), nothing),
        ("no task is none done", tasks, f"coalesce({tasks}, 0)", nothing),
        ("one decimal of cards", cards, cards.replace(", 2\n", ", 1\n"), rounding),
        ("of all cards", cards, "100.0 * j.cards_approved / nullif(j.cards_created, 0), 2\n", every_column),
        (
            "executing cards are not approved",
            cards,
            cards.replace("100.0 * j.cards_approved", "100.0 * c.approved_pending"),
            every_column,
        ),
        ("rejected cards do not count", cards, cards.replace(" + coalesce(c.rejected, 0)", ""), rounding),
        (
            "blocked cards count as rejected",
            cards,
            cards.replace("c.rejected, 0)", "c.rejected + c.blocked, 0)"),
            every_column,
        ),
        (
            "none decided divides",
            cards,
            cards.replace(
                "nullif(j.cards_approved + coalesce(c.rejected, 0), 0)", "(j.cards_approved + coalesce(c.rejected, 0))"
            ),
            nothing,
        ),
    ):
        yield Fault(f"rates: {what}", metrics((old, new)), test)


def exchanges() -> Iterator[Fault]:
    """One column in another one's place: in the snapshot, then in the view."""
    times = ["created_at", "started_at", "last_run_at", "finished_at"]
    for names in (times, list(COUNTERS), ["name", "status"]):
        for name, other in following(names):
            for what, alias in (("the snapshot", "j"), ("the view", "s")):
                test = every_job if "finished_at" in (name, other) else every_column
                yield Fault(
                    f"{what}: {other} for {name}",
                    metrics((f"    {alias}.{name},\n", f"    {alias}.{other} as {name},\n")),
                    test,
                )
    states = [f"cards_{name}" for name in SNAPSHOT_STATES.values()]
    kinds = [f"{name}_cards" for name in SNAPSHOT_TYPES.values()]
    for names in (states, kinds, ["task_completion_rate", "approval_rate"]):
        for name, other in following(names):
            yield Fault(
                f"the view: {other} for {name}",
                metrics((f"    s.{name},\n", f"    s.{other} as {name},\n")),
                every_column,
            )
    for name, other in (("total_runs", "cards_rejected"), ("last_run_ended_at", "last_run_at")):
        yield Fault(
            f"the view: {other} for {name}", metrics((f"    s.{name},\n", f"    s.{other} as {name},\n")), every_column
        )
    in_order = columns.test_the_metrics_have_these_columns_in_this_order
    yield Fault(
        "the view: columns in another order",
        metrics(("    s.total_runs,\n    s.last_run_ended_at,\n", "    s.last_run_ended_at,\n    s.total_runs,\n")),
        in_order,
    )
    yield Fault("the view: a column is called otherwise", metrics(("as duration_seconds", "as duration")), in_order)


def durations() -> Iterator[Fault]:
    lasted = "extract(epoch from coalesce(s.finished_at, now()) - s.started_at)"
    seconds = f"greatest({lasted}, 0)"
    for what, old, new, test in (
        ("of a finished job goes on", "coalesce(s.finished_at, now())", "now()", every_job),
        ("of a live job is none", "coalesce(s.finished_at, now())", "s.finished_at", every_job),
        ("from its creation", "now()) - s.started_at", "now()) - s.created_at", every_job),
        ("since its last run", "now()) - s.started_at", "now()) - s.last_run_at", every_job),
        ("negative", f"greatest({lasted}, 0)", lasted, just_started),
        ("in whole seconds", seconds, f"trunc({seconds})", every_job),
        ("as of the clock", "now())", "clock_timestamp())", every_job),
        (
            "of a job that has not started is 0",
            "    end as duration_seconds",
            "    else 0 end as duration_seconds",
            every_job,
        ),
    ):
        yield Fault(f"duration: {what}", metrics((old, new)), test)
    yield Fault(
        "duration: as of the refresh",
        metrics(("coalesce(s.finished_at, now())", "coalesce(s.finished_at, r.refreshed_at)")),
        refreshed.test_a_job_in_a_final_state_keeps_its_duration,
    )


def refreshes() -> Iterator[Fault]:
    yield Fault(
        "metrics without the row of their refresh",
        metrics(("left join private.job_metrics_refresh as r on true", "cross join private.job_metrics_refresh as r")),
        refreshing.test_metrics_are_shown_also_when_nobody_knows_of_when,
    )
    row = "insert into private.job_metrics_refresh default values"
    filled = "refresh materialized view concurrently private.job_metrics_snapshot;"
    plain = "refresh materialized view private.job_metrics_snapshot;"
    for what, old, new, test in (
        (
            "the time stays",
            "do update set refreshed_at = clock_timestamp()",
            "do nothing",
            refreshed.test_metrics_are_as_of_refreshed_at,
        ),
        (
            "as of the transaction",
            "set refreshed_at = clock_timestamp()",
            "set refreshed_at = now()",
            refreshing.test_refreshed_at_is_when_the_refresh_began_by_the_clock,
        ),
        ("nothing is refreshed", filled, "null;", refreshed.test_metrics_are_as_of_refreshed_at),
        ("nothing is filled the first time", plain, "null;", never_filled),
        ("filled as one that is filled", plain, filled, never_filled),
        (
            "the first two at once",
            f"    {row}\n    on conflict (only_row) do update set refreshed_at = clock_timestamp();",
            f"    delete from private.job_metrics_refresh;\n    {row};",
            refreshing.test_two_first_refreshes_at_once_do_not_fail,
        ),
        ("readers wait", filled, plain, concurrency.test_two_refreshes_at_once_do_not_fail_and_keep_no_reader_waiting),
    ):
        yield Fault(f"refresh: {what}", Edit(REFRESH, old, new), test)


def cards() -> Iterator[Fault]:
    selected = "c.id, c.type, c.title, c.state, c.priority, c.contact_id, c.task_id, c.created_at"
    for name, other in (
        ("type", "state"),
        ("state", "type"),
        ("title", "type"),
        ("contact_id", "id"),
        ("id", "contact_id"),
    ):
        yield Fault(
            f"get_job_cards: {other} for {name}",
            Edit(CARDS, selected, selected.replace(f"c.{name},", f"c.{other},", 1)),
            all_cards,
        )
    for what, old, new in (
        ("no priority", "c.priority,", "0,"),
        ("no contact", "c.contact_id,", "null::uuid,"),
        ("no task", "c.task_id,", "null::bigint,"),
        ("now for created_at", "c.task_id, c.created_at", "c.task_id, now()"),
        ("oldest first", "order by c.created_at desc", "order by c.created_at"),
        ("ties in the opposite order", "c.id asc", "c.id desc"),
        ("ties in any order", ", c.id asc", ", c.title"),
        ("a hundred at most", "c.id asc;", "c.id asc limit 100;"),
        ("cards of any job", "where c.job_id = p_job_id\n    order", "where true\n    order"),
        (
            "without those that are rejected",
            "where c.job_id = p_job_id\n    order",
            "where c.job_id = p_job_id and c.state <> 'rejected'\n    order",
        ),
        (
            "without those that have no task",
            "where c.job_id = p_job_id\n    order",
            "where c.job_id = p_job_id and c.task_id is not null\n    order",
        ),
    ):
        yield Fault(f"get_job_cards: {what}", Edit(CARDS, old, new), all_cards)


def progress() -> Iterator[Fault]:
    for what, old, new, test in (
        (
            "pending tasks of any job",
            "t.job_id = p_job_id and t.status = 'pending'",
            "t.status = 'pending'",
            all_numbers,
        ),
        (
            "running tasks of any job",
            "t.job_id = p_job_id and t.status = 'running'",
            "t.status = 'running'",
            all_numbers,
        ),
        ("running for pending", "('pending', o.pending)", "('pending', o.running)", all_numbers),
        ("pending for running", "('running', o.running)", "('running', o.pending)", all_numbers),
        ("error for done", "('done', v_job.completed_tasks)", "('done', v_job.failed_tasks)", all_numbers),
        ("done for error", "('error', v_job.failed_tasks)", "('error', v_job.completed_tasks)", all_numbers),
        ("running tasks are skipped", "- o.pending - o.running", "- o.pending", all_numbers),
        ("failed tasks are skipped", "- v_job.failed_tasks - o.pending", "- o.pending", all_numbers),
        ("statuses without tasks", "where s.n <> 0", "", reads.test_progress_is_live_and_follows_every_status),
        ("done tasks in all", "'total_tasks', v_job.total_tasks", "'total_tasks', v_job.completed_tasks", all_numbers),
        (
            "groups of cards",
            "(select coalesce(sum(c.n), 0) from cards as c)",
            "(select count(*) from cards as c)",
            all_numbers,
        ),
        (
            "no cards are NULL",
            "select coalesce(sum(c.n), 0) from cards",
            "select sum(c.n) from cards",
            reads.test_progress_is_live_and_follows_every_status,
        ),
        (
            "cards of any job",
            "where c.job_id = p_job_id\n            group",
            "where true\n            group",
            all_numbers,
        ),
        (
            "a state for each type",
            "select c.state, sum(c.n) as n from cards as c group by c.state",
            "select c.state, c.n from cards as c",
            all_numbers,
        ),
        (
            "a type for each state",
            "select c.type, sum(c.n) as n from cards as c group by c.type",
            "select c.type, c.n from cards as c",
            all_numbers,
        ),
        (
            "types for states",
            "json_object_agg(s.state, s.n order by s.state), '{}') from states as s",
            "json_object_agg(y.type, y.n order by y.type), '{}') from types as y",
            all_numbers,
        ),
        (
            "states for types",
            "json_object_agg(y.type, y.n order by y.type), '{}') from types as y",
            "json_object_agg(s.state, s.n order by s.state), '{}') from states as s",
            all_numbers,
        ),
        (
            "no state is NULL",
            "coalesce(json_object_agg(s.state, s.n order by s.state), '{}')",
            "json_object_agg(s.state, s.n order by s.state)",
            reads.test_progress_is_live_and_follows_every_status,
        ),
        (
            "no type is NULL",
            "coalesce(json_object_agg(y.type, y.n order by y.type), '{}')",
            "json_object_agg(y.type, y.n order by y.type)",
            reads.test_progress_is_live_and_follows_every_status,
        ),
        ("one decimal", "nullif(v_job.total_tasks, 0), 2)", "nullif(v_job.total_tasks, 0), 1)", rounding),
        ("cut off", "round(100.0 * v_job.completed_tasks", "trunc(100.0 * v_job.completed_tasks", rounding),
        (
            "failed tasks are done",
            "100.0 * v_job.completed_tasks",
            "100.0 * (v_job.completed_tasks + v_job.failed_tasks)",
            all_numbers,
        ),
        ("no task divides", "nullif(v_job.total_tasks, 0)", "v_job.total_tasks", nothing),
        (
            "all tasks are read",
            "    return (\n",
            "    perform from public.job_tasks as t where t.job_id = p_job_id;\n    return (\n",
            costs.test_progress_reads_what_is_pending_or_running_and_not_what_is_over,
        ),
    ):
        yield Fault(f"get_job_progress: {what}", Edit(PROGRESS, old, new), test)
    for function in (CARDS, PROGRESS):
        refused = partial(reads.test_reads_of_null_are_a_bad_argument, function=function.removeprefix("public."))
        for what, old, new in (
            ("NULL is a job", "if p_job_id is null then", "if false then"),
            ("another SQLSTATE for NULL", "'PT400'", "'22004'"),
            ("another SQLSTATE for no job", "'PT404'", "'P0002'"),
            ("a job that is not there is not named", "not found', p_job_id", "not found', '?'"),
        ):
            yield Fault(f"{function}: {what}", Edit(function, old, new), refused)
    yield Fault(
        "get_job_cards: a job that is not there has no cards",
        Edit(CARDS, "raise exception 'job % not found'", "raise notice 'job % not found'"),
        partial(reads.test_reads_of_null_are_a_bad_argument, function="get_job_cards"),
    )
    yield Fault(
        "get_job_progress: a job that is not there has made none",
        Edit(PROGRESS, "if not found then", "if false then"),
        partial(reads.test_reads_of_null_are_a_bad_argument, function="get_job_progress"),
    )


FAULTS = [
    *counts(),
    *rates(),
    *exchanges(),
    *durations(),
    *refreshes(),
    *cards(),
    *progress(),
]
