"""Section 9: what a dump brings back is the same, goes on where it was, and says what it needs."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from pgassay import Clone, Session
from pgassay.identity import Databases
from tests.jobs.cast import PARAMS, Cast, new_campaign, new_card, new_contacts, one, outcome, settle
from tests.jobs.dumping import What, restored

TABLES = (
    "public.jobs",
    "public.job_tasks",
    "public.kanban_cards",
    "public.agent_runs",
    "public.job_metrics",
    "private.job_plans",
)
PLAN = "select public.plan_next_batch(%s)"
REFRESH = "select public.refresh_job_metrics()"
NOT_POPULATED = "55000"


def rows_of(db: Session, table: str) -> list[str]:
    with db.as_service_role() if table.startswith("public") else db.transaction():
        # duration_seconds is live
        found = db.execute(f"select to_jsonb(t) - 'duration_seconds' from {table} as t".encode()).fetchall()
    return sorted(str(row) for (row,) in found)


def campaigns(db: Session) -> tuple[Cast, UUID]:
    """Jobs in several states, with tasks, cards and runs; and one that is planned half through."""
    cast = settle(db)
    for org in (cast.org_a, cast.org_b):
        campaign = new_campaign(db, org)
        for state in ("suggested", "done", "blocked"):
            new_card(db, org, campaign["job"], campaign["failed"], state)
        db.execute("insert into public.agent_runs (org_id, mode, job_id) values (%s, 'x', %s)", [org, campaign["job"]])
    db.execute("update public.jobs set status = 'cancelled' where org_id = %s", [cast.org_b])
    new_contacts(db, cast.org_a, 12)
    with db.as_user(cast.member_a):
        create = "select (public.create_job(%s, 'Campaign', null, %s)).id"
        job = one(db, create, [cast.org_a, Jsonb({**PARAMS, "cadence": {"day0": True, "day1": True}})])
        assert one(db, PLAN, [job]) == 5
    return cast, job


def test_a_dump_with_data_brings_back_every_row_and_planning_goes_on_where_it_was(
    clone: Clone, pg_databases: Databases, tmp_path: Path
) -> None:
    with clone.connect() as db:
        cast, job = campaigns(db)
        db.execute(REFRESH)
        before = {table: rows_of(db, table) for table in TABLES}
        assert all(before.values())
    with pg_databases.copy(restored(pg_databases, clone, "data", tmp_path)) as copy, copy.connect() as db:
        assert {table: rows_of(db, table) for table in TABLES} == before
        with db.as_user(cast.member_a):
            planned = []
            while number := one(db, PLAN, [job]):
                planned.append(number)
            assert planned == [2, 5, 5, 2]
            twice = (
                "select count(*) from (select from public.job_tasks where job_id = %s "
                "group by input ->> 'day', input ->> 'contact_id' having count(*) > 1) as t"
            )
            assert one(db, twice, [job]) == 0
            counted = (
                "select total_tasks = (select count(*) from public.job_tasks where job_id = j.id) from public.jobs j"
            )
            assert all(exact for (exact,) in db.execute(counted.encode()))


@pytest.mark.parametrize("what", ["schema", "data"])
def test_metrics_are_refreshed_after_a_restore_whether_they_ever_were_before(
    clone: Clone, pg_databases: Databases, tmp_path: Path, what: What
) -> None:
    with clone.connect() as db:
        db.execute("refresh materialized view private.job_metrics_snapshot with no data")
        db.execute("delete from private.job_metrics_refresh")
    with pg_databases.copy(restored(pg_databases, clone, what, tmp_path)) as copy, copy.connect() as db:
        with db.as_service_role():
            assert outcome(db, "select * from public.job_metrics") == NOT_POPULATED
        campaigns(db)
        for _ in range(2):  # plainly, then beside its readers
            with db.as_service_role():
                db.execute(REFRESH)
                assert one(db, "select count(*) from public.job_metrics where refreshed_at is not null") == 3
            assert one(db, "select count(*) from private.job_metrics_refresh") == 1


def test_metrics_are_not_hidden_where_the_row_of_the_last_refresh_is_missing(clone: Clone) -> None:
    with clone.connect() as db:
        campaigns(db)
        db.execute(REFRESH)
        db.execute("delete from private.job_metrics_refresh")
        with db.as_service_role():
            assert one(db, "select count(*) from public.job_metrics where refreshed_at is null") == 3
