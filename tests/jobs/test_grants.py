"""Section 5, by trying: what a member and `service_role` may do with each column, and what neither may.

`test_rights.py` reads the same from the catalog. Here a grant that is missing is seen as well as one too many.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from pgassay import Session
from tests.jobs.cast import PARAMS, Cast, new_campaign, new_job, new_tasks, one, outcome, settle
from tests.jobs.model import COUNTERS
from tests.jobs.test_constraints import TYPES
from tests.jobs.test_isolation import CALLS, CREATE

SIGNED_IN = ("authenticated", "service_role")
METRICS = (
    "job_id", "org_id", "name", "status", "created_at", "started_at", "finished_at", "last_run_at", *COUNTERS,
    "task_completion_rate", "approval_rate", "cards_suggested", "cards_in_review", "cards_approved_pending",
    "cards_executing", "cards_done", "cards_blocked", "cards_rejected", "email_cards", "task_cards", "call_cards",
    "research_cards", "followup_cards", "deal_cards", "total_runs", "last_run_ended_at", "duration_seconds",
    "refreshed_at",
)  # fmt: skip
READABLE = [(table, column) for table, types in TYPES.items() for column in types]
READABLE += [("job_metrics", column) for column in METRICS]
# values that no rule forbids: what refuses them is a missing grant
TIME = "2025-11-03T00:00:00+00:00"
INSERTABLE: dict[str, dict[str, object]] = {
    "jobs": {"org_id": None, "name": "Autumn", "description": "All customers", "params": Jsonb({"a": 1})},
    "job_tasks": {"job_id": None, "batch": 3, "step": 4, "kind": "schedule_call", "input": Jsonb({"b": 2})},
}
UPDATABLE: dict[str, dict[str, object]] = {
    "jobs": {"name": "Winter", "description": None, "params": Jsonb({})},
    "job_tasks": {"batch": 5, "step": 6, "kind": "follow_up", "input": Jsonb({})},
}
PROTECTED: dict[str, dict[str, Any]] = {
    "jobs": {
        "id": uuid4(), "status": "pending", "owner_id": None, "created_at": TIME, "started_at": None,
        "finished_at": None, "last_run_at": None, **dict.fromkeys(COUNTERS, 0),
    },
    "job_tasks": {
        "id": 10**12, "status": "pending", "output": None, "error_message": None, "retry_count": 0,
        "created_at": TIME, "started_at": None, "finished_at": None, "org_id": None,
    },
}  # fmt: skip
NOT_INSERTED = [(table, column) for table, columns in PROTECTED.items() for column in columns]
NOT_UPDATED = [*NOT_INSERTED, ("jobs", "org_id"), ("job_tasks", "job_id")]


def become(db: Session, cast: Cast, role: str) -> Any:
    return db.as_user(cast.member_a) if role == "authenticated" else db.as_service_role()


def a_job(db: Session) -> tuple[Cast, UUID, int]:
    cast = settle(db)
    job = new_job(db, cast.org_a)
    (task,) = new_tasks(db, job, [(0, 0)])
    db.execute("select public.refresh_job_metrics()")
    return cast, job, task


@pytest.mark.parametrize("role", SIGNED_IN)
def test_every_column_can_be_read(db: Session, role: str) -> None:
    cast, *_ = a_job(db)
    with become(db, cast, role):
        for table, column in READABLE:
            assert outcome(db, f"select {column} from public.{table}") == "ok", (table, column)
            assert one(db, f"select count(*) from (select {column} from public.{table}) as x") == 1, (table, column)
        for table in ("jobs", "job_tasks", "job_metrics"):
            assert db.execute(f"select * from public.{table}".encode()).rowcount == 1


def test_the_metrics_have_the_columns_of_the_specification(db: Session) -> None:
    db.execute("select public.refresh_job_metrics()")
    found = db.execute("select * from public.job_metrics").description or ()
    assert {column.name for column in found} == set(METRICS)


@pytest.mark.parametrize("role", SIGNED_IN)
@pytest.mark.parametrize("table", INSERTABLE)
def test_what_may_be_given_to_a_new_row_is_taken(db: Session, table: str, role: str) -> None:
    cast, job, _ = a_job(db)
    values = INSERTABLE[table] | ({"org_id": cast.org_a} if table == "jobs" else {"job_id": job})
    columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
    with become(db, cast, role):
        insert = f"insert into public.{table} ({columns}) values ({places}) returning {columns}"
        (row,) = db.execute(insert.encode(), list(values.values())).fetchall()
    assert list(row) == [value.obj if isinstance(value, Jsonb) else value for value in values.values()]


@pytest.mark.parametrize("role", SIGNED_IN)
@pytest.mark.parametrize("table", UPDATABLE)
def test_what_may_be_changed_is_changed(db: Session, table: str, role: str) -> None:
    cast, *_ = a_job(db)
    with become(db, cast, role):
        for column, value in UPDATABLE[table].items():
            assert outcome(db, f"update public.{table} set {column} = %s", [value]) == "ok", column
            expected = value.obj if isinstance(value, Jsonb) else value
            assert one(db, f"select {column} from public.{table}") == expected, column


@pytest.mark.parametrize("role", SIGNED_IN)
@pytest.mark.parametrize("table", UPDATABLE)
def test_rows_may_be_locked_and_deleted(db: Session, table: str, role: str) -> None:
    cast, *_ = a_job(db)
    with become(db, cast, role):
        for strength in ("update", "no key update", "share", "key share"):
            assert db.execute(f"select id from public.{table} for {strength}".encode()).rowcount == 1, strength
        assert db.execute(f"delete from public.{table}".encode()).rowcount == 1


@pytest.mark.parametrize("role", SIGNED_IN)
def test_cards_and_runs_can_be_linked_unlinked_and_read_by_their_links(db: Session, role: str) -> None:
    cast, job, task = a_job(db)
    with become(db, cast, role):
        db.execute(
            "insert into public.kanban_cards (org_id, type, title, job_id, task_id) "
            "values (%s, 'research', 'x', %s, %s)",
            [cast.org_a, job, task],
        )
        db.execute("insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s)", [cast.org_a, job])
        assert db.execute("select job_id, task_id from public.kanban_cards").fetchall() == [(job, task)]
        assert db.execute("select job_id from public.agent_runs").fetchall() == [(job,)]
        for statement in (
            "update public.kanban_cards set task_id = null",
            "update public.kanban_cards set job_id = null",
            "update public.agent_runs set job_id = null",
        ):
            assert outcome(db, statement) == "ok", statement


@pytest.mark.parametrize("role", SIGNED_IN)
@pytest.mark.parametrize(("table", "column"), NOT_INSERTED)
def test_a_protected_column_is_not_given_to_a_new_row(db: Session, table: str, column: str, role: str) -> None:
    cast, job, _ = a_job(db)
    value = cast.org_a if column == "org_id" else PROTECTED[table][column]
    first, known = ("org_id, name", [cast.org_a, "x"]) if table == "jobs" else ("job_id, batch, step, kind", None)
    values = [*(known or [job, 1, 1, "research"]), value]
    insert = (
        f"insert into public.{table} ({first}, {column}) overriding system value "
        f"values ({', '.join(['%s'] * len(values))})"
    )
    with become(db, cast, role):
        assert outcome(db, insert, values) == "42501"


@pytest.mark.parametrize("role", SIGNED_IN)
@pytest.mark.parametrize(("table", "column"), NOT_UPDATED)
def test_a_protected_column_is_not_changed(db: Session, table: str, column: str, role: str) -> None:
    """To the value that it has: nothing but the missing grant can refuse that."""
    cast, *_ = a_job(db)
    itself = "default" if (table, column) == ("job_tasks", "id") else column
    with become(db, cast, role):
        assert outcome(db, f"update public.{table} set {column} = {itself}") == "42501"


@pytest.mark.parametrize("role", ["anon", *SIGNED_IN])
@pytest.mark.parametrize("table", ["jobs", "job_tasks"])
def test_the_table_itself_is_the_owners(db: Session, table: str, role: str) -> None:
    """TRUNCATE, REFERENCES, TRIGGER, MAINTAIN, each tried as who would need that right alone."""
    cast, *_ = a_job(db)
    db.execute(f"grant create on schema public to {role}".encode())
    columns = {"jobs": "id", "job_tasks": "id"}
    attempts = {
        "truncate": f"truncate public.{table}",
        "references": f"create table public.mine (x {'uuid' if table == 'jobs' else 'bigint'} "
        f"references public.{table} ({columns[table]}))",
        "trigger": f"create trigger mine before insert on public.{table} for each row "
        "execute function suppress_redundant_updates_trigger()",
        "maintain": f"reindex table public.{table}",
        "owner": f"alter table public.{table} disable row level security",
    }
    identity = db.as_anon() if role == "anon" else become(db, cast, role)
    with identity:
        for right, statement in attempts.items():
            assert outcome(db, statement) == "42501", right


@pytest.mark.parametrize("role", ["anon", *SIGNED_IN])
def test_the_sequence_is_the_owners(db: Session, role: str) -> None:
    cast, *_ = a_job(db)
    sequence = "public.job_tasks_id_seq"
    with db.as_anon() if role == "anon" else become(db, cast, role):
        for statement in (
            f"select nextval('{sequence}')",
            f"select setval('{sequence}', 1)",
            f"select last_value from {sequence}",
        ):
            assert outcome(db, statement) == "42501", statement


@pytest.mark.parametrize("role", ["anon", *SIGNED_IN])
def test_nobody_looks_into_the_private_schema(db: Session, role: str) -> None:
    """Also by name: for whom the schema is closed, its tables cannot even be looked up."""
    cast, *_ = a_job(db)
    private = db.execute(
        "select c.oid::regclass::text from pg_class as c "
        "where c.relnamespace = 'private'::regnamespace and c.relkind in ('r', 'm', 'v')"
    ).fetchall()
    assert ("private.job_metrics_snapshot",) in private
    with db.as_anon() if role == "anon" else become(db, cast, role):
        for (relation,) in private:
            assert outcome(db, "select %s::regclass", [relation]) == "42501", relation
            assert outcome(db, f"select * from {relation}") == "42501", relation
        assert outcome(db, "select private.caller_may_act_for(%s)", [cast.org_a]) == "42501"


@pytest.mark.parametrize("table", ["jobs", "job_tasks", "job_metrics"])
def test_a_caller_who_has_not_signed_in_is_refused_every_statement(db: Session, table: str) -> None:
    """Also with the claims of a member, which only a token for ``authenticated`` may have.

    No row is named where row level security would refuse it by itself: what refuses is the missing grant.
    """
    cast, *_ = a_job(db)
    key = "job_id" if table == "job_metrics" else "id"
    statements = [f"select {key} from public.{table}", f"select count(*) from public.{table}"]
    if table != "job_metrics":
        columns = ", ".join(INSERTABLE[table])
        statements += [
            f"insert into public.{table} ({columns}) select {', '.join(['null'] * len(INSERTABLE[table]))} where false",
            f"update public.{table} set {next(iter(UPDATABLE[table]))} = null",
            f"delete from public.{table}",
            f"select {key} from public.{table} for update",
        ]
    for claims in ({}, {"sub": str(cast.member_a)}):
        with db.as_anon(**claims):
            for statement in statements:
                assert outcome(db, statement) == "42501", (statement, claims)


RENDER = """select public.render_template('{"subject": "x", "body": "y"}', '{}')"""
REFRESH = "select public.refresh_job_metrics()"
ALL_CALLS = {**CALLS, "create_job": CREATE, "render_template": RENDER, "refresh_job_metrics": REFRESH}
TRIGGERS = ("update_job_metrics_on_task_change", "update_job_metrics_on_card_change")


@pytest.mark.parametrize("call", ALL_CALLS)
def test_a_function_is_there_for_those_whom_it_is_for_and_nobody_else(db: Session, call: str) -> None:
    cast = settle(db)
    campaign = {**new_campaign(db, cast.org_a), "params": Jsonb(PARAMS)}
    identities = {
        "member": (db.as_user(cast.member_a), "42501" if call == "refresh_job_metrics" else "ok"),
        "service_role": (db.as_service_role(), "ok"),
        "anon": (db.as_anon(), "42501"),
        "anon with a member's claims": (db.as_anon(sub=str(cast.member_a)), "42501"),
    }
    for who, (identity, expected) in identities.items():
        with db.example(), identity:
            if expected == "42501":
                # refused before it looks at its arguments
                nothing = ALL_CALLS[call].replace("'{}'", "null")
                assert outcome(db, nothing, dict.fromkeys(campaign)) == expected, who
            assert outcome(db, ALL_CALLS[call], campaign) == expected, who


@pytest.mark.parametrize("function", TRIGGERS)
def test_a_trigger_is_called_by_nobody(db: Session, function: str) -> None:
    cast = settle(db)
    for identity in (db.as_user(cast.member_a), db.as_service_role(), db.as_anon()):
        with identity:
            assert outcome(db, f"select public.{function}()") == "42501"
