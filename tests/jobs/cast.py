"""Who appears in these tests: two organisations and people of every standing towards them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from pgassay import Session

Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Cast:
    """Two organisations; a member of each, one of both, one who was removed from both, and a user of none."""

    org_a: UUID
    org_b: UUID
    member_a: UUID
    member_b: UUID
    member_both: UUID
    removed: UUID
    stranger: UUID

    def orgs_of(self, user: UUID | None) -> set[UUID]:
        return {
            self.member_a: {self.org_a},
            self.member_b: {self.org_b},
            self.member_both: {self.org_a, self.org_b},
        }.get(user or uuid4(), set())

    def everybody(self) -> list[UUID | None]:
        """All of them, and None for a caller who has not signed in."""
        return [self.member_a, self.member_b, self.member_both, self.removed, self.stranger, None]


def settle(db: Session) -> Cast:
    """Make organisations, users and memberships."""
    org_a, org_b, member_a, member_b, both, removed, stranger = (uuid4() for _ in range(7))
    cast = Cast(org_a, org_b, member_a, member_b, both, removed, stranger)
    with db.cursor() as cursor:
        cursor.executemany(
            "insert into auth.users (id) values (%s)", [(u,) for u in (member_a, member_b, both, removed, stranger)]
        )
        cursor.executemany("insert into public.organizations (id, name) values (%s, %s)", [(org_a, "A"), (org_b, "B")])
        cursor.executemany(
            "insert into public.organization_members (organization_id, user_id) values (%s, %s)",
            [(org_a, member_a), (org_b, member_b), (org_a, both), (org_b, both), (org_a, removed), (org_b, removed)],
        )
        cursor.execute("delete from public.organization_members where user_id = %s", [removed])
    return cast


def acting(db: Session, user: UUID | None) -> AbstractContextManager[Session]:
    """Be that user, or nobody for None."""
    return db.as_anon() if user is None else db.as_user(user)


def new_job(db: Session, org: UUID, name: str = "Campaign") -> UUID:
    row = db.execute("insert into public.jobs (org_id, name) values (%s, %s) returning id", [org, name]).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def new_tasks(db: Session, job: UUID, places: Iterable[tuple[int, int]]) -> list[int]:
    """Tasks of a job at these (batch, step), made in one statement."""
    batches, steps = zip(*places, strict=True)
    rows = db.execute(
        "insert into public.job_tasks (job_id, batch, step, kind) "
        "select %s, p.batch, p.step, 'draft_email' from unnest(%s::int[], %s::int[]) as p (batch, step) returning id",
        [job, list(batches), list(steps)],
    ).fetchall()
    return [row[0] for row in rows]


PARAMS = {
    "target_group": "AMC",
    "cadence": {"day0": True},
    "templates": {"intro": {"subject": "Hello {{first_name}}", "body": "Test email"}},
    "review_mode": True,
    "batch_size": 5,
}
"""Section 7: this value must work as it is."""


def new_campaign(db: Session, org: UUID) -> dict[str, Any]:
    """A running job and tasks of its in three states: ``org``, ``job``, ``pending``, ``running`` and ``failed``."""
    job = new_job(db, org)
    pending, running, failed = new_tasks(db, job, [(0, 0), (0, 1), (0, 2)])
    db.execute("update public.jobs set status = 'running', params = %s where id = %s", [Jsonb(PARAMS), job])
    db.execute("update public.job_tasks set status = 'running' where id = any(%s)", [[running, failed]])
    db.execute("update public.job_tasks set status = 'error' where id = %s", [failed])
    return {"org": org, "job": job, "pending": pending, "running": running, "failed": failed}


def new_contacts(db: Session, org: UUID, count: int, group: str = "AMC") -> set[str]:
    """The ids of new contacts of a target group."""
    rows = db.execute(
        "insert into public.contacts (org_id, email, target_group) "
        "select %s, n || '@example.org', %s from generate_series(1, %s) as n returning id::text",
        [org, group, count],
    ).fetchall()
    return {row[0] for row in rows}


def new_card(
    db: Session, org: UUID, job: UUID | None = None, task: int | None = None, state: str = "suggested"
) -> UUID:
    row = db.execute(
        "insert into public.kanban_cards (org_id, type, title, state, job_id, task_id) "
        "values (%s, 'send_email', 'Hello', %s, %s, %s) returning id",
        [org, state, job, task],
    ).fetchone()
    assert row is not None
    return UUID(str(row[0]))


def outcome(db: Session, statement: str, parameters: Parameters = ()) -> str:
    """``ok``, or the SQLSTATE with which the statement failed; a failed one is undone."""
    try:
        with db.transaction():
            db.execute(statement.encode(), parameters)
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    return "ok"


def one(db: Session, statement: str, parameters: Parameters = ()) -> Any:
    """The one value of the one row that the statement gives."""
    rows = db.execute(statement.encode(), parameters).fetchall()
    assert len(rows) == 1, rows
    return rows[0][0]


Words = tuple[str | None, ...]
"""What a message of the server says: see `words_of`."""


def words_of(message: psycopg.errors.Diagnostic) -> Words:
    """Severity, SQLSTATE, text, DETAIL, HINT, and the names of what it is about."""
    return (
        message.severity_nonlocalized, message.sqlstate, message.message_primary, message.message_detail,
        message.message_hint, message.schema_name, message.table_name, message.column_name, message.datatype_name,
        message.constraint_name,
    )  # fmt: skip


@contextmanager
def listening(db: Session) -> Iterator[list[Words]]:
    """Collect each NOTICE and WARNING that the server sends within the block."""
    heard: list[Words] = []

    def hear(message: psycopg.errors.Diagnostic) -> None:
        heard.append(words_of(message))

    db.add_notice_handler(hear)
    try:
        yield heard
    finally:
        db.remove_notice_handler(hear)


@contextmanager
def without_triggers(db: Session, *tables: str) -> Iterator[None]:
    """Constraints alone, for the owner: triggers of these tables do not fire within the block, foreign keys do."""
    for table in tables:
        db.execute(f"alter table public.{table} disable trigger user".encode())
    yield
    for table in tables:
        db.execute(f"alter table public.{table} enable trigger user".encode())
