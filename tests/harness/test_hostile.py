"""Schemas that mean harm: none gets out of its database, harms a later run, or makes a leak look closed."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pgassay import config
from pgassay.servers import Server, running
from tests.harness import command
from tests.harness.test_cli import PGASSAY, SCHEMA, TENANCY
from tests.sampling import some

Check = Callable[..., subprocess.CompletedProcess[str]]

LEAK = "alter table public.notes disable row level security;"
DEFINER = "create function public.f() returns {} language plpgsql security definer set search_path = '' as $f$ {} $f$;"
INVOKER = "create function public.f({}) returns {} language plpgsql as $f$ {} $f$;"
ON_THIS_DATABASE = (
    "do $do$ begin execute pg_catalog.format('alter database %I set {}', pg_catalog.current_database()); end $do$;"
)

_STATE = """
select 'role', r.rolname, r.rolsuper, r.rolcanlogin, r.rolbypassrls,
    array(select m.rolname::text from pg_auth_members as x join pg_roles as m on x.roleid = m.oid
        where x.member = r.oid order by 1)::text,
    array(select s.setconfig::text from pg_db_role_setting as s where s.setrole = r.oid order by 1)::text
from pg_roles as r
union all
select 'database', d.datname, null, d.datallowconn, null, d.datacl::text, null from pg_database as d
"""


@pytest.fixture(scope="module")
def server(pytestconfig: pytest.Config) -> Iterator[Server]:
    """A server of these tests' own, which has no roles but its superuser. The command is given its URL."""
    options = {name: pytestconfig.getoption(name) for name in ("pg", "pg_version", "pg_image")}
    with running(config.load(None, **options)) as bare:
        yield bare


def state(server: Server) -> set[tuple[object, ...]]:
    with psycopg.connect(server.conninfo(server.maintenance)) as connection:
        return set(connection.execute(_STATE).fetchall())


@pytest.fixture
def check(server: Server, tmp_path: Path) -> Iterator[Check]:
    """Runs ``pgassay check`` on migrations; afterwards roles, their settings and databases have to be as before."""
    before = state(server)

    def run(
        *migrations: str,
        tenancy: str = TENANCY,
        timeout: float = 20,
        pg: str = server.url(server.maintenance),
        limit: Callable[[], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "migrations"
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(migrations, 1):
            (folder / f"{number}_m.sql").write_text(text)
        (tmp_path / "pyproject.toml").write_text(tenancy)
        arguments = ["check", "--verbose", "--pg", pg, "--timeout", str(timeout)]
        if limit is None:
            done = command.run(*arguments, cwd=tmp_path)
        else:
            done = subprocess.run(
                [*PGASSAY, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, preexec_fn=limit
            )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    yield run
    assert state(server) == before


def test_a_clean_schema_is_judged_on_that_server(check: Check) -> None:
    assert check(SCHEMA).returncode == 0


# migrations that do not get through


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("drop owned by authenticator; drop role authenticator;", ["drop or rename", "authenticator"]),
        ("alter role anon rename to gone;", ["drop or rename", "anon"]),
        ("select 1;\ncreate database another;", ["1_m.sql:2", "another"]),
        ("drop database if exists another;", ["1_m.sql:1", "another"]),
        ("set session_replication_role = replica;", ["1_m.sql:1", "session_replication_role"]),
        ("copy (select 1) to program 'true';", ["1_m.sql:1", "pg_execute_server_program"]),
        ("select pg_catalog.lo_import('/etc/passwd');", ["1_m.sql:1", "permission denied"]),
        ("alter role postgres superuser;", ["1_m.sql:1", "superuser"]),
        ("create table a (); commit; create table b ();\nselect 1 / 0;", ["1_m.sql:2", "division by zero"]),
        ("select pg_terminate_backend(pg_backend_pid());", ["1_m.sql:1", "The session was lost"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_migration_that_reaches_beyond_its_database_is_refused(
    check: Check, statement: str, words: list[str]
) -> None:
    done = check(statement)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "select pg_sleep(1000);",
        "set statement_timeout = 0; select pg_sleep(1000);",
        "do $$ begin loop null; end loop; end $$;",
        "do $$ begin loop begin perform pg_sleep(1); exception when query_canceled then null; end; end loop; end $$;",
        "commit; select pg_sleep(1000);",
        "create table public.t (id int); create function public.f() returns trigger language plpgsql as "
        "'begin loop null; end loop; end'; create constraint trigger t after insert on public.t deferrable initially "
        "deferred for each row execute function public.f(); insert into public.t values (1);",
    ],
)
def test_a_migration_that_does_not_end_is_ended(check: Check, statement: str) -> None:
    done = check(SCHEMA, f"select 1;\n{statement}", timeout=1)
    assert done.returncode == 2
    assert "2_m.sql" in done.stderr
    assert "not over after 1 s" in done.stderr
    assert "--timeout SECONDS" in done.stderr


def test_a_disk_that_is_full_is_an_error_that_says_so(check: Check, server: Server) -> None:
    """A file of this server that grows beyond the limit is refused like one on a full disk."""
    if not server.ours:
        pytest.fail("This test starts a server of its own, with --pg system or embedded.")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 2**20, 48 * 2**20))

    grow = "create table public.t as select g, repeat('x', 900) as x from generate_series(1, 1000000) as g;"
    done = check(f"select 1;\n{grow}", pg=server.backend, limit=limit)
    assert done.returncode == 2
    assert "1_m.sql:2" in done.stderr
    assert "could not extend file" in done.stderr or "No space left" in done.stderr or "too large" in done.stderr


# what a migration leaves for the server and its sessions


def test_a_role_that_a_migration_makes_is_gone_with_the_run(check: Check) -> None:
    """Another run does not see it, so that it can make it again: `check` compares the roles afterwards."""
    made = "create role hostile_role login; grant anon to hostile_role; alter role anon set work_mem = '1MB';"
    assert check(SCHEMA, made).returncode == 0
    assert check(SCHEMA, made).returncode == 0


@pytest.mark.parametrize("settings", some([
    ["search_path = ''pg_catalog''", "default_transaction_read_only = on", "statement_timeout = 1"],
    ["lock_timeout = 1", "idle_in_transaction_session_timeout = 1", "client_encoding = ''latin1''"],
    ["datestyle = ''SQL, DMY''", "standard_conforming_strings = off", "bytea_output = ''escape''"],
    ["transform_null_equals = on", "default_transaction_isolation = ''serializable''", "role = ''anon''"],
], dev=3, ci=2))  # fmt: skip
@pytest.mark.parametrize("what", ["database", "role"])
def test_settings_for_the_database_or_its_roles_hide_no_leak_and_make_none(
    check: Check, settings: list[str], what: str
) -> None:
    if what == "database":
        hostile = "".join(ON_THIS_DATABASE.format(setting) for setting in settings)
    else:
        hostile = "".join(f"alter role postgres set {setting};".replace("''", "'") for setting in settings)
    clean, leaky = check(SCHEMA, hostile), check(SCHEMA, hostile + LEAK)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert leaky.returncode == 1, leaky.stdout + leaky.stderr
    assert "public.notes: anon can select every tenant's rows" in leaky.stdout


# what stands in the way of the harness's own queries

_PAIRS = [
    ("name", "name"), ("name", "text"), ("text", "text"), ("oid", "oid"), ("oid", "regclass"), ("uuid", "uuid"),
    ("oid", "integer"), ('"char"', '"char"'), ("smallint", "smallint"), ("integer", "integer"), ("bigint", "bigint"),
]  # fmt: skip
SHADOWS = "create function public.never({0}, {1}) returns boolean language sql as 'select false';".format
SHADOWS_OF = "create operator public.{2} (leftarg = {0}, rightarg = {1}, function = public.never);".format
SHADOWING = (
    "".join(SHADOWS(*pair) + SHADOWS_OF(*pair, "=") + SHADOWS_OF(*pair, "<>") for pair in _PAIRS)
    + """
    create function public.count(anyelement) returns bigint language sql as 'select 0::bigint';
    create function public.lower(text) returns text language sql as 'select null::text';
    create function public.format(text, text) returns text language sql as 'select null::text';
    create function public.unnest(text[]) returns setof text language sql as 'select null::text where false';
    create function public.unnest(name[]) returns setof name language sql as 'select null::name where false';
    create function public.has_schema_privilege(text, text, text) returns boolean language sql as 'select false';
    create function public.has_table_privilege(oid, oid, text) returns boolean language sql as 'select false';
    create function public.to_regclass(text) returns regclass language sql as 'select null::regclass';
    create function public.current_database() returns name language sql as 'select null::name';
    create domain public.text as pg_catalog.text check (value is null);
    create view public.pg_class with (security_invoker) as select 1 as oid;
    create view public.pg_policies with (security_invoker) as select 1 as oid;
    create type public.status as enum ('on', 'off');
    create function public.is_never(public.status) returns text language sql as 'select ''never''::pg_catalog.text';
    create cast (public.status as pg_catalog.text) with function public.is_never(public.status) as implicit;
    """.replace("returns text", "returns pg_catalog.text").replace("(text", "(pg_catalog.text")
)


@pytest.mark.parametrize("path", ["public, pg_catalog", '"$user", public'])
def test_what_shadows_the_built_ins_hides_no_leak_and_makes_none(check: Check, path: str) -> None:
    # The functions stay without a caller: they only wait for the harness to call them by their bare names.
    own = SHADOWING + "revoke execute on all functions in schema public from public, anon, authenticated, service_role;"
    moved = ON_THIS_DATABASE.format(f"search_path = {path}")
    clean, leaky = check(SCHEMA, own + moved), check(SCHEMA, own + moved + LEAK)
    assert "public.notes: anon can select every tenant's rows" in leaky.stdout, leaky.stdout + leaky.stderr
    for operation in ("insert", "update", "delete"):
        assert f"public.notes: anon can {operation} every tenant's rows" in leaky.stdout
    assert "  error" not in clean.stdout
    assert clean.returncode in (0, 2), clean.stdout + clean.stderr
    assert "public.notes" not in [
        line.split(":")[0].split()[-1] for line in clean.stdout.splitlines() if "not judged" in line
    ]


LONG = "ü" * 31
ODD = ["it's", 'a "b"', "50% %s %(x)s", "two\nlines\t;--", "{0}{x}", "\\d 'x' \\", LONG]


@pytest.mark.parametrize("name", some(ODD, dev=3, ci=2))
def test_odd_names_are_names(check: Check, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    tick = name.replace("'", "''")
    odd = f"""
    create role {quoted};
    create schema {quoted}; grant usage on schema {quoted} to anon, authenticated;
    create table {quoted}.{quoted} (
        id uuid primary key default gen_random_uuid(), {quoted} text not null default E'', org_id uuid not null
        references public.orgs (id) on delete cascade
    );
    create index on {quoted}.{quoted} (org_id);
    comment on table {quoted}.{quoted} is '{tick}';
    alter table {quoted}.{quoted} enable row level security;
    grant select, insert, update, delete on {quoted}.{quoted} to anon, authenticated, {quoted};
    create policy {quoted} on {quoted}.{quoted} to authenticated
    using (org_id in (select m.org_id from public.members as m));
    create function {quoted}.{quoted}({quoted} uuid) returns bigint language sql stable set search_path = ''
    as $$ select count(*) from public.notes as n where n.org_id = $1 $$;
    """
    clean = check(SCHEMA, odd)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    leaky = check(SCHEMA, odd, f"create policy more on {quoted}.{quoted} for select using (true);")
    assert leaky.returncode == 1, leaky.stdout + leaky.stderr
    assert "[tenant-leak]" in leaky.stdout


# functions


def test_a_function_that_always_raises_is_not_judged(check: Check) -> None:
    done = check(SCHEMA, INVOKER.format("", "int", "begin raise exception 'never: %', 'ever'; end"))
    assert done.returncode == 2
    assert "public.f(): no call succeeded for a member: never: ever" in done.stdout


@pytest.mark.parametrize(
    "body",
    [
        "begin loop perform pg_sleep(1); end loop; end",
        "begin set local statement_timeout = 0; loop null; end loop; end",
        "begin loop begin perform pg_sleep(1); exception when query_canceled then null; end; end loop; end",
    ],
)
def test_a_function_that_does_not_return_is_named(check: Check, body: str) -> None:
    forever = "alter role anon set statement_timeout = 0; alter role authenticated set statement_timeout = 0;"
    forever += "alter role authenticator set statement_timeout = 0;"
    done = check(SCHEMA, forever + INVOKER.format("", "int", body), timeout=1)
    assert done.returncode == 2
    assert "not over after 1 s" in done.stdout + done.stderr
    assert '"public"."f"()' in done.stdout + done.stderr


def test_a_function_that_a_role_gives_3_seconds_is_not_judged_and_the_rest_is(check: Check) -> None:
    done = check(SCHEMA, INVOKER.format("", "int", "begin perform pg_sleep(100); return 1; end"), LEAK)
    assert done.returncode == 1
    assert "public.notes: anon can select every tenant's rows" in done.stdout
    assert "public.f(): Canceling statement due to statement timeout" in done.stdout


def test_a_function_that_does_not_return_when_called_for_some_has_leaked_before(check: Check) -> None:
    """It is called with the ids of rows, and with NULL."""
    leak = """create function public.f(note_id uuid) returns setof text language plpgsql security definer
    set search_path = '' as $$ begin if note_id is null then perform pg_sleep(100); end if;
    return query select n.text from public.notes as n where n.id = note_id; end $$;"""
    done = check(SCHEMA, leak)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error  public.f(uuid)" in done.stdout
    clean = check(SCHEMA, leak.replace("security definer", ""))
    assert clean.returncode == 2, clean.stdout + clean.stderr
    assert "public.f(uuid): Canceling statement due to statement timeout" in clean.stdout


def test_a_function_that_becomes_somebody_else_leaks(check: Check) -> None:
    """In the API, too, it gets at the rights of service_role: whoever logs in there is a member of it."""
    body = (
        "begin perform set_config('role', 'service_role', false); return query select n.text from public.notes n; end"
    )
    done = check(SCHEMA, INVOKER.format("", "setof text", body))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "public.f()" in done.stdout
    assert "[tenant-leak]" in done.stdout
    assert "error  public.notes" not in done.stdout, "the session is itself again afterwards"


@pytest.mark.parametrize(
    "body",
    [
        "begin execute 'reset session authorization'; execute 'copy (select 1) to program ''true'''; return 1; end",
        "begin execute 'reset role'; perform set_config('role', 'postgres', false); return 1; end",
        "begin perform set_config('session_authorization', 'supabase_admin', false); return 1; end",
        "begin perform lo_import('/etc/passwd'); return 1; end",
        "begin execute 'copy public.notes to program ''true'''; return 1; end",
        "begin execute 'alter role anon superuser'; return 1; end",
    ],
)
def test_a_function_does_not_get_at_other_rights(check: Check, body: str) -> None:
    """No call of it succeeds, as its last step is to be refused."""
    done = check(SCHEMA, INVOKER.format("", "int", body))
    assert done.returncode == 2
    assert "public.f(): no call succeeded for a member" in done.stdout


def test_a_trigger_does_not_get_at_other_rights_than_the_owners(check: Check) -> None:
    """Rows are made by a login of the owner, and those of others taken out with such triggers switched off."""
    body = "begin execute 'reset session authorization'; if current_user <> session_user or (select rolsuper from "
    body += "pg_catalog.pg_roles where rolname = current_user) then execute 'create role escaped superuser'; end if; "
    body += "return coalesce(new, old); end"
    trigger = INVOKER.format("", "trigger", body)
    trigger += "create trigger t before insert or update or delete on public.notes for each row "
    trigger += "execute function public.f(); alter table public.notes enable always trigger t;"
    done = check(SCHEMA, trigger)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_function_that_ends_the_session_is_named_and_the_rest_is_judged(check: Check) -> None:
    body = "begin perform pg_terminate_backend(pg_backend_pid()); return 1; end"
    after = "create function public.g() returns setof public.notes language sql security definer set search_path = '' "
    after += "as 'select n.* from public.notes as n';"
    done = check(SCHEMA, DEFINER.format("int", body), after)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "public.f(): The session was lost" in done.stdout
    assert '"public"."f"()' in done.stdout
    assert "error  public.g()" in done.stdout


def test_a_trigger_that_ends_the_session_costs_its_table_alone(check: Check) -> None:
    trigger = DEFINER.format("trigger", "begin perform pg_terminate_backend(pg_backend_pid()); return new; end")
    trigger += "create trigger t before update on public.notes for each row execute function public.f();"
    done = check(SCHEMA, trigger, "create table public.plans (id int primary key, name text);")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "public.notes: The session was lost" in done.stdout
    assert "error  public.plans" in done.stdout


def test_locks_and_notices_of_a_function_are_in_nobodys_way(check: Check) -> None:
    body = "begin perform pg_advisory_lock(n) from generate_series(0, 9) as n; perform pg_notify('pgassay', 'x'); "
    body += "raise notice 'pgassay: 0 findings'; raise warning '%', repeat('x', 10000); return 1; end"
    done = check(SCHEMA, INVOKER.format("", "int", body) + LEAK)
    assert done.returncode == 1
    assert "public.notes: anon can select every tenant's rows" in done.stdout


# what hides rows


@pytest.mark.parametrize(
    "hidden",
    [
        INVOKER.format("", "trigger", "begin return null; end")
        + "create trigger hide before insert on public.notes for each row execute function public.f();",
        "create rule hide as on insert to public.notes do instead nothing;",
        "create rule hide as on delete to public.notes do instead nothing;"
        "create rule hide_too as on update to public.notes do instead nothing; revoke select on public.notes from anon",
    ],
)
def test_a_leak_without_rows_is_not_judged_or_found(check: Check, hidden: str) -> None:
    done = check(SCHEMA, hidden, LEAK)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "public.notes: row level security is off" in done.stdout
    assert "not judged  public.notes" in done.stdout or "[tenant-leak]" in done.stdout


def test_a_policy_that_knows_the_harness_by_its_name_is_not_spared(check: Check) -> None:
    spared = "create policy hidden on public.notes using (current_setting('application_name') <> 'pgassay');"
    done = check(SCHEMA, spared)
    assert done.returncode == 1
    assert "public.notes: anon can select every tenant's rows" in done.stdout
