"""Section 5, as the catalog has it: what the API roles hold, and how the functions are made."""

from __future__ import annotations

import pytest

from pgassay import Session
from tests.jobs.cast import one, outcome, settle
from tests.jobs.test_isolation import HARMLESS

API_ROLES = ("anon", "authenticated", "service_role")
RELATIONS = ("public.jobs", "public.job_tasks", "public.job_metrics")
PROTECTED = {
    "public.jobs": {
        "id", "owner_id", "status", "created_at", "started_at", "finished_at", "last_run_at", "total_tasks",
        "completed_tasks", "failed_tasks", "cards_created", "cards_approved", "cards_executed", "emails_sent",
        "errors_count",
    },
    "public.job_tasks": {
        "id", "status", "output", "error_message", "retry_count", "created_at", "started_at", "finished_at",
        "org_id",
    },
}  # fmt: skip
FUNCTIONS_OF_THE_API = {
    "transition_job_status(uuid,text)": {"authenticated", "service_role"},
    "cancel_job(uuid)": {"authenticated", "service_role"},
    "get_job_cards(uuid)": {"authenticated", "service_role"},
    "get_job_progress(uuid)": {"authenticated", "service_role"},
    "refresh_job_metrics()": {"service_role"},
    "create_job(uuid,text,text,jsonb)": {"authenticated", "service_role"},
    "plan_next_batch(uuid)": {"authenticated", "service_role"},
    "claim_tasks(uuid,integer)": {"authenticated", "service_role"},
    "finish_task(bigint,jsonb)": {"authenticated", "service_role"},
    "fail_task(bigint,text)": {"authenticated", "service_role"},
    "retry_task(bigint)": {"authenticated", "service_role"},
    "render_template(jsonb,jsonb)": {"authenticated", "service_role"},
}
FUNCTIONS = """
select p.oid::regprocedure::text, p.prosecdef, coalesce(p.proconfig, '{}'), n.nspname, p.prorettype::regtype::text
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
where n.nspname in ('public', 'private') and p.proowner = 'postgres'::regrole
"""


@pytest.mark.parametrize("relation", RELATIONS)
def test_anon_holds_nothing_on_the_jobs_tables(db: Session, relation: str) -> None:
    rows = db.execute(
        "select a.privilege_type from pg_class as c, aclexplode(c.relacl) as a "
        "where c.oid = %s::regclass and a.grantee in (0, 'anon'::regrole)",
        [relation],
    ).fetchall()
    assert rows == []
    assert (
        one(db, "select has_any_column_privilege('anon', %s, 'select, insert, update, references')", [relation])
        is False
    )


@pytest.mark.parametrize("role", API_ROLES)
@pytest.mark.parametrize("relation", RELATIONS)
def test_no_api_role_holds_truncate_references_trigger_or_maintain(db: Session, relation: str, role: str) -> None:
    privileges = ["truncate", "references", "trigger"]
    if db.info.server_version >= 170000:
        privileges.append("maintain")
    for privilege in privileges:
        assert one(db, "select has_table_privilege(%s, %s, %s)", [role, relation, privilege]) is False
    assert one(db, "select has_any_column_privilege(%s, %s, 'references')", [role, relation]) is False


@pytest.mark.parametrize("role", API_ROLES)
def test_no_api_role_holds_anything_on_the_sequences_or_on_private(db: Session, role: str) -> None:
    for (sequence,) in db.execute(
        "select c.oid::regclass::text from pg_class as c join pg_namespace as n on c.relnamespace = n.oid "
        "where c.relkind = 'S' and n.nspname in ('public', 'private')"
    ).fetchall():
        assert one(db, "select has_sequence_privilege(%s, %s, 'usage, select, update')", [role, sequence]) is False
    assert one(db, "select has_schema_privilege(%s, 'private', 'usage, create')", [role]) is False


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
@pytest.mark.parametrize("relation", PROTECTED)
def test_protected_columns_are_not_writable_by_api_roles(db: Session, relation: str, role: str) -> None:
    for column in sorted(PROTECTED[relation]):
        for privilege in ("insert", "update"):
            held = one(db, "select has_column_privilege(%s, %s, %s, %s)", [role, relation, column, privilege])
            assert held is False, (column, privilege)


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_an_organisation_and_a_tasks_job_cannot_be_changed_after_creation(db: Session, role: str) -> None:
    assert one(db, "select has_column_privilege(%s, 'public.jobs', 'org_id', 'update')", [role]) is False
    assert one(db, "select has_column_privilege(%s, 'public.job_tasks', 'job_id', 'update')", [role]) is False


def test_functions_are_executable_by_those_who_need_them_alone(db: Session) -> None:
    expected = dict(FUNCTIONS_OF_THE_API)
    for signature, *_ in db.execute(FUNCTIONS).fetchall():
        may = {
            role for role in API_ROLES if one(db, "select has_function_privilege(%s, %s, 'execute')", [role, signature])
        }
        assert may == expected.pop(signature, set()), signature
    assert expected == {}


def test_every_function_has_a_fixed_search_path_and_says_what_it_is_for(db: Session) -> None:
    for signature, definer, config, _, _ in db.execute(FUNCTIONS).fetchall():
        if signature == "private.caller_id()":  # whose own body, and not that of auth.uid(), it is for
            assert not definer
            assert config == ["search_path=pg_catalog, pg_temp"]
        else:
            assert 'search_path=""' in config, signature
        assert one(db, "select obj_description(%s::regprocedure, 'pg_proc')", [signature]), signature


def test_reads_are_security_invoker_so_that_row_level_security_decides(db: Session) -> None:
    definer = {signature: definer for signature, definer, *_ in db.execute(FUNCTIONS).fetchall()}
    assert definer["get_job_cards(uuid)"] is False
    assert definer["get_job_progress(uuid)"] is False


def test_row_level_security_is_on_for_every_table_that_the_api_reaches(db: Session) -> None:
    rows = db.execute(
        "select c.relname from pg_class as c where c.relnamespace = 'public'::regnamespace "
        "and c.relkind in ('r', 'p') and not c.relrowsecurity"
    ).fetchall()
    assert rows == []


def test_policies_call_auth_uid_once_a_statement(db: Session) -> None:
    """Seen in the plan: the call is in an InitPlan, which runs once, and never in a filter on rows of jobs."""
    cast = settle(db)
    with db.as_user(cast.member_a):
        for table in ("jobs", "job_tasks", "job_metrics"):
            lines = [
                row[0] for row in db.execute(f"explain (costs off, verbose) select * from public.{table}".encode())
            ]
            plan = "\n".join(lines)
            assert "InitPlan" in plan
            for line in lines:
                if "request.jwt" in line or "auth.uid" in line:
                    assert "Filter" not in line, plan
                    assert "Index Cond" not in line, plan


STATEMENTS = {
    "select": "select * from public.{table}",
    "update": "update public.{table} set {harmless}",
    "delete": "delete from public.{table}",
}


@pytest.mark.parametrize("verb", STATEMENTS)
@pytest.mark.parametrize("table", HARMLESS)
def test_policies_find_rows_by_an_index_among_those_of_other_organisations(db: Session, table: str, verb: str) -> None:
    """Section 5: a statement without a condition costs what the caller's own rows cost."""
    cast = settle(db)
    db.execute("insert into public.organizations (name) select 'other' from generate_series(1, 300)")
    of_each = "from public.organizations as o, generate_series(1, 10)"
    rows = {
        "contacts": f"insert into public.contacts (org_id, email) select o.id, 'a@b.c' {of_each}",
        "jobs": f"insert into public.jobs (org_id, name) select o.id, 'x' {of_each}",
        "kanban_cards": f"insert into public.kanban_cards (org_id, type, title) select o.id, 'research', 'x' {of_each}",
        "agent_runs": f"insert into public.agent_runs (org_id, mode) select o.id, 'x' {of_each}",
        "job_tasks": "insert into public.job_tasks (job_id, batch, step, kind) "
        "select j.id, 0, 0, 'research' from public.jobs as j",
    }
    for name in ["jobs", table] if table == "job_tasks" else [table]:
        db.execute(rows[name].encode())
    db.execute(f"analyze public.organization_members, public.{table}".encode())
    statement = STATEMENTS[verb].format(table=table, harmless=HARMLESS[table])
    for user in (cast.member_a, cast.stranger):
        with db.as_user(user):
            plan = "\n".join(row[0] for row in db.execute(f"explain (costs off) {statement}".encode()))
        assert "Index Cond: (org_id = ANY" in plan, plan
        assert f"Seq Scan on {table}" not in plan, plan


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_metrics_are_found_by_an_index_among_those_of_other_organisations(db: Session, who: str) -> None:
    cast = settle(db)
    db.execute("insert into public.organizations (name) select 'other' from generate_series(1, 300)")
    db.execute(
        "insert into public.jobs (org_id, name) select o.id, 'x' from public.organizations as o, generate_series(1, 10)"
    )
    db.execute("select public.refresh_job_metrics()")
    db.execute("analyze private.job_metrics_snapshot")
    with db.as_user(cast.member_a if who == "member" else cast.stranger):
        plan = "\n".join(row[0] for row in db.execute("explain (costs off) select * from public.job_metrics"))
    assert "Index Cond: (org_id = ANY" in plan, plan
    assert "Seq Scan on job_metrics_snapshot" not in plan, plan


def test_every_foreign_key_is_served_by_an_index(db: Session) -> None:
    rows = db.execute(
        """
        select k.conrelid::regclass::text, k.conname
        from pg_constraint as k
        where
            k.contype = 'f'
            and k.connamespace = 'public'::regnamespace
            and not exists (
                select from pg_index as i
                where
                    i.indrelid = k.conrelid
                    and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
            )
        """
    ).fetchall()
    assert rows == []


@pytest.mark.parametrize("role", ["authenticated", "service_role"])
def test_truncate_is_the_owners(db: Session, role: str) -> None:
    with db.as_role(role, {}):
        assert outcome(db, "truncate public.jobs cascade") == "42501"


@pytest.mark.parametrize(
    ("table", "columns", "condition"),
    [
        ("jobs", ["org_id", "status"], None),
        ("jobs", ["org_id", "created_at"], None),
        ("job_tasks", ["job_id", "status"], None),
        ("job_tasks", ["job_id", "batch", "step"], None),
        ("job_tasks", ["job_id", "batch", "step"], "(status = 'pending'::text)"),
        ("kanban_cards", ["job_id", "state"], "(job_id IS NOT NULL)"),
    ],
)
def test_what_section_8_names_is_served_by_an_index(
    db: Session, table: str, columns: list[str], condition: str | None
) -> None:
    rows = db.execute(
        """
        select pg_get_expr(i.indpred, i.indrelid)
        from pg_index as i
        where
            i.indrelid = ('public.' || %s)::regclass
            and (
                select array_agg(a.attname::text order by k.position)
                from unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
                join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
                where k.position <= %s
            ) = %s
        """,
        [table, len(columns), columns],
    ).fetchall()
    assert (condition,) in rows
