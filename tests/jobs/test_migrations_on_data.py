"""Each migration, applied to a database that has rows: none is lost or changed, and what it counts is right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgassay import Session, catalog, config, migrations, rows
from pgassay.identity import Databases
from pgassay.migrations import Script
from tests.jobs.cast import new_card, one

ROOT = Path(__file__).parents[2]
FOLDER = migrations.discover(ROOT / "sql" / "migrations")
HOST = migrations.scripts([ROOT / "sql" / "host"])
LINKS = {"public.kanban_cards": {"job_id", "task_id"}, "public.agent_runs": {"job_id"}}
STATES = ["suggested", "in_review", "approved", "executing", "done", "blocked", "rejected"]
TYPES = ["send_email", "create_task", "schedule_call", "research", "follow_up", "create_deal"]
COUNTERS = {
    "total_tasks": "(select count(*) from public.job_tasks as t where t.job_id = j.id)",
    "completed_tasks": "(select count(*) from public.job_tasks as t where t.job_id = j.id and t.status = 'done')",
    "failed_tasks": "(select count(*) from public.job_tasks as t where t.job_id = j.id and t.status = 'error')",
}
CARD_COUNTERS = {
    "cards_created": "true",
    "cards_approved": "c.state in ('approved', 'executing', 'done')",
    "cards_executed": "c.state in ('executing', 'done')",
    "emails_sent": "c.type = 'send_email' and c.state = 'done'",
    "errors_count": "c.state = 'blocked'",
}

Rows = dict[str, Counter[str]]


@contextmanager
def schema_before(databases: Databases, migration: Script) -> Iterator[Session]:
    """The database as it is before that migration, with rows in every table, in a session of the owner's."""
    earlier = FOLDER.migrations[: FOLDER.migrations.index(migration)]
    with databases.copy(databases.template(HOST, earlier)) as clone:
        db = clone.connect()
        fill(db)
        yield db


def fill(db: Session) -> None:
    """Rows of two organisations, with each value that a CHECK lists, and jobs and tasks in every state there can be."""
    relations = catalog.read(db)
    tenancy = config.load(ROOT).tenancy
    assert tenancy is not None
    maker = rows.Maker(db, relations, tenancy)
    tenants = maker.fill(("A", "B"))
    assert set(tenants.unfilled) <= {"private.job_metrics_refresh"}, "it has its one row already"
    for relation in catalog.in_order_of_reference(relations):
        for column, listed in maker.listed_of(relation.full_name).items():
            for label in tenants.ids:
                for value in listed:
                    insert(db, relation, {**maker.values(relation, tenants, label), column: value})
    if one(db, "select to_regclass('public.jobs') is not null"):
        db.execute("update public.jobs set status = 'running'")
        db.execute(
            "insert into public.job_tasks (job_id, batch, step, kind) "
            "select j.id, 100, n, 'research' from public.jobs as j cross join generate_series(0, 7) as n"
        )
        db.execute("update public.job_tasks set status = 'running' where batch = 100 and step > 0")
        db.execute("update public.job_tasks set status = 'done' where batch = 100 and step in (1, 2, 3)")
        db.execute("update public.job_tasks set status = 'error' where batch = 100 and step in (4, 5)")
        db.execute("insert into public.jobs (org_id, name) select o.id, 'untouched' from public.organizations as o")


def insert(db: Session, relation: catalog.Relation, values: dict[str, Any]) -> None:
    """Insert a row, unless a trigger or another constraint refuses it."""
    try:
        with db.transaction():
            db.execute(rows.insert_statement(relation, values), list(values.values()))
    except psycopg.errors.Error:
        pass


def read(db: Session, without: dict[str, set[str]] | None = None) -> Rows:
    """All rows of all tables of the application, and its users; ``without`` some columns of a table."""
    found: Rows = {}
    tables = [(r.schema, r.name) for r in catalog.read(db) if r.kind == "table"]
    for schema, name in (*tables, ("auth", "users")):
        query = sql.SQL("select to_jsonb(t) from {} as t").format(sql.Identifier(schema, name))
        left_out = (without or {}).get(f"{schema}.{name}", set())
        found[f"{schema}.{name}"] = Counter(
            json.dumps({key: value for key, value in row.items() if key not in left_out}, sort_keys=True)
            for (row,) in db.execute(query)
        )
    return found


def assert_keeps(db: Session, before: Rows, migration: Script) -> None:
    """What was there before the migration is there after it, with nothing in columns that are new."""
    columns = {name: set(json.loads(next(iter(kept)))) for name, kept in before.items() if kept}
    migrations.apply(db, migration)
    everything = read(db)
    new = {
        name: set(json.loads(next(iter(kept)))) - columns[name] for name, kept in everything.items() if name in columns
    }
    after = read(db, without=new)
    for name, kept in before.items():
        assert after[name] == kept, name
        for row in everything[name]:
            assert all(json.loads(row)[column] is None for column in new[name]), f"{name}: {row}"
    assert {name: found for name, found in new.items() if found} in ({}, LINKS)


@pytest.mark.parametrize("migration", FOLDER.migrations, ids=lambda migration: migration.name)
def test_no_row_is_lost_or_changed_and_links_are_null(pg_databases: Databases, migration: Script) -> None:
    with schema_before(pg_databases, migration) as db:
        before = read(db)
        assert all(before.values()), "every table has rows"
        states = db.execute("select distinct state from public.kanban_cards").fetchall()
        types = db.execute("select distinct type from public.kanban_cards").fetchall()
        assert (len(states), len(types)) == (len(STATES), len(TYPES))
        assert_keeps(db, before, migration)


@pytest.mark.parametrize("migration", FOLDER.migrations[1:], ids=lambda migration: migration.name)
def test_counters_of_jobs_that_were_there_before_are_right(pg_databases: Databases, migration: Script) -> None:
    """After it, and after cards that were there before are linked to them."""
    with schema_before(pg_databases, migration) as db:
        migrations.apply(db, migration)
        assert one(db, "select count(*) from public.jobs where completed_tasks > 0 and failed_tasks > 0") >= 2
        assert_counted(db)
        db.execute(
            "update public.kanban_cards as c set job_id = j.id from public.jobs as j "
            "where j.org_id = c.org_id and j.name <> 'untouched' and c.job_id is null"
        )
        assert one(db, "select count(*) from public.jobs where emails_sent > 0 or errors_count > 0") >= 2
        assert_counted(db)


def assert_counted(db: Session) -> None:
    expected = COUNTERS | {
        name: f"(select count(*) from public.kanban_cards as c where c.job_id = j.id and {condition})"
        for name, condition in CARD_COUNTERS.items()
    }
    for name, query in expected.items():
        wrong = f"select j.id, j.{name}, {query} from public.jobs as j where j.{name} <> {query}"
        assert db.execute(wrong.encode()).fetchall() == [], name


def test_metrics_show_jobs_that_were_there_before_at_once(pg_databases: Databases) -> None:
    """Without a first refresh: an operator who has just applied it sees figures."""
    with schema_before(pg_databases, FOLDER.migrations[2]) as db:
        org, job = db.execute(
            "select org_id, id from public.jobs where name <> 'untouched' order by id limit 1"
        ).fetchone() or (None, None)
        new_card(db, org, job, state="approved")
        migrations.apply(db, FOLDER.migrations[2])
        with db.as_service_role():
            shown = db.execute(
                "select m.job_id, m.total_tasks, m.completed_tasks, m.cards_created, m.cards_approved_pending "
                "from public.job_metrics as m order by m.job_id"
            ).fetchall()
            live = db.execute(
                "select j.id, j.total_tasks, j.completed_tasks, j.cards_created, (select count(*) from "
                "public.kanban_cards as c where c.job_id = j.id and c.state = 'approved') "
                "from public.jobs as j order by j.id"
            ).fetchall()
        assert shown == live
        assert {row[0]: row[4] for row in shown}[job] >= 1


def test_a_campaign_runs_on_contacts_and_jobs_that_were_there_before(pg_databases: Databases) -> None:
    with schema_before(pg_databases, FOLDER.migrations[3]) as db:
        migrations.apply(db, FOLDER.migrations[3])
        job = one(db, "select id from public.jobs where name = 'untouched' order by id limit 1")
        with db.as_service_role():
            db.execute("select public.transition_job_status(%s, 'running')", [job])
            assert db.execute("select public.claim_tasks(%s, 5)", [job]).fetchall() == []


@pytest.mark.parametrize(
    "fault",
    [
        "delete from public.agent_runs where ctid = (select min(ctid) from public.agent_runs)",
        "update public.kanban_cards set title = upper(title)",
        "insert into public.contacts (org_id, email) select id, 'new@example.org' from public.organizations",
        "alter table public.contacts add column job_id uuid",
        "alter table public.kanban_cards alter column job_id set default gen_random_uuid(); "
        "update public.kanban_cards set job_id = (select j.id from public.jobs as j "
        "where j.org_id = kanban_cards.org_id limit 1)",
        "update auth.users set email = null",
    ],
    ids=["a row lost", "rows changed", "rows added", "a column too many", "links set", "users changed"],
)
def test_a_migration_that_does_so_is_noticed(pg_databases: Databases, fault: str) -> None:
    links = FOLDER.migrations[1]
    with schema_before(pg_databases, links) as db:
        faulty = Script(links.path, links.name, f"{links.sql}\n{fault};", links.version)
        before = read(db)
        with pytest.raises(AssertionError):
            assert_keeps(db, before, faulty)
