"""Faults in what a row may hold: each clause of each CHECK, NOT NULL, defaults, types, keys and what they do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pgassay import Fault
from pgassay.mutants import Test
from tests.harness.planted import edits
from tests.jobs import test_constraints as constraints
from tests.jobs import test_host as host
from tests.jobs import test_isolation as isolation
from tests.jobs import test_links as links
from tests.jobs import test_names as names
from tests.jobs import test_task_organisation as organisation
from tests.jobs.model import CARD_STATES, CARD_TYPES, COUNTERS, FINAL, JOB_STATUSES, TASK_KINDS, TASK_STATUSES

filled = constraints.test_a_column_that_must_be_filled_refuses_null
empty = constraints.test_a_column_that_may_be_empty_takes_null
types = constraints.test_a_table_has_the_columns_of_the_specification_with_their_types
new_job = constraints.test_a_new_job_has_the_defaults_of_the_specification
new_task = constraints.test_a_new_task_has_the_defaults_of_the_specification
job_times = constraints.test_a_jobs_times_fit_its_status
task_times = constraints.test_a_tasks_times_fit_its_status
place = constraints.test_a_place_is_counted_from_0_to_the_largest_integer
retries = constraints.test_a_task_is_retried_never_less_than_0_times
counted = constraints.test_a_counter_is_never_negative
kind_taken = constraints.test_every_kind_of_task_is_taken_from_a_member
kind_refused = constraints.test_a_kind_of_task_that_there_is_not_is_refused
kept_id = constraints.test_what_a_row_refers_to_keeps_its_id
followed = constraints.test_a_task_follows_its_job_to_another_id
refers_job = constraints.test_a_job_is_of_an_organisation_and_an_owner_that_there_are
refers_task = constraints.test_a_task_is_of_a_job_that_there_is
given_once = constraints.test_an_id_is_given_once
card_values = host.test_a_card_has_the_types_and_states_of_the_specification_and_no_others
card_contact = host.test_a_cards_contact_is_of_the_cards_organisation
contact_gone = host.test_a_card_outlives_its_contact_with_all_else_that_it_has
host_gone = host.test_an_organisation_takes_contacts_and_memberships_with_it_and_a_user_their_memberships
memberships = host.test_a_user_can_belong_to_several_organisations_once_each
host_columns = host.test_the_application_has_the_columns_that_the_specification_names
organisation_gone = links.test_deleting_an_organisation_takes_everything_of_it_and_nothing_else
job_gone = links.test_deleting_a_job_deletes_its_tasks_and_keeps_cards_and_runs_without_their_links
task_gone = links.test_deleting_a_task_keeps_its_cards_with_their_job
owner_gone = links.test_the_owner_is_who_created_the_job_and_null_once_deleted
planned_gone = links.test_a_job_whose_batches_were_planned_can_be_deleted_like_any_other
crossing = partial(isolation.test_a_link_cannot_cross_organisations_whoever_makes_it, role="owner")
blank = partial(names.test_a_name_of_blank_characters_alone_is_refused, way="insert")
shown = partial(names.test_a_name_with_one_character_that_shows_is_taken, way="insert")
long = partial(names.test_a_name_has_1_to_200_characters_which_are_not_bytes, way="insert")
filled_organisation = organisation.test_a_task_gets_the_organisation_of_its_job
wrong_organisation = partial(
    organisation.test_for_whom_there_is_no_foreign_job_an_unknown_one_breaks_the_foreign_key, who="owner"
)


def drop(table: str, name: str) -> str:
    return f"alter table public.{table} drop constraint {name}"


def quoted(value: str) -> str:
    return f"'{value}'::text"


def without(table: str, name: str, listed: tuple[str, ...], value: str) -> str:
    """A constraint whose list lacks a value."""
    old = f"{quoted(value)}, " if value != listed[-1] else f", {quoted(value)}"
    return edits.constraint(table, name, old, "")


def longer(table: str, name: str, value: str) -> str:
    """A constraint whose list has one value more."""
    return edits.constraint(table, name, "ARRAY[", f"ARRAY[{quoted(value)}, ")


def lists() -> Iterator[Fault]:
    """Each list of values: gone, one value longer, each value missing."""
    yield Fault("job: any status", drop("jobs", "jobs_status_known"), partial(job_times, status="done"))
    yield Fault(
        "job: a status too many", longer("jobs", "jobs_status_known", "done"), partial(job_times, status="done")
    )
    for status in JOB_STATUSES:
        yield Fault(
            f"job: never {status}",
            without("jobs", "jobs_status_known", JOB_STATUSES, status),
            partial(job_times, status=status),
        )
    yield Fault("task: any status", drop("job_tasks", "job_tasks_status_known"), partial(task_times, status="failed"))
    yield Fault(
        "task: a status too many",
        longer("job_tasks", "job_tasks_status_known", "failed"),
        partial(task_times, status="failed"),
    )
    for status in TASK_STATUSES:
        yield Fault(
            f"task: never {status}",
            without("job_tasks", "job_tasks_status_known", TASK_STATUSES, status),
            partial(task_times, status=status),
        )
    yield Fault("task: any kind", drop("job_tasks", "job_tasks_kind_known"), kind_refused)
    yield Fault("task: a kind too many", longer("job_tasks", "job_tasks_kind_known", "call"), kind_refused)
    for kind in TASK_KINDS:
        yield Fault(
            f"task: no {kind}",
            without("job_tasks", "job_tasks_kind_known", TASK_KINDS, kind),
            partial(kind_taken, kind=kind),
        )
    for column, listed, extra in (("type", CARD_TYPES, "email"), ("state", CARD_STATES, "pending")):
        name = f"kanban_cards_{column}_known"
        yield Fault(f"card: any {column}", drop("kanban_cards", name), card_values)
        yield Fault(f"card: a {column} too many", longer("kanban_cards", name, extra), card_values)
        for value in listed:
            yield Fault(f"card: no {column} {value}", without("kanban_cards", name, listed, value), card_values)
    name = "organization_members_role_known"
    yield Fault("membership: any role", drop("organization_members", name), memberships)
    for role in ("owner", "admin", "member"):
        change = without("organization_members", name, ("owner", "admin", "member"), role)
        yield Fault(f"membership: no {role}", change, memberships)


def borders() -> Iterator[Fault]:
    """Each number's border: gone, and moved by one to either side."""
    for column in ("batch", "step", "retry_count"):
        test = retries if column == "retry_count" else partial(place, column=column)
        name = f"job_tasks_{column}_not_negative"
        yield Fault(f"{column}: any number", drop("job_tasks", name), test)
        yield Fault(f"{column}: from -1", edits.constraint("job_tasks", name, ">= 0", ">= -1"), test)
        yield Fault(f"{column}: from 1", edits.constraint("job_tasks", name, ">= 0", ">= 1"), test)
    name = "jobs_counters_not_negative"
    yield Fault("counters: any number", drop("jobs", name), partial(counted, counter="total_tasks"))
    yield Fault(
        "counters: from -1", edits.constraint("jobs", name, ">= 0", ">= -1"), partial(counted, counter="errors_count")
    )
    yield Fault(
        "counters: from 1", edits.constraint("jobs", name, ">= 0", ">= 1"), partial(counted, counter="total_tasks")
    )
    for counter in COUNTERS:
        old = f", {counter}" if counter != COUNTERS[0] else f"{counter}, "
        yield Fault(
            f"{counter}: any number", edits.constraint("jobs", name, old, ""), partial(counted, counter=counter)
        )
    name = "jobs_name_has_1_to_200_characters"
    yield Fault("name: of any length", drop("jobs", name), long)
    yield Fault("name: from 2 characters", edits.constraint("jobs", name, ">= 1", ">= 2"), long)
    yield Fault("name: to 199 characters", edits.constraint("jobs", name, "<= 200", "<= 199"), long)
    yield Fault("name: to 201 characters", edits.constraint("jobs", name, "<= 200", "<= 201"), long)
    yield Fault("name: to 200 bytes", edits.constraint("jobs", name, "char_length", "octet_length"), long)


# as the migration writes them
BLANK = (
    r"\u0009-\u000d", r"\u0020", r"\u0085", r"\u00a0", r"\u1680", r"\u2000-\u200a", r"\u2028", r"\u2029", r"\u202f",
    r"\u205f", r"\u3000", r"\u00ad", r"\u034f", r"\u061c", r"\u115f", r"\u1160", r"\u17b4", r"\u17b5",
    r"\u180b-\u180f", r"\u200b-\u200f", r"\u202a-\u202e", r"\u2060-\u206f", r"\u3164", r"\ufe00-\ufe0f", r"\ufeff",
    r"\uffa0", r"\ufff0-\ufff8", r"\U0001bca0-\U0001bca3", r"\U0001d173-\U0001d17a", r"\U000e0000-\U000e0fff",
    r"\u2800",
)  # fmt: skip


def blank_names() -> Iterator[Fault]:
    name = "jobs_name_not_blank"
    yield Fault("name: blank", drop("jobs", name), blank)
    for piece in BLANK:
        yield Fault(f"name: {piece} shows", edits.constraint("jobs", name, piece, ""), blank)
    for old, new in ((r"\u200a", r"\u2010"), (r"\u2800", r"\u2800\u2801"), (r"\u000d", r"\u000e"), (r"\u0020", " -!")):
        yield Fault(f"name: {new.strip()} is blank", edits.constraint("jobs", name, old, new), shown)


def times() -> Iterator[Fault]:
    """Each clause of the rules that hold times to a status."""
    table, name = "jobs", "jobs_finished_at_exactly_when_final"
    yield Fault("job: finished or not", drop(table, name), partial(job_times, status="failed"))
    yield Fault(
        "job: finished when final, or before",
        edits.constraint(table, name, ") = (", ") >= ("),
        partial(job_times, status="running"),
    )
    yield Fault(
        "job: finished when final, or never",
        edits.constraint(table, name, ") = (", ") <= ("),
        partial(job_times, status="failed"),
    )
    for status in sorted(FINAL):
        change = without(table, name, ("succeeded", "failed", "cancelled"), status)
        yield Fault(f"job: not finished when {status}", change, partial(job_times, status=status))
    yield Fault("job: finished when paused", longer(table, name, "paused"), partial(job_times, status="paused"))
    name = "jobs_started_at_once_started"
    yield Fault("job: started or not", drop(table, name), partial(job_times, status="pending"))
    for status, old, new in (
        ("pending", "THEN (started_at IS NULL)", "THEN true"),
        ("cancelled", "THEN true", "THEN (started_at IS NOT NULL)"),
        ("running", "ELSE (started_at IS NOT NULL)", "ELSE true"),
    ):
        change = edits.constraint(table, name, old, new)
        yield Fault(f"job: another start when {status}", change, partial(job_times, status=status))
    name = "jobs_finished_after_started"
    yield Fault("job: finished before it started", drop(table, name), partial(job_times, status="succeeded"))
    yield Fault(
        "job: finished later than at once",
        edits.constraint(table, name, ">=", ">"),
        partial(job_times, status="cancelled"),
    )

    table, name = "job_tasks", "job_tasks_started_at_exactly_when_run"
    yield Fault("task: started or not", drop(table, name), partial(task_times, status="pending"))
    for status in ("running", "done", "error"):
        change = without(table, name, ("running", "done", "error"), status)
        yield Fault(f"task: not started when {status}", change, partial(task_times, status=status))
    yield Fault("task: started when skipped", longer(table, name, "skipped"), partial(task_times, status="skipped"))
    name = "job_tasks_finished_at_exactly_when_finished"
    yield Fault("task: finished or not", drop(table, name), partial(task_times, status="running"))
    for status in ("done", "error"):
        change = without(table, name, ("done", "error"), status)
        yield Fault(f"task: not finished when {status}", change, partial(task_times, status=status))
    yield Fault("task: finished when running", longer(table, name, "running"), partial(task_times, status="running"))


def columns() -> Iterator[Fault]:
    """NOT NULL, missing and too many; defaults; types."""
    keys = {("jobs", "id"), ("job_tasks", "id")}  # the primary key holds them
    for table, column in constraints.FILLED:
        if (table, column) not in keys:
            change = f"alter table public.{table} alter column {column} drop not null"
            yield Fault(f"{table}.{column}: NULL", change, partial(filled, table=table, column=column))
    for table, nullable in constraints.NULLABLE.items():
        for column in sorted(nullable):
            change = f"alter table public.{table} alter column {column} set not null"
            yield Fault(f"{table}.{column}: never NULL", change, partial(empty, table=table))
    for table in ("contacts", "kanban_cards", "agent_runs"):
        change = f"alter table public.{table} alter column org_id drop not null"
        yield Fault(f"{table}.org_id: NULL", change, partial(host_columns, table=table))
    for column in ("id", "status", "params", "created_at", *COUNTERS):
        yield Fault(
            f"jobs.{column}: no default", f"alter table public.jobs alter column {column} drop default", new_job
        )
    yield Fault("jobs.owner_id: no default", "alter table public.jobs alter column owner_id drop default", owner_gone)
    for column in ("status", "input", "retry_count", "created_at"):
        change = f"alter table public.job_tasks alter column {column} drop default"
        yield Fault(f"job_tasks.{column}: no default", change, new_task)
    yield Fault(
        "jobs.created_at: another day",
        "alter table public.jobs alter column created_at set default current_date",
        new_job,
    )
    yield Fault(
        "jobs.params: another default",
        """alter table public.jobs alter column params set default '{"a": 1}'""",
        new_job,
    )
    yield Fault(
        "job_tasks.input: an array", "alter table public.job_tasks alter column input set default '[]'", new_task
    )
    yield Fault(
        "job_tasks.id: as it is given",
        "alter table public.job_tasks alter column id set generated by default",
        constraints.test_the_database_gives_a_task_its_id,
    )
    yield Fault(
        "jobs.last_run_at: without a time zone",
        (
            "drop view public.job_metrics; drop materialized view private.job_metrics_snapshot; "
            "drop trigger jobs_begin_pending on public.jobs",
            "alter table public.jobs alter column last_run_at type timestamp",
        ),
        partial(types, table="jobs"),
        "with what hangs on the column",
    )
    yield Fault(
        "job_tasks.retry_count: of 16 bits",
        "alter table public.job_tasks alter column retry_count type smallint",
        partial(types, table="job_tasks"),
    )
    yield Fault("params: anything", drop("jobs", "jobs_params_is_an_object"), links.test_params_are_an_object)
    yield Fault(
        "params: an array",
        edits.constraint("jobs", "jobs_params_is_an_object", "= 'object'::text", "in ('object', 'array')"),
        links.test_params_are_an_object,
    )
    yield Fault("card: a task without a job", drop("kanban_cards", "kanban_cards_task_only_with_job"), crossing)
    yield Fault(
        "card: never without a job",
        edits.constraint("kanban_cards", "kanban_cards_task_only_with_job", "task_id IS NULL", "false"),
        links.test_a_card_that_loses_its_job_loses_its_task,
    )


def keys() -> Iterator[Fault]:
    """Primary keys and foreign keys: gone, looser, and with other actions."""
    yield Fault("jobs: an id twice", f"{drop('jobs', 'jobs_pkey')} cascade", given_once)
    yield Fault("tasks: an id twice", drop("job_tasks", "job_tasks_pkey"), given_once)
    yield Fault("a membership twice", drop("organization_members", "organization_members_pkey"), memberships)
    actions: tuple[tuple[str, str, str, dict[str, Test]], ...] = (
        ("jobs", "jobs_organization_fkey", "CASCADE", {"": refers_job, "NO ACTION": organisation_gone}),
        ("jobs", "jobs_owner_fkey", "SET NULL", dict.fromkeys(("", "NO ACTION", "CASCADE"), owner_gone)),
        (
            "job_tasks",
            "job_tasks_job_in_same_organisation",
            "CASCADE",
            {"": refers_task, "NO ACTION": job_gone, "SET NULL": job_gone},
        ),
        (
            "kanban_cards",
            "kanban_cards_job_in_same_organisation",
            "SET NULL (job_id)",
            {"": crossing, "NO ACTION": job_gone, "CASCADE": job_gone, "SET NULL": job_gone},
        ),
        (
            "kanban_cards",
            "kanban_cards_task_of_same_job",
            "SET NULL (task_id)",
            {"": crossing, "NO ACTION": task_gone, "CASCADE": task_gone, "SET NULL": task_gone},
        ),
        (
            "agent_runs",
            "agent_runs_job_in_same_organisation",
            "SET NULL (job_id)",
            {"": crossing, "NO ACTION": job_gone, "CASCADE": job_gone, "SET NULL": job_gone},
        ),
        (
            "kanban_cards",
            "kanban_cards_contact_in_same_organisation",
            "SET NULL (contact_id)",
            {
                "": partial(card_contact, who="owner"),
                "NO ACTION": contact_gone,
                "CASCADE": contact_gone,
                "SET NULL": contact_gone,
            },
        ),
        (
            "contacts",
            "contacts_organization_fkey",
            "CASCADE",
            {"": partial(host_columns, table="contacts"), "NO ACTION": host_gone},
        ),
        (
            "kanban_cards",
            "kanban_cards_organization_fkey",
            "CASCADE",
            {"": partial(host_columns, table="kanban_cards"), "NO ACTION": organisation_gone},
        ),
        (
            "agent_runs",
            "agent_runs_organization_fkey",
            "CASCADE",
            {"": partial(host_columns, table="agent_runs"), "NO ACTION": organisation_gone},
        ),
        (
            "organization_members",
            "organization_members_organization_fkey",
            "CASCADE",
            {"": memberships, "NO ACTION": host_gone},
        ),
        (
            "organization_members",
            "organization_members_user_fkey",
            "CASCADE",
            {"": memberships, "NO ACTION": host_gone},
        ),
    )
    for table, name, on_delete, changes in actions:
        for action, test in changes.items():
            if action:
                change = edits.constraint(table, name, f"ON DELETE {on_delete}", f"ON DELETE {action}")
                yield Fault(f"{name}: on delete {action.lower()}", change, test)
            else:
                yield Fault(f"{name}: gone", drop(table, name), test)
    for table, name, holder in (
        ("jobs", "jobs_organization_fkey", "a job"),
        ("jobs", "jobs_owner_fkey", "the owner of a job"),
        ("kanban_cards", "kanban_cards_job_in_same_organisation", "the job of a card"),
        ("agent_runs", "agent_runs_job_in_same_organisation", "the job of a run"),
        ("kanban_cards", "kanban_cards_contact_in_same_organisation", "the contact of a card"),
        ("organization_members", "organization_members_user_fkey", "the user of a membership"),
        ("organization_members", "organization_members_organization_fkey", "a membership"),
    ):
        change = edits.constraint(table, name, "ON DELETE", "ON UPDATE CASCADE ON DELETE")
        yield Fault(f"{name}: on update cascade", change, partial(kept_id, holder=holder))
    change = edits.constraint(
        "kanban_cards", "kanban_cards_task_of_same_job", "ON DELETE", "ON UPDATE CASCADE ON DELETE"
    )
    yield Fault(
        "kanban_cards_task_of_same_job: on update cascade",
        change,
        links.test_a_task_that_has_cards_cannot_move_to_another_job,
    )
    name = "job_tasks_job_in_same_organisation"
    change = edits.constraint("job_tasks", name, "ON UPDATE CASCADE ", "")
    yield Fault(
        f"{name}: no action on update", change, organisation.test_a_jobs_tasks_go_with_it_to_another_organisation
    )
    yield Fault(
        f"{name}: of any organisation",
        (
            drop("job_tasks", name),
            "alter table public.job_tasks add constraint job_fkey foreign key (job_id) references public.jobs (id) "
            "on delete cascade on update cascade",
        ),
        wrong_organisation,
    )
    yield Fault(
        f"{name}: of any job of the organisation",
        (
            drop("job_tasks", name),
            "alter table public.job_tasks add constraint organisation_fkey foreign key (org_id) "
            "references public.organizations (id) on delete cascade",
        ),
        wrong_organisation,
    )
    yield Fault(
        "a job that was planned stays",
        "alter table private.job_plans drop constraint job_plans_job_fkey, "
        "add constraint job_plans_job_fkey foreign key (job_id) references public.jobs (id)",
        planned_gone,
    )
    yield Fault(
        "a card's contact is of any organisation",
        (
            drop("kanban_cards", "kanban_cards_contact_in_same_organisation"),
            "alter table public.kanban_cards add foreign key (contact_id) references public.contacts (id) "
            "on delete set null",
        ),
        partial(card_contact, who="owner"),
    )
    yield Fault(
        "a task's organisation is not filled",
        "drop trigger job_tasks_fill_organisation on public.job_tasks",
        partial(filled_organisation, who="owner"),
    )


FAULTS = [*lists(), *borders(), *blank_names(), *times(), *columns(), *keys()]
