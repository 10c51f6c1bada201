"""Section 1: the platform that is there before the first migration, as Supabase has it."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from pgassay import Clone, Session, migrations
from pgassay.identity import Databases
from tests.jobs.cast import one, outcome

SQL = Path(__file__).parents[2] / "sql"
FOLDER = migrations.discover(SQL / "migrations")
API_ROLES = ("anon", "authenticated", "service_role")
# login, inherit, superuser, bypassrls, createrole, createdb
ROLES = {
    "anon": (False, True, False, False, False, False),
    "authenticated": (False, True, False, False, False, False),
    "service_role": (False, True, False, True, False, False),
    "authenticator": (True, False, False, False, False, False),
    "postgres": (True, True, False, True, True, True),
}
TIMEOUTS = {"anon": "3s", "authenticated": "8s", "authenticator": "8s"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_of_the_platform_may_what_it_may_there(db: Session, role: str) -> None:
    found = db.execute(
        "select rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles "
        "where rolname = %s",
        [role],
    ).fetchall()
    assert found == [ROLES[role]]


def test_the_superuser_is_the_platforms_admin(clone: Clone) -> None:
    """On a server of ours; whose superuser it is on another one is not for us to say."""
    if clone.server.ours:
        with clone.connect_as_admin() as admin:
            superusers = admin.execute("select rolname from pg_roles where rolsuper and rolcanlogin").fetchall()
        assert superusers == [("supabase_admin",)]


def test_the_login_of_the_api_can_be_each_of_its_roles_and_nobody_else(db: Session) -> None:
    for role in API_ROLES:
        assert one(db, "select pg_has_role('authenticator', %s, 'member')", [role]) is True
    assert one(db, "select pg_has_role('authenticator', 'postgres', 'member')") is False


def test_a_statement_of_a_visitor_has_3_seconds_and_one_of_a_user_8(db: Session) -> None:
    settings: dict[str, str] = dict(
        db.execute(
            "select r.rolname, s.setting from pg_db_role_setting as d join pg_roles as r on r.oid = d.setrole "
            "cross join unnest(d.setconfig) as s (setting) where d.setdatabase = 0 and s.setting like 'statement%'"
        ).fetchall()
    )
    for role, limit in TIMEOUTS.items():
        assert settings[role] == f"statement_timeout={limit}"
    with db.as_anon():
        assert one(db, "show statement_timeout") == "3s"
    with db.as_user(uuid4()):
        assert one(db, "show statement_timeout") == "8s"


CARELESS = {
    "table": ("create table public.careless (id int)", "truncate public.careless"),
    "sequence": ("create sequence public.careless", "select nextval('public.careless')"),
    "view": ("create view public.careless as select 1", "select * from public.careless"),
    "materialized view": ("create materialized view public.careless as select 1", "select * from public.careless"),
    "function": (
        "create function public.careless() returns int language sql security definer as 'select 1'",
        "select public.careless()",
    ),
}


@pytest.mark.parametrize("kind", CARELESS)
def test_what_a_migration_makes_in_public_is_everybodys(db: Session, kind: str) -> None:
    """Supabase's default privileges: without them, a test of rights would prove nothing."""
    make, use = CARELESS[kind]
    db.execute(make.encode())
    if kind == "function":
        db.execute("revoke execute on function public.careless() from public")  # of whom all are
    for identity in (db.as_anon(), db.as_user(uuid4()), db.as_service_role()):
        with identity:
            assert outcome(db, use) == "ok"


def test_users_have_the_columns_that_migrations_refer_to(db: Session) -> None:
    asked = "id, email, raw_app_meta_data, raw_user_meta_data, created_at, last_sign_in_at, phone, is_anonymous"
    db.execute("insert into auth.users (id, email, raw_user_meta_data) values (%s, 'a@b.c', '{}')", [uuid4()])
    assert db.execute(f"select {asked} from auth.users".encode()).rowcount == 1
    assert outcome(db, "insert into auth.users (email) values ('b@b.c')") == "23502"


CLAIMS = {
    "auth.uid()": ("sub", "00000000-0000-4000-8000-000000000001"),
    "auth.role()": ("role", "authenticated"),
    "auth.email()": ("email", "a@example.org"),
}


@pytest.mark.parametrize("function", CLAIMS)
def test_a_claim_is_read_from_the_whole_or_from_the_older_setting_and_else_is_null(db: Session, function: str) -> None:
    claim, value = CLAIMS[function]
    whole, single = "request.jwt.claims", f"request.jwt.claim.{claim}"
    for name, setting, expected in (
        (whole, f'{{"{claim}": "{value}"}}', value),
        (single, value, value),
        (whole, "", None),
        (single, "", None),
        (whole, "{}", None),
        (whole, f'{{"{claim}": ""}}', None),
        (whole, f'{{"{claim}": null}}', None),
    ):
        with db.example():
            db.execute("select set_config(%s, %s, true)", [name, setting])
            assert one(db, f"select {function}::text") == expected, (name, setting)
    with db.example():
        assert one(db, f"select {function}") is None, "no claim at all"


def test_all_claims_are_read_as_json(db: Session) -> None:
    assert one(db, "select auth.jwt()") is None
    with db.as_user(uuid4(), app_metadata={"plan": "free"}):
        assert one(db, "select auth.jwt() -> 'app_metadata' ->> 'plan'") == "free"


def test_extensions_are_on_the_search_path(clone: Clone) -> None:
    with clone.connect() as db:
        assert one(db, "show search_path") == '"$user", public, extensions'
        for function in ("gen_random_bytes(int)", "crypt(text, text)", "uuid_generate_v4()"):
            assert one(db, "select to_regprocedure('extensions.' || %s) is not null", [function]), function
        assert one(db, "select length(gen_random_bytes(3)) + length(uuid_generate_v4()::text)") == 39


def test_what_migrations_refer_to_besides_is_there(db: Session) -> None:
    for query in (
        "select id, name, public from storage.buckets",
        "select bucket_id, name, owner from storage.objects",
        "select topic, extension from realtime.messages",
        "select vault.create_secret('s', 'name')",
        "select cron.schedule('x', '* * * * *', 'select 1')",
    ):
        assert outcome(db, query) == "ok", query
    assert outcome(db, "alter publication supabase_realtime add table public.jobs") == "ok"


NAMES = [
    "20251103000000_create_jobs_system.sql",
    "20251103000001_add_job_links.sql",
    "20251103000002_create_job_metrics_view.sql",
    "20251103000003_create_job_runner.sql",
]
MADE = {
    0: ["public.jobs", "public.job_tasks", "public.transition_job_status", "public.cancel_job",
        "public.update_job_metrics_on_task_change"],
    1: ["public.kanban_cards.job_id", "public.kanban_cards.task_id", "public.agent_runs.job_id",
        "public.get_job_cards", "public.get_job_progress", "public.update_job_metrics_on_card_change"],
    2: ["public.job_metrics", "private.job_metrics_snapshot", "public.refresh_job_metrics"],
    3: ["public.create_job", "public.plan_next_batch", "public.claim_tasks", "public.finish_task", "public.fail_task",
        "public.retry_task", "public.render_template"],
}  # fmt: skip


@pytest.mark.parametrize("number", range(5))
def test_each_file_makes_what_the_specification_says_it_makes(pg_databases: Databases, number: int) -> None:
    """After the first files, in the order of their names, what they make is there and what later ones make is not."""
    assert [script.name for script in FOLDER.migrations] == NAMES
    there = (
        "select c.oid::regclass::text from pg_class as c union all "
        "select n.nspname || '.' || p.proname from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace "
        "union all select a.attrelid::regclass::text || '.' || a.attname from pg_attribute as a"
    )
    template = pg_databases.template(migrations.scripts([SQL / "host"]), FOLDER.migrations[:number])
    with pg_databases.copy(template) as clone, clone.connect() as db:
        db.execute("set search_path = ''")
        found = {row[0] for row in db.execute(there).fetchall()}
        for of, names in MADE.items():
            assert [name in found for name in names] == [of < number] * len(names), of
        if number:
            for table in ("jobs", "job_tasks"):
                assert one(db, "select relrowsecurity from pg_class where oid = %s::regclass", [f"public.{table}"])
