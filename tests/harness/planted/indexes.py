"""Faults of the indexes: each one dropped or made for something else, where a query or a call needs it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Fault
from pgassay.mutants import Test
from tests.jobs import test_costs as costs
from tests.jobs import test_indexes as indexes

queries = indexes.test_each_query_is_served_by_an_index_without_a_filter_or_a_sort
batch = costs.test_a_batch_costs_what_it_is_whatever_is_planned
deleting = indexes.test_what_refers_to_a_row_that_is_deleted_is_found_by_an_index

DROPPED: dict[str, Test] = {
    "jobs_by_status": queries,
    "jobs_by_creation": queries,
    "jobs_by_owner": partial(deleting, what="a user"),
    "job_tasks_by_status": queries,
    "job_tasks_pending": queries,
    "kanban_cards_by_job_and_state": queries,
    "kanban_cards_by_job_and_task": partial(deleting, what="a task"),
    "job_tasks_by_day_and_contact": batch,
}
CHANGED: dict[str, tuple[str, Test]] = {
    "jobs_by_status": ("on public.jobs (org_id)", queries),
    "jobs_by_creation": ("on public.jobs (org_id, name)", queries),
    "job_tasks_by_status": ("on public.job_tasks (job_id, kind)", queries),
    "job_tasks_pending": ("on public.job_tasks (job_id, batch, step) where status = 'running'", queries),
    "kanban_cards_by_job_and_state": ("on public.kanban_cards (job_id, type)", queries),
    "kanban_cards_by_job_and_task": ("on public.kanban_cards (job_id)", queries),
    "job_tasks_by_day_and_contact": ("on public.job_tasks (job_id, left(input ->> 'day', 5))", batch),
}


def faults() -> Iterator[Fault]:
    for index, test in DROPPED.items():
        yield Fault(f"{index} dropped", f"drop index public.{index}", test)
    for index, (what, test) in CHANGED.items():
        yield Fault(f"{index} {what}", f"drop index public.{index}; create index {index} {what}", test)
    yield Fault(
        "no index on places",
        "alter table public.job_tasks drop constraint job_tasks_job_id_batch_step_key",
        queries,
    )


FAULTS = list(faults())
