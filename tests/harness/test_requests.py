"""Requests as PostgREST makes them: what only reads is READ ONLY, and a function of the schema may come before each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from pgassay import Clone, Session
from pgassay.checks.isolation import Matrix
from pgassay.identity import Databases, Identity
from tests.harness import schemas
from tests.harness.schemas import TENANCY
from tests.harness.test_judging import SCHEMA, found
from tests.jobs.cast import one

USER = UUID("6f5d3a52-3d0e-4a3c-9c0e-1d2f3a4b5c6d")
HOW = sql.SQL("select current_setting('transaction_read_only'), current_setting('request.method')")


@pytest.fixture
def place(pg_databases: Databases) -> Iterator[Clone]:
    with pg_databases.copy(pg_databases.template((), ())) as clone:
        yield clone


@pytest.mark.parametrize("within", [False, True], ids=["outside a transaction", "within one"])
def test_what_only_reads_is_read_only_and_a_get(place: Clone, within: bool) -> None:
    session = place.connect()
    session.execute("create table public.t (n int); grant all on public.t to authenticated")
    if within:
        session.execute("begin")
    insert = sql.SQL("insert into public.t values (1)")
    with session.posing_as(Identity.user(USER)):
        assert session.attempt(HOW, reading=True)[0].rows == [("on", "GET")]
        assert session.attempt(HOW)[0].rows == [("off", "POST")]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.attempt(insert, reading=True)
        assert session.attempt(insert)[0].count == 1
        several, stopped = session.attempts([(HOW, []), (insert, []), (HOW, [])], reading=True)
        assert stopped is None
        assert [isinstance(result, psycopg.Error) for result in several] == [False, True, False]
        assert several[2] == several[0]
        assert session.attempts([(insert, [])])[0][0].count == 1  # type: ignore[union-attr]
    # whoever is nobody in particular makes no requests
    assert session.attempt(sql.SQL("insert into public.t values (2)"), reading=True)[0].count == 1


def observed(databases: Databases, *texts: str) -> Matrix:
    return schemas.observe(databases, SCHEMA, *texts, tenancy=TENANCY)


LOG = """
create table public.log (id bigint generated always as identity primary key, at timestamptz default now());
alter table public.log enable row level security;
create function public.noted() returns boolean language plpgsql {} security definer set search_path = '' as $$
begin {}; return true; end $$;
"""
WRITES = "insert into public.log default values"


@pytest.mark.parametrize(("body", "fails"), [(WRITES, True), ("perform count(*) from public.log", False)])
def test_a_policy_that_writes_when_it_is_read_fails_for_everybody(
    pg_databases: Databases, body: str, fails: bool
) -> None:
    policy = "alter policy member on public.jobs using (org_id in (select m.org_id from public.members as m) and {});"
    matrix = observed(pg_databases, LOG.format("volatile", body), policy.format("public.noted()"))
    errors = {
        (finding.object, finding.rule, finding.door) for finding in matrix.findings if "25006" in finding.observed
    }
    assert errors == ({("public.jobs", "policy-error", "select")} if fails else set())


def test_a_function_that_is_not_volatile_reads_and_another_one_may_write(pg_databases: Databases) -> None:
    """A stable one that writes by another function fails for everybody, as it does by the API."""
    asking = """
    create function public.ask_{0}() returns boolean language sql {0} set search_path = ''
    as $$ select public.noted() $$;
    """
    matrix = observed(pg_databases, LOG.format("volatile", WRITES), asking.format("stable"), asking.format("volatile"))
    broken = {finding.object for finding in matrix.findings if finding.rule == "broken-function"}
    assert broken == {"public.ask_stable()"}
    assert all("READ ONLY" in finding.mend for finding in matrix.findings if finding.rule == "broken-function")


PRE = """
create function public.pre() returns void language plpgsql set search_path = '' as $$
begin
    {}
    perform set_config(
        'app.calls', (coalesce(nullif(current_setting('app.calls', true), ''), '0')::int + 1)::text, true
    );
    perform set_config('app.org', coalesce((select m.org_id::text from public.members as m limit 1), ''), true);
end $$;
"""
BY_SETTING = "alter policy member on public.jobs using (org_id::text = current_setting('app.org', true));"


def with_pre(databases: Databases, *texts: str) -> Matrix:
    """What is said of a schema whose function ``public.pre`` is called before each request."""
    with schemas.database(databases, SCHEMA, *texts) as clone:
        set_pre(clone)
        return schemas.observe_in(databases, clone, TENANCY)[0]


def set_pre(clone: Clone, name: str = "public.pre") -> None:
    statement = sql.SQL("alter role authenticator in database {} set pgrst.db_pre_request = {}")
    with clone.connect_as_admin() as admin:
        admin.execute(statement.format(sql.Identifier(clone.name), sql.Literal(name)))


@pytest.fixture
def superuser(pg_databases: Databases) -> None:
    if not pg_databases.server.superuser:
        pytest.skip("the user of this server is no superuser")


@pytest.mark.usefixtures("superuser")
def test_the_function_before_each_request_is_called_once_for_each(place: Clone) -> None:
    owner = place.connect()
    owner.execute(f"{SCHEMA}; {PRE.format('')}".encode())
    set_pre(place)
    calls = sql.SQL("select current_setting('app.calls', true)")
    with owner.posing_as(Identity.user(USER)):
        for _ in range(2):
            assert owner.attempt(calls)[0].rows == [("1",)]
            assert owner.attempt(calls, reading=True)[0].rows == [("1",)]
        results, _ = owner.attempts([(calls, []), (calls, [])])
        assert [result.rows for result in results] == [[("1",)], [("1",)]]  # type: ignore[union-attr]
        owner.begin_request()
        assert one(owner, "select current_setting('app.calls', true)") == "1"
    with owner.as_user(USER):
        assert one(owner, "select current_setting('app.calls', true)") == "1"
    assert not owner.attempt(sql.SQL("select nullif(current_setting('app.calls', true), '')"))[0].rows[0][0]


@pytest.mark.usefixtures("superuser")
@pytest.mark.parametrize("name", ["public.pre", "pre"])
def test_the_function_is_named_with_its_schema_or_without(place: Clone, name: str) -> None:
    owner = place.connect()
    owner.execute(f"{SCHEMA}; {PRE.format('')}".encode())
    set_pre(place, name)
    with owner.posing_as(Identity.user(USER)):
        assert owner.attempt(sql.SQL("select current_setting('app.calls', true)"))[0].rows == [("1",)]


@pytest.mark.usefixtures("superuser")
def test_what_the_function_sets_is_there_for_policies(pg_databases: Databases) -> None:
    clean = with_pre(pg_databases, PRE.format(""), BY_SETTING)
    assert (found(clean), clean.unjudged) == ([], {})
    reached = {line.identity: line.reach["select"].value for line in clean.lines if line.relation == "public.jobs"}
    assert reached["member of A"] == "own"
    opened = "perform set_config('app.open', 'yes', true);"
    leaky = with_pre(
        pg_databases,
        PRE.format(opened),
        "alter policy member on public.jobs using (current_setting('app.open') = 'yes');",
    )
    assert ("public.jobs", "tenant-leak", "error") in found(leaky)


@pytest.mark.usefixtures("superuser")
def test_what_the_function_refuses_is_refused(pg_databases: Databases) -> None:
    """Strangers get nothing of a table that is open to all else."""
    refuses = """if auth.uid() is null or not exists (select from public.members) then
        raise exception 'members alone' using errcode = '42501';
    end if;"""
    opened = "create table public.plans (id int primary key, org_id uuid references public.orgs (id));"
    leaky = with_pre(pg_databases, PRE.format(refuses), opened)
    told = {finding.identity for finding in leaky.findings if finding.object == "public.plans"}
    assert "member of A" in told
    assert not {"anon", "stranger"} & told


@pytest.mark.usefixtures("superuser")
def test_the_path_is_of_the_schemas_that_config_toml_exposes(pg_databases: Databases) -> None:
    """A setting of the role that logs in comes before it."""
    settings = {"pgrst.db_schemas": "api, more,public", "pgrst.db_extra_search_path": "my ext"}
    databases = Databases(replace(pg_databases.server, settings=settings), Session)
    with databases, databases.copy(databases.template((), ())) as clone:
        api = clone.connect_as_authenticator()
        with api.posing_as(Identity.user(USER)):
            assert one(api, "select current_setting('search_path')") == 'api, more, public, "my ext"'
        with clone.connect_as_admin() as admin:
            admin.execute(
                sql.SQL("alter role authenticator in database {} set pgrst.db_schemas = 'other'").format(
                    sql.Identifier(clone.name)
                )
            )
        again = clone.connect_as_authenticator()
        with again.posing_as(Identity.user(USER)):
            assert one(again, "select current_setting('search_path')") == 'other, "my ext"'


HIDDEN = """
create schema {0};
grant usage on schema {0} to authenticated;
create function {0}.titles() returns setof text language sql stable security definer set search_path = ''
as $$ select j.title from public.jobs as j $$;
"""


@pytest.mark.usefixtures("superuser")
@pytest.mark.parametrize(
    ("of_role", "of_development", "severity"),
    [
        (None, None, "warning"),
        (None, "public,side", "error"),
        ("public, side", None, "error"),
        ("public", "public,side", "warning"),
    ],
)
def test_a_function_leaks_by_the_api_where_its_schema_is_exposed(
    pg_databases: Databases, of_role: str | None, of_development: str | None, severity: str
) -> None:
    settings = {"pgrst.db_schemas": of_development} if of_development else {}
    with (
        Databases(replace(pg_databases.server, settings=settings), Session) as databases,
        schemas.database(databases, SCHEMA, HIDDEN.format("side")) as clone,
    ):
        if of_role:
            statement = sql.SQL("alter role authenticator in database {} set pgrst.db_schemas = {}")
            with clone.connect_as_admin() as admin:
                admin.execute(statement.format(sql.Identifier(clone.name), sql.Literal(of_role)))
        matrix = schemas.observe_in(databases, clone, TENANCY)[0]
    assert found(matrix) == [("side.titles()", "tenant-leak", severity)]
