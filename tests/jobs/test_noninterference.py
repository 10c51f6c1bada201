"""Section 5: what a user sees and can cause is the same whether another organisation exists or not.

The same statements are run in two worlds, one with and one without organisation B. Both have the same rows of A, made
first and with explicit ids. Statements give back no timestamps and no generated ids. Compared is all that the server
says: rows, row counts, errors with their DETAIL and HINT, each NOTICE and WARNING.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from pgassay import Session
from pgassay.fixtures import Example
from tests.jobs.cast import PARAMS, acting, listening, words_of


def uuid(kind: int, number: int) -> UUID:
    return UUID(f"00000000-0000-4000-8000-{kind:06}{number:06}")


ORG_A, ORG_B = uuid(1, 1), uuid(1, 2)
MEMBER, REMOVED, STRANGER, MEMBER_OF_B = (uuid(2, number) for number in range(1, 5))
USERS = {"member": MEMBER, "removed": REMOVED, "stranger": STRANGER, "anon": None}
# of A are the rows 1 and 2, of B 3 and 4, of nobody 5
IDS = range(1, 6)
TASK = 10**12  # ids of tasks begin here: far from those that the sequence gives

POOLS: dict[str, st.SearchStrategy[Any]] = {
    "org": st.sampled_from([ORG_A, ORG_B, uuid(1, 5)]),
    "job": st.sampled_from([uuid(3, n) for n in IDS]),
    "task": st.sampled_from([TASK + n for n in IDS]),
    "card": st.sampled_from([uuid(4, n) for n in IDS]),
    "run": st.sampled_from([uuid(5, n) for n in IDS]),
    "contact": st.sampled_from([uuid(6, n) for n in IDS]),
    "new": st.sampled_from([uuid(7, n) for n in IDS]),
    "step": st.integers(0, 3),
    "status": st.sampled_from(["running", "paused", "succeeded", "cancelled"]),
}
RELATIONS = ("jobs", "job_tasks", "kanban_cards", "agent_runs", "contacts", "job_metrics")
COLUMNS = {
    "jobs": "id, name, status, total_tasks, completed_tasks, cards_created, owner_id",
    "job_tasks": "job_id, batch, step, kind, status, input - 'contact_id'",
    "kanban_cards": "id, title, state, job_id, contact_id",
    "agent_runs": "id, mode, job_id",
    "contacts": "id, email",
    "job_metrics": "job_id, name, status, total_tasks, cards_created, total_runs",
}
STATEMENTS = [
    *(f"select count(*) from public.{relation}" for relation in RELATIONS),
    *(f"select {columns} from public.{relation}" for relation, columns in COLUMNS.items()),
    "select org_id from public.job_tasks where job_id = %(job)s",
    "select name from public.jobs where id = %(job)s",
    "select name, total_tasks from public.job_metrics where job_id = %(job)s",
    "select kind from public.job_tasks where id = %(task)s for update",
    "insert into public.jobs (org_id, name) values (%(org)s, 'new')",
    "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 0, %(step)s, 'research')",
    "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 0, %(step)s, 'research') "
    "on conflict do nothing",
    "insert into public.job_tasks (job_id, batch, step, kind) values (%(job)s, 0, %(step)s, 'research') "
    "on conflict (job_id, batch, step) do update set kind = 'follow_up'",
    "insert into public.job_tasks (job_id, batch, step, kind, input) "
    "values (%(job)s, 1, %(step)s, 'research', jsonb_build_object('contact_id', %(contact)s::text))",
    "insert into public.kanban_cards (id, org_id, type, title, job_id) "
    "values (%(new)s, %(org)s, 'research', 'x', %(job)s)",
    "insert into public.kanban_cards (id, org_id, type, title, job_id, task_id) "
    "values (%(new)s, %(org)s, 'research', 'x', %(job)s, %(task)s)",
    "insert into public.kanban_cards (id, org_id, type, title, contact_id) "
    "values (%(new)s, %(org)s, 'research', 'x', %(contact)s)",
    "insert into public.agent_runs (id, org_id, mode, job_id) values (%(new)s, %(org)s, 'x', %(job)s)",
    "insert into public.contacts (id, org_id, email) values (%(new)s, %(org)s, 'a@example.org')",
    "update public.jobs set name = 'changed' where id = %(job)s",
    "update public.jobs set name = 'all'",
    "update public.job_tasks set step = step + 10",
    "update public.job_tasks set step = %(step)s where id = %(task)s",
    "update public.job_tasks set input = jsonb_build_object('contact_id', %(contact)s::text) where job_id = %(job)s",
    "update public.kanban_cards set job_id = %(job)s, task_id = null where id = %(card)s",
    "update public.kanban_cards set org_id = %(org)s where id = %(card)s",
    "update public.kanban_cards set state = 'done'",
    "update public.agent_runs set job_id = %(job)s",
    "update public.contacts set org_id = %(org)s where id = %(contact)s",
    "delete from public.jobs where id = %(job)s",
    "delete from public.job_tasks where id = %(task)s",
    "delete from public.kanban_cards where id <> %(card)s",
    "delete from public.contacts",
    "select public.transition_job_status(%(job)s, %(status)s)",
    "select public.cancel_job(%(job)s)",
    "select title, state, task_id from public.get_job_cards(%(job)s)",
    "select public.get_job_progress(%(job)s)",
    "select (public.create_job(%(org)s, 'new', null, %(params)s)).total_tasks",
    "select public.plan_next_batch(%(job)s)",
    "select batch, step, kind from public.claim_tasks(%(job)s, %(step)s)",
    "select public.finish_task(%(task)s, '{}')",
    "select public.fail_task(%(task)s, 'x')",
    "select public.retry_task(%(task)s)",
    "select public.refresh_job_metrics()",
]
STEPS = st.lists(st.tuples(st.sampled_from(STATEMENTS), st.fixed_dictionaries(POOLS)), min_size=1, max_size=12)


def populate(db: Session, org: UUID, member: UUID, numbers: tuple[int, int]) -> None:
    db.execute("insert into public.organizations (id, name) values (%s, 'x')", [org])
    db.execute("insert into public.organization_members (organization_id, user_id) values (%s, %s)", [org, member])
    for n in numbers:
        row = {
            "org": org, "job": uuid(3, n), "task": TASK + n, "card": uuid(4, n), "run": uuid(5, n),
            "contact": uuid(6, n), "params": Jsonb(PARAMS), "step": n % 2,
        }  # fmt: skip
        db.execute("insert into public.jobs (id, org_id, name, params) values (%(job)s, %(org)s, 'x', %(params)s)", row)
        db.execute(
            "insert into public.job_tasks (id, job_id, batch, step, kind) overriding system value "
            "values (%(task)s, %(job)s, 0, %(step)s, 'draft_email')",
            row,
        )
        db.execute(
            "insert into public.contacts (id, org_id, email, target_group) values (%(contact)s, %(org)s, 'x', 'AMC')",
            row,
        )
        db.execute(
            "insert into public.kanban_cards (id, org_id, type, title, job_id, task_id, contact_id) "
            "values (%(card)s, %(org)s, 'research', 'x', %(job)s, %(task)s, %(contact)s)",
            row,
        )
        db.execute(
            "insert into public.agent_runs (id, org_id, mode, job_id) values (%(run)s, %(org)s, 'x', %(job)s)", row
        )
    db.execute("update public.jobs set status = 'running' where id = %s", [uuid(3, numbers[0])])
    db.execute("update public.job_tasks set status = 'running' where id = %s", [TASK + numbers[0]])


def shown(cursor: psycopg.Cursor[Any]) -> list[str]:
    """Rows as a multiset; an id that is not one of ours was generated."""
    return sorted(re.sub(r"UUID\('(?!00000000-)[^']+'\)", "generated", repr(row)) for row in cursor.fetchall())


def everything_of(db: Session, org: UUID) -> list[Any]:
    """All that an organisation has, without timestamps and generated ids."""
    member = {"org": org}
    rows = [
        db.execute("select id, name, status, params, total_tasks, completed_tasks, failed_tasks, cards_created, "
                   "cards_approved, emails_sent from public.jobs where org_id = %(org)s", member),
        db.execute("select t.job_id, t.batch, t.step, t.kind, t.status, t.retry_count from public.job_tasks as t "
                   "join public.jobs as j on t.job_id = j.id where j.org_id = %(org)s", member),
        db.execute("select id, title, state, job_id, task_id from public.kanban_cards where org_id = %(org)s", member),
        db.execute("select id, mode, job_id from public.agent_runs where org_id = %(org)s", member),
        db.execute("select id, email from public.contacts where org_id = %(org)s", member),
        db.execute("select count(*) from public.jobs where org_id = %(org)s", member),
    ]  # fmt: skip
    return [shown(found) for found in rows]


def run(db: Session, user: UUID | None, steps: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """What a user is told: rows as a multiset, row counts, the whole error, and each notice and warning."""
    told: list[Any] = []
    with acting(db, user), listening(db) as heard:
        for statement, values in steps:
            try:
                with db.transaction():
                    cursor = db.execute(statement.encode(), {**values, "params": Jsonb(PARAMS)})
                    rows = shown(cursor) if cursor.description else []
                    told.append((statement, cursor.statusmessage, rows))
            except psycopg.Error as error:
                told.append((statement, words_of(error.diag)))
    return [*told, *heard]


@pytest.mark.parametrize("user", USERS)
@given(steps=STEPS)
def test_a_user_cannot_tell_whether_another_organisation_exists(
    example: Example, user: str, steps: list[tuple[str, dict[str, Any]]]
) -> None:
    seen = []
    for with_b in (False, True):
        with example() as db:
            for person in (MEMBER, REMOVED, STRANGER, MEMBER_OF_B):
                db.execute("insert into auth.users (id) values (%s)", [person])
            populate(db, ORG_A, MEMBER, (1, 2))
            if with_b:
                populate(db, ORG_B, MEMBER_OF_B, (3, 4))
            db.execute("select public.refresh_job_metrics()")
            before = everything_of(db, ORG_B)
            told = run(db, USERS[user], steps)
            assert everything_of(db, ORG_B) == before
            seen.append((told, everything_of(db, ORG_A)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("statement", [text for text in STATEMENTS if "%(" in text])
def test_a_row_of_another_organisation_is_told_from_none_by_no_statement(db: Session, statement: str) -> None:
    """Each statement that names a row, aimed at one of B and at none: the server says the same, to the word."""
    for person in (MEMBER, REMOVED, STRANGER, MEMBER_OF_B):
        db.execute("insert into auth.users (id) values (%s)", [person])
    populate(db, ORG_A, MEMBER, (1, 2))
    populate(db, ORG_B, MEMBER_OF_B, (3, 4))
    db.execute("select public.refresh_job_metrics()")
    own = {"org": ORG_A, "job": uuid(3, 1), "card": uuid(4, 1), "run": uuid(5, 1), "new": uuid(7, 1), "step": 0}
    own |= {"task": TASK + 1, "contact": uuid(6, 1), "status": "paused"}
    told = []
    # none is asked for twice: PL/pgSQL words the context of an expression's first evaluation in another way
    for n, org in ((5, uuid(1, 5)), (3, ORG_B), (5, uuid(1, 5))):
        aimed = {"org": org, "job": uuid(3, n), "card": uuid(4, n), "run": uuid(5, n), "task": TASK + n}
        aimed |= {"contact": uuid(6, n)}
        answers = []
        for name in [key for key in aimed if f"%({key})s" in statement] + [""]:
            foreign = aimed if not name else {name: aimed[name]}  # one alone, and in the end all of them
            with db.example():
                answer = repr(run(db, MEMBER, [(statement, own | foreign)]))
            for key, value in aimed.items():
                answer = answer.replace(str(value), key)
            answers.append(answer)
        told.append(answers)
    assert told[1] == told[2]
    with db.example():
        before = everything_of(db, ORG_B)
        run(db, MEMBER, [(statement, own | {"org": ORG_B, "job": uuid(3, 3), "card": uuid(4, 3), "task": TASK + 3})])
        assert everything_of(db, ORG_B) == before
