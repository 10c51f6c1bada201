"""Section 2: the migrations apply, each in one transaction, and twice is a clear error that changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from pgassay import Clone, MigrationError, migrations
from pgassay.identity import Databases
from tests.jobs.cast import one, outcome

SQL = Path(__file__).parents[2] / "sql"
VERIFICATION = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_name IN ('jobs', 'job_tasks', 'job_metrics');
"""
FOLDER = migrations.discover(SQL / "migrations")


def test_the_operators_query_lists_all_three_relations(clone: Clone) -> None:
    with clone.connect() as db:
        assert {row[0] for row in db.execute(VERIFICATION)} == {"jobs", "job_tasks", "job_metrics"}


@pytest.mark.parametrize("script", FOLDER.migrations, ids=lambda script: script.name)
def test_a_migration_applied_twice_by_hand_names_what_exists_and_changes_nothing(
    clone: Clone, script: migrations.Script
) -> None:
    everything = (
        "select array_agg(c.relname order by c.oid), (select count(*) from pg_proc), (select count(*) from pg_trigger) "
        "from pg_class as c"
    )
    with clone.connect() as db:
        before = db.execute(everything).fetchone()
        with pytest.raises(psycopg.Error, match=r'"(\w+)" already exists|column "(\w+)" .* already exists') as caught:
            db.execute(script.sql.encode())  # one simple-protocol query, as the dashboard's SQL editor sends it
        name = re.findall(r'"(\w+)"', str(caught.value))[0]
        assert name in script.sql
        assert db.execute(everything).fetchone() == before


@pytest.mark.parametrize("failing", range(len(FOLDER.migrations)))
def test_a_migration_that_fails_leaves_nothing_behind(pg_databases: Databases, failing: int) -> None:
    """Its last statement fails; what was there before is there, and nothing of the file."""
    before = migrations.scripts([SQL / "host"])
    good = FOLDER.migrations[:failing]
    script = FOLDER.migrations[failing]
    broken = migrations.Script(script.path, script.name, script.sql + "\nselect 1 / 0;\n", script.version)
    everything = (
        "select array_agg(oid order by oid) from (select oid from pg_class union all select oid from pg_proc) as x"
    )
    with pg_databases.copy(pg_databases.template(before, good)) as clone, clone.connect() as db:
        objects = one(db, everything)
        with pytest.raises(MigrationError, match="division by zero"):
            migrations.apply(db, broken)
        assert one(db, everything) == objects
        assert migrations.apply(db, script).autocommit is False
        assert one(db, everything) != objects


def test_each_file_is_plain_sql_without_transactions_or_conditions() -> None:
    for script in FOLDER.migrations:
        code = re.sub(r"--[^\n]*", "", script.sql).lower()
        outside = re.sub(r"\$\$.*?\$\$", "", code, flags=re.DOTALL)
        assert not re.search(r"\b(begin|commit|rollback)\b", outside), script.name
        assert "if not exists" not in outside
        assert "or replace" not in outside


def test_migrations_are_applied_by_an_owner_who_is_no_superuser(clone: Clone) -> None:
    with clone.connect() as db:
        owners = db.execute(
            "select distinct r.rolname, r.rolsuper, r.rolbypassrls from pg_class as c "
            "join pg_roles as r on c.relowner = r.oid where c.relname in ('jobs', 'job_tasks', 'job_metrics')"
        ).fetchall()
    assert owners == [(clone.server.owner, False, True)]


def test_supabases_default_privileges_are_in_force(clone: Clone) -> None:
    """What makes a careless migration a leak: without them, a test of rights would prove nothing."""
    with clone.connect() as db:
        db.execute("create table public.careless (id int)")
        db.execute("create function public.careless() returns int language sql security definer as 'select 1'")
        with db.as_anon():
            assert outcome(db, "insert into public.careless values (1)") == "ok"
            assert outcome(db, "select public.careless()") == "ok"


def test_a_session_that_reads_literals_in_the_old_way_makes_the_same_schema(pg_databases: Databases) -> None:
    before = migrations.scripts([SQL / "host"])
    clone = pg_databases.clone(pg_databases.template(before, ()))
    checks = "select conname, pg_get_constraintdef(oid) from pg_constraint where contype = 'c' order by conname"
    with clone.connect() as db:
        with db.example():
            for script in FOLDER.migrations:
                db.execute(script.sql.encode())
            expected = db.execute(checks).fetchall()
        with db.example():
            db.execute("set local standard_conforming_strings = off")
            for script in FOLDER.migrations:
                db.execute(script.sql.encode())
            db.execute("set local standard_conforming_strings = on")
            assert db.execute(checks).fetchall() == expected
