"""The environment: migrations as public Supabase projects write them apply, with the extensions they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from pgassay import Clone, MigrationError, Session, migrations
from pgassay.identity import Databases
from pgassay.migrations import Applied, Script
from pgassay.templates import Template
from tests.jobs.cast import one


@pytest.fixture(scope="module")
def bare(pg_databases: Databases) -> Template:
    """The environment, and nothing else."""
    return pg_databases.template((), ())


@pytest.fixture
def place(pg_databases: Databases, bare: Template) -> Iterator[Clone]:
    with pg_databases.copy(bare) as clone:
        yield clone


@pytest.fixture(scope="module")
def bare_admin(pg_databases: Databases, bare: Template) -> Iterator[Session]:
    if not pg_databases.server.superuser:
        pytest.skip("the user of this server is no superuser")
    with pg_databases.copy(bare) as clone:
        yield clone.connect_as_admin()


def apply(place: Clone, text: str) -> Applied:
    with place.connect() as owner:
        return migrations.apply(owner, Script(Path("1_a.sql"), "1_a.sql", text))


def stood_in(place: Clone, *names: str) -> tuple[str, ...]:
    """Those of the extensions that this server lacks."""
    there = place.server.extensions() - {"dblink", "pg_cron", "pg_net", "supabase_vault"}
    return tuple(sorted(set(names) - there))


SIGN_UP = """
create extension if not exists "uuid-ossp" with schema extensions;
create extension if not exists pgcrypto with schema extensions;
create table public.profiles (
    id uuid primary key references auth.users on delete cascade,
    secret uuid not null default uuid_generate_v4(),
    token text not null default encode(extensions.gen_random_bytes(16), 'hex')
);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = ''
as $$ begin insert into public.profiles (id) values (new.id); return new; end $$;
drop trigger if exists on_auth_user_created on auth.users;
create trigger on_auth_user_created after insert on auth.users
for each row execute procedure public.handle_new_user();
drop trigger if exists on_auth_user_created on auth.users;
create trigger on_auth_user_created after insert on auth.users
for each row execute procedure public.handle_new_user();
create policy "own user" on auth.users for select using (auth.uid() = id);
insert into auth.users (id, email, encrypted_password)
values ('6f6d1c3e-0000-4000-8000-000000000001', 'a@example.org', crypt('secret', gen_salt('bf')));
"""


def test_a_sign_up_trigger_on_the_platforms_table_applies_and_fires(place: Clone) -> None:
    applied = apply(place, SIGN_UP)
    assert applied.stand_ins == stood_in(place, "uuid-ossp", "pgcrypto")
    with place.connect() as owner:
        assert one(owner, "select length(token) from public.profiles") == 32
        assert one(owner, "select crypt('secret', encrypted_password) = encrypted_password from auth.users")
        assert one(owner, "select crypt('other', encrypted_password) = encrypted_password from auth.users") is False


def test_the_migrating_role_is_no_superuser_and_owns_no_object_of_the_platform(place: Clone) -> None:
    with place.connect() as owner:
        assert owner.execute(
            "select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = current_user"
        ).fetchone() == (False, True, True)
        owned = owner.execute(
            "select c.relnamespace::regnamespace::text || '.' || c.relname from pg_class as c "
            "where c.relowner = current_user::regrole union all "
            "select p.oid::regprocedure::text from pg_proc as p where p.proowner = current_user::regrole"
        ).fetchall()
        assert owned == []
        if place.server.ours:
            assert one(owner, "select relowner::regrole::text from pg_class where oid = 'auth.users'::regclass") == (
                "supabase_auth_admin"
            )
            assert one(owner, "select proowner::regrole::text from pg_proc where oid = 'auth.uid'::regproc") == (
                "supabase_admin"
            )


def test_revoking_default_rights_from_public_does_not_break_the_callers_id(place: Clone) -> None:
    apply(
        place,
        "alter default privileges revoke execute on functions from public;\n"
        "revoke execute on all functions in schema auth, storage, extensions, public from public, anon;\n"
        "create function public.f() returns int language sql as 'select 1';\n",
    )
    someone = uuid4()
    with place.connect() as owner, owner.as_user(someone):
        assert one(owner, "select auth.uid()") == someone
        assert one(owner, "select auth.role()") == "authenticated"
        assert one(owner, "select storage.filename('a/b.png')") == "b.png"
        assert one(owner, "select extensions.uuid_generate_v4() is not null")


def test_claims_are_read_singly_first_and_then_from_the_whole(place: Clone) -> None:
    with place.connect() as owner:
        assert one(owner, "select auth.jwt() is null and auth.uid() is null and auth.email() is null")
        owner.execute("""select set_config('request.jwt.claims', '{"email": "whole@b.c"}', false)""")
        assert one(owner, "select auth.email()") == "whole@b.c"
        owner.execute("select set_config('request.jwt.claim.email', 'single@b.c', false)")
        assert one(owner, "select auth.email()") == "single@b.c"


STORAGE = """
insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values ('avatars', 'avatars', true, 1000, array['image/png']);
create policy "own folder" on storage.objects for all to authenticated
using (bucket_id = 'avatars' and (storage.foldername(name))[1] = auth.uid()::text and storage.extension(name) = 'png');
alter publication supabase_realtime add table auth.audit_log_entries;
create policy "topics" on realtime.messages for select to authenticated using (realtime.topic() = auth.uid()::text);
"""


def test_policies_on_files_and_messages_apply_and_hold(place: Clone) -> None:
    apply(place, STORAGE)
    one_user, other = uuid4(), uuid4()
    with place.connect() as owner:
        with owner.as_user(one_user):
            owner.execute("insert into storage.objects (bucket_id, name) values ('avatars', %s)", [f"{one_user}/a.png"])
            assert one(owner, "select path_tokens[2] from storage.objects") == "a.png"
        with owner.as_user(other):
            assert one(owner, "select count(*) from storage.objects") == 0
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute("insert into storage.objects (bucket_id, name) values ('avatars', 'x/a.png')")


VECTOR = """
create extension if not exists vector with schema extensions;
create table public.documents (id int primary key, content text, embedding extensions.vector(3) not null);
create index documents_embedding_idx on public.documents using ivfflat (embedding vector_cosine_ops) with (lists = 1);
-- another
create index on public.documents using hnsw (embedding vector_l2_ops) with (m = 16);
insert into public.documents values (1, 'a', '[1,0,0]'), (2, 'b', '[0,1,0]'), (3, 'c', '[0.9,0.1,0]');
create function public.match_documents(query vector(3), match_count int) returns table (id int, similarity float)
language sql stable as $$
    select id, 1 - (embedding <=> query) from public.documents order by embedding <=> query limit match_count
$$;
"""


def test_vectors_are_stored_and_compared(place: Clone) -> None:
    applied = apply(place, VECTOR)
    assert applied.stand_ins == stood_in(place, "vector")
    assert applied.left_out == (("documents_embedding_idx", "on documents") if applied.stand_ins else ())
    with place.connect() as owner:
        assert owner.execute("select id from public.match_documents('[1,0,0]', 2)").fetchall() == [(1,), (3,)]
        distances = "select '[1,2]'::vector <-> '[4,6]', '[1,2]'::vector <#> '[3,4]', '[1,2]'::vector <+> '[4,6]'"
        assert owner.execute(distances.encode()).fetchone() == (5, -11, 7)
        assert owner.execute("select avg(embedding)::real[] from public.documents where id < 3").fetchone() == (
            [0.5, 0.5, 0],
        )
        with pytest.raises(psycopg.errors.DataException, match="expected 3 dimensions, not 2"):
            owner.execute("insert into public.documents values (4, 'd', '[1,0]')")


OUTSIDE = """
create schema if not exists hooks;
create extension if not exists pg_net with schema extensions;
create extension if not exists http with schema extensions;
create extension if not exists pg_cron;
grant usage on schema cron to postgres;
select cron.schedule('nightly', '0 3 * * *', 'delete from public.notes');
select cron.unschedule('nightly');
create table public.notes (id int);
create function hooks.f() returns trigger language plpgsql security definer as $$
begin
    perform net.http_post(url := 'https://example.org', body := '{"a": 1}'::jsonb);
    return new;
end $$;
create trigger t after insert on public.notes for each row execute function hooks.f();
create trigger hook after insert on public.notes for each row
execute function supabase_functions.http_request('https://example.org', 'POST', '{}', '{}', '1000');
insert into public.notes values (1);
"""


def test_no_request_leaves_the_database(place: Clone) -> None:
    applied = apply(place, OUTSIDE)
    assert applied.stand_ins == stood_in(place, "pg_net", "http", "pg_cron")
    with place.connect() as owner:
        assert one(owner, "select url from net.http_request_queue") == "https://example.org"
        assert one(owner, "select count(*) from supabase_functions.hooks") == 1
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="the stand-in for pg_net cannot do"):
            owner.execute("select net.http_collect_response(1)")
        if "http" in applied.stand_ins:
            asked = "select status, content from extensions.http_get('https://example.org/?q=' || urlencode('a b'))"
            assert owner.execute(asked).fetchone() == (200, None)


EVERYTHING_ELSE = """
create extension if not exists pgjwt with schema extensions;
create extension if not exists pg_jsonschema with schema extensions;
create extension if not exists pgmq;
create extension pgsodium with schema pgsodium;
create extension if not exists "supabase_vault" with schema vault cascade;
create extension if not exists pg_graphql with schema graphql;
create extension if not exists pg_stat_statements with schema extensions;
create extension if not exists moddatetime schema extensions;
create extension if not exists pg_trgm; create extension if not exists unaccent; create extension if not exists citext;
create extension if not exists btree_gist; create extension if not exists hypopg; create extension index_advisor;
create extension if not exists postgis with schema extensions;
comment on extension pgjwt is 'JSON Web Token API';
alter extension pgjwt update;
drop extension if exists pgjwt, nowhere cascade;
create extension pgjwt with schema public;
alter extension pgjwt set schema extensions;
create table public.places (
    id int, name citext, updated_at timestamptz, data json,
    location extensions.geography(point, 4326),
    constraint data_check check (extensions.json_matches_schema('{"type": "object", "required": ["a"]}', data))
);
create index places_geo on public.places using gist (location);
create index places_name on public.places using gin ((name::text) gin_trgm_ops);
create trigger handle_updated_at before update on public.places
for each row execute procedure extensions.moddatetime(updated_at);
insert into public.places (id, name, data, location) values (1, 'Zürich', '{"a": 1}', 'POINT(8.5 47.4)');
select vault.create_secret('s', 'name');
select pgmq.create('tasks');
select pgmq.send('tasks', '{"n": 1}');
"""


def test_the_extensions_of_the_platform_are_there(place: Clone) -> None:
    applied = apply(place, EVERYTHING_ELSE)
    names = (
        "pgjwt pg_jsonschema pgmq pgsodium supabase_vault pg_graphql pg_stat_statements moddatetime pg_trgm unaccent "
        "citext btree_gist hypopg index_advisor postgis"
    )
    assert applied.stand_ins == stood_in(place, *names.split())
    assert applied.left_out == (("places_geo",) if "postgis" in applied.stand_ins else ())
    with place.connect() as owner:
        assert one(owner, "select message from pgmq.read('tasks', 30, 1)") == {"n": 1}
        assert owner.execute("select * from pgmq.read('tasks', 30, 1)").fetchall() == []
        token = one(owner, """select extensions.sign('{"sub":"1234567890"}', 'secret')""")
        assert one(owner, "select valid from extensions.verify(%s, 'secret')", [token])
        assert one(owner, "select valid from extensions.verify(%s, 'other')", [token]) is False
        owner.execute("update public.places set id = 2")
        assert one(owner, "select updated_at is not null from public.places where name = 'ZÜRICH'")
        assert "errors" in one(owner, "select graphql_public.graphql(query => '{ a }')")
        if "postgis" in applied.stand_ins:
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="the stand-in for postgis cannot do"):
                owner.execute("select st_distance(location, location) from public.places")
            with pytest.raises(psycopg.errors.CheckViolation):
                owner.execute("insert into public.places (data) values ('{}')")


def test_a_block_may_make_an_extension_and_one_that_fails_is_the_blocks_to_handle(place: Clone) -> None:
    applied = apply(
        place,
        "do $$ begin if not exists (select from pg_extension where extname = 'pg_cron') then\n"
        "create extension pg_cron; end if; end $$;\n"
        "do $$ begin create extension if not exists plv8; exception when others then null; end $$;\n",
    )
    assert applied.stand_ins == ("pg_cron",)


def test_a_language_has_no_stand_in_and_the_error_names_it(place: Clone) -> None:
    if "plv8" in place.server.extensions():
        pytest.skip("this server has plv8")
    with pytest.raises(MigrationError, match="there is no stand-in for plv8"):
        apply(place, "create extension plv8;")


def test_an_extension_twice_is_the_servers_own_error(place: Clone) -> None:
    with pytest.raises(MigrationError, match=r'extension "pg_net" already exists \(SQLSTATE 42710\)'):
        apply(place, "create extension pg_net;\ncreate extension pg_net;\n")


def test_nobody_gets_at_the_rights_that_extensions_are_made_with(place: Clone) -> None:
    with place.connect() as owner:
        for statement in (
            "insert into pgassay.stand_ins values ('mine', 'alter role postgres superuser')",
            "select pgassay.make_stand_in('vector', 'public')",
            "select pgassay.create_extension('file_fdw', 'public', 'public')",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)):
                owner.execute(statement.encode())
        with owner.as_user(uuid4()), pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("select pgassay.create_extension('pg_net', 'public', 'public')")


def test_the_name_of_a_schema_does_not_get_into_the_bodies_of_functions(place: Clone) -> None:
    schema = '"x$$; alter role postgres superuser; --"'
    for statement in (
        f"create extension pg_jsonschema with schema {schema};",
        f"create extension pgjwt; alter extension pgjwt set schema {schema};",
    ):
        with pytest.raises(MigrationError, match="may not have any of"):
            apply(place, f"create schema {schema}; {statement}")
    with place.connect() as owner:
        assert one(owner, "select rolsuper from pg_roles where rolname = current_user") is False


STAND_INS = sorted(file.stem for file in (Path(__file__).parents[2] / "sql/supabase/extensions").glob("*.sql"))


@pytest.mark.parametrize("name", [name for name in STAND_INS if name != "plv8"])
def test_a_stand_in_can_be_made_moved_and_dropped(bare_admin: Session, name: str) -> None:
    """Also of what this server has."""
    objects = "select (select count(*) from pg_proc) + (select count(*) from pg_type) + (select count(*) from pg_class)"
    with bare_admin.example():
        bare_admin.execute(f'drop extension if exists "{name}" cascade; create schema elsewhere'.encode())
        before = one(bare_admin, objects)
        bare_admin.execute("select pgassay.make_stand_in(%s, 'public')", [name])
        assert one(bare_admin, "select pgassay.stand_ins_among(%s)", [[name]]) == [name]
        bare_admin.execute("select pgassay.move_extension(%s, 'elsewhere')", [name])
        bare_admin.execute(f'drop extension "{name}"'.encode())
        assert one(bare_admin, objects) == before


@pytest.mark.parametrize(
    ("name", "expression", "value"),
    [
        ("pgcrypto", "encode(digest('abc', 'sha1'), 'hex')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "pgcrypto",
            "encode(hmac('what do ya want for nothing?', 'Jefe', 'sha256'), 'hex')",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("uuid-ossp", "uuid_generate_v5(uuid_ns_dns(), 'python.org')::text", "886313e1-3b8a-5372-9b90-0c9aee199e5d"),
        ("uuid-ossp", "uuid_generate_v3(uuid_ns_dns(), 'python.org')::text", "6fa459ea-ee8a-3ca4-894e-db77e160355e"),
        ("citext", "'Abc'::citext = 'aBC'::citext and 'Abc'::citext like 'a%%'", True),
        ("hstore", "('a=>1, \"b c\"=>NULL'::hstore || hstore('d', 'e')) -> 'd'", "e"),
        ("hstore", "akeys('a=>1, \"b c\"=>NULL'::hstore)", ["a", "b c"]),
        ("ltree", "'a.b'::ltree @> 'a.b.c'::ltree and not 'a.c'::ltree @> 'a.b.c'::ltree", True),
        ("ltree", "subpath('a.b.c.d'::ltree, 1, 2)::text", "b.c"),
        ("ltree", "subpath('a.b.c.d'::ltree, 0, -1)::text", "a.b.c"),
        ("unaccent", "unaccent('Crème brûlée, Straße')", "Creme brulee, Strasse"),
        ("pg_trgm", "round(similarity('word', 'two words')::numeric, 2)::float", 0.36),
        ("pg_trgm", "show_trgm('ab')", ["  a", " ab", "ab "]),
        ("vector", "('[1,2]'::vector + '[3,4]'::vector)::real[]", [4, 6]),
        ("vector", "vector_dims('[1,2,3]'::vector)", 3),
        ("postgis", "st_x(st_setsrid(st_makepoint(1.5, 2), 4326)) + st_y('POINT(1 2)')", 3.5),
        (
            "pg_jsonschema",
            """jsonb_matches_schema('{"properties": {"a": {"type": "integer"}}}', '{"a": 1.5}')""",
            False,
        ),
        ("pg_jsonschema", """jsonb_matches_schema('{"items": {"enum": ["x"]}, "minItems": 1}', '["x"]')""", True),
    ],
)
def test_a_stand_in_gives_what_the_extension_gives(
    bare_admin: Session, name: str, expression: str, value: object
) -> None:
    with bare_admin.example():
        bare_admin.execute(f'drop extension if exists "{name}" cascade'.encode())
        bare_admin.execute("select pgassay.make_stand_in(%s, 'public')", [name])
        assert one(bare_admin, f"select {expression}", []) == value


def test_a_dump_that_empties_the_path_can_make_what_is_always_in_a_schema_of_its_own(place: Clone) -> None:
    applied = apply(
        place,
        "select pg_catalog.set_config('search_path', '', false);\n"
        "create extension if not exists pg_tle;\ncreate extension if not exists pgmq;\n"
        "create extension pg_stat_statements;\n",
    )
    assert applied.stand_ins == stood_in(place, "pg_tle", "pgmq", "pg_stat_statements")
    with place.connect() as owner:
        homes = "select extname, extnamespace::regnamespace::text from pg_extension where extname = any(%s) order by 1"
        assert owner.execute(homes, [["pg_tle", "pgmq", "pg_stat_statements"]]).fetchall() == [
            ("pg_stat_statements", "extensions"),
            ("pg_tle", "pgtle"),
            ("pgmq", "pgmq"),
        ]


def test_a_schema_that_is_there_already_takes_the_extension_that_belongs_in_it(place: Clone) -> None:
    apply(
        place,
        "create schema pgmq; create extension pgmq with schema pgmq;\n"
        "create schema if not exists pgsodium; create extension if not exists pgsodium schema pgsodium;\n"
        "select pgmq.create('jobs'); select pgmq.send('jobs', '{}'); drop extension pgmq cascade;\n",
    )
    with place.connect() as owner:
        assert one(owner, "select to_regnamespace('pgmq') is not null and to_regclass('pgmq.meta') is null")
        assert one(owner, "select to_regclass('pgsodium.key') is not null")


DBDEV = """
create extension if not exists http with schema extensions;
create extension if not exists pg_tle;
drop extension if exists "supabase-dbdev";
select pgtle.uninstall_extension_if_exists('supabase-dbdev');
select http_set_curlopt('CURLOPT_TIMEOUT_MS', '5000');
select pgtle.install_extension(
    'supabase-dbdev', resp.contents ->> 'version', 'PostgreSQL package manager', resp.contents ->> 'sql'
)
from http((
    'GET',
    'https://api.database.dev/rest/v1/package_versions?select=sql,version&package_name=eq.supabase-dbdev',
    array[('apiKey', 'a key')::http_header], null, null
)) x, lateral (select ((row_to_json(x) -> 'content') #>> '{}')::json -> 0) resp (contents);
create extension "supabase-dbdev";
select dbdev.install('supabase-dbdev');
drop extension if exists "supabase-dbdev";
create extension "supabase-dbdev";
select dbdev.install('basejump-supabase_test_helpers');
create extension "basejump-supabase_test_helpers" version '0.0.6';
select pgtle.install_extension('ours', '1.0', 'of our own', $$
create function triple(int) returns int language sql immutable as 'select $1 * 3';
$$);
create extension ours with schema extensions;
"""


def test_what_comes_by_pg_tle_is_made_as_the_owner_and_database_dev_has_nothing(place: Clone) -> None:
    if "http" in place.server.extensions() or "pg_tle" in place.server.extensions():
        pytest.skip("this server would ask database.dev")
    applied = apply(place, DBDEV)
    assert applied.stand_ins == ("basejump-supabase_test_helpers", "http", "ours", "pg_tle", "supabase-dbdev")
    with place.connect() as owner:
        assert one(owner, "select extensions.triple(4)") == 12
        assert one(owner, "select proowner::regrole::text = current_user from pg_proc where proname = 'triple'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), owner.as_user(uuid4()):
            owner.execute("select pgassay.keep_package('mine', 'alter role postgres superuser')")


def test_a_script_for_pg_tle_has_no_more_rights_than_its_author(place: Clone) -> None:
    with pytest.raises(MigrationError, match=r"permission denied|must be superuser"):
        apply(
            place,
            "create extension pg_tle;\n"
            "select pgtle.install_extension('evil', '1', '', 'alter role postgres superuser');\n"
            "create extension evil;\n",
        )


@pytest.mark.parametrize(
    "text",
    [
        "alter role {role} set pgrst.db_pre_request to 'public.pre';",
        "alter role {role} set pgrst.db_schemas = 'public, api';\nnotify pgrst, 'reload config';",
        "alter user {role} set pgrst.db_aggregates_enabled = 'true';",
        "do $$ begin execute 'alter role {role} set pgrst.db_max_rows = ''100'' '; end $$;",
        "alter role {role} set auto_explain.log_min_duration = 10;",
        "alter role {role} set log_min_duration_statement = 100;",
        "set session_replication_role = replica;\nset session_replication_role = 'origin';",
        "begin; set local session_replication_role = 'replica'; commit;",
        "do $$ begin set local session_replication_role = replica; end $$;",
    ],
)
def test_a_setting_that_the_platform_lets_the_owner_give_can_be_given(place: Clone, text: str) -> None:
    if not place.server.ours or not place.server.superuser:
        pytest.skip("the owner gets no settings on a server that is not ours")
    role = f"role_{uuid4().hex}"
    try:
        assert apply(place, f"create role {role};\n{text.format(role=role)}").refused == ()
        with place.connect() as owner:
            given = "select count(*) = 1 from pg_db_role_setting where setrole = to_regrole(%s)"
            assert one(owner, given, [role]) == ("{role}" in text)
    finally:
        with place.connect_as_admin() as admin:
            admin.execute(f"drop role if exists {role}".encode())


def test_a_setting_of_the_applications_own_is_given_and_noted(place: Clone) -> None:
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    with place.connect() as owner:
        name = one(owner, "select current_database()")
    applied = apply(place, f"""select 1;\nalter database "{name}" set "app.settings.jwt_secret" to 'a secret';""")
    assert applied.refused == ((2, "setting app.settings.jwt_secret"),)
    with place.connect() as owner:
        assert one(owner, "select current_setting('app.settings.jwt_secret')") == "a secret"


@pytest.mark.parametrize(
    "text",
    [
        "alter role supabase_admin set pgrst.db_schemas = 'x';",
        "alter role authenticator set session_preload_libraries = 'x';",
        "alter role authenticator set plperl.on_init = 'x';",
        "alter database template1 set app.x = 'y';",
    ],
)
def test_no_more_settings_than_that(place: Clone, text: str) -> None:
    with pytest.raises(MigrationError, match=r"permission denied|must be|only the settings of this"):
        apply(place, text)


AUTO_RLS = """
create function public.%(name)s() returns event_trigger language plpgsql%(rights)s set search_path = 'pg_catalog' as $$
declare made record;
begin
    for made in select * from pg_event_trigger_ddl_commands() where command_tag = 'CREATE TABLE' loop
        execute format('alter table %%s enable row level security', made.object_identity);
    end loop;
end%(end)s$$;
%(made)s
create table public.afterwards (id int);
"""
MADE = [
    "create event trigger t on ddl_command_end execute function public.secure();",
    "create event trigger t on ddl_command_end when tag in ('CREATE TABLE') execute procedure secure();\n"
    "alter event trigger t owner to postgres; comment on event trigger t is 'secures';",
    "do $$ begin if not exists (select from pg_event_trigger where evtname = 't') then\n"
    "create event trigger t on ddl_command_end execute function public.secure(); end if; end $$;",
]


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("rights", ["", " security definer"])
@pytest.mark.parametrize("end", [";\n", " -- a comment\n"])
def test_an_event_trigger_of_the_projects_fires_for_its_owner(place: Clone, made: str, rights: str, end: str) -> None:
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    apply(place, AUTO_RLS % {"name": "secure", "rights": rights, "end": end, "made": made})
    secured = "select relrowsecurity from pg_class where oid = 'public.afterwards'::regclass"
    with place.connect() as owner:
        assert one(owner, secured)
        owner.execute("drop table public.afterwards")
    again = "alter event trigger t disable; create table public.afterwards (id int); drop event trigger t;"
    apply(place, again)
    with place.connect() as owner:
        assert not one(owner, secured)
        assert one(owner, "select count(*) from pg_event_trigger where evtname = 't'") == 0


def test_a_function_of_an_event_trigger_that_is_replaced_is_what_is_called(place: Clone) -> None:
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    apply(place, AUTO_RLS % {"name": "secure", "rights": "", "end": ";\n", "made": MADE[0]})
    apply(
        place,
        "create or replace function public.secure() returns event_trigger language plpgsql as\n"
        "$$ begin raise exception 'no more tables' using errcode = 'PT409'; end $$;",
    )
    with pytest.raises(MigrationError, match="no more tables"):
        apply(place, "create table public.more (id int);")


def test_an_event_trigger_never_has_the_rights_of_a_superuser(place: Clone) -> None:
    """Not even where its owner takes SECURITY DEFINER back, or makes its function anew."""
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    apply(
        place,
        "create table public.seen (who text);\n"
        "create function public.spy() returns event_trigger language plpgsql security definer as\n"
        "$$ begin insert into public.seen values (current_user); end $$;\n"
        "create event trigger t on ddl_command_end execute function public.spy();\n"
        "alter function public.spy() security invoker;\n"
        "create extension pg_net;\n",
    )
    with place.connect() as owner:
        wrapper = one(owner, "select evtfoid::regprocedure::text from pg_event_trigger where evtname = 't'")
        owner.execute(f"alter function {wrapper} security invoker".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(
                f"create or replace function {wrapper} returns event_trigger language plpgsql as 'begin end'".encode()
            )
    with place.connect_as_admin() as admin:
        admin.execute("create table public.of_the_admin (id int)")
        assert admin.execute("select count(*) from public.seen where who = session_user").fetchone() == (0,)
    with place.connect() as owner:
        for called in ("pg_catalog.version()", "auth.uid()"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction)):
                owner.execute(
                    "select pgassay.create_event_trigger('u', 'ddl_command_end', null, to_regprocedure(%s))", [called]
                )


WRAPPERS = """
create extension if not exists wrappers with schema extensions;
create foreign data wrapper stripe_wrapper handler stripe_fdw_handler validator stripe_fdw_validator;
create server stripe_server foreign data wrapper stripe_wrapper options (api_key_name 'stripe');
create schema stripe;
create foreign table stripe.customers (id text, email text) server stripe_server options (object 'customers');
import foreign schema stripe limit to ("accounts") from server stripe_server into stripe;
alter foreign data wrapper stripe_wrapper owner to postgres;
create extension if not exists postgres_fdw with schema extensions;
create server legacy foreign data wrapper postgres_fdw options (host 'db.example.invalid', dbname 'legacy');
create user mapping for postgres server legacy options (user 'u', password 'p');
create foreign table public.legacy_orders (id int) server legacy options (table_name 'orders');
create extension dblink with schema extensions;
"""


def test_foreign_data_wrappers_and_what_hangs_on_them_are_made(place: Clone) -> None:
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    applied = apply(place, WRAPPERS)
    assert applied.stand_ins == stood_in(place, "wrappers", "postgres_fdw", "dblink")
    assert applied.without == ("foreign schema stripe",)
    with place.connect() as owner:
        assert one(owner, "select count(*) from pg_foreign_table") == 2
    apply(place, "drop foreign data wrapper if exists stripe_wrapper cascade;")


DBLINK = """
create extension dblink with schema extensions;
select extensions.dblink_connect('far', 'host=far.invalid');
select t.id from extensions.dblink('far', 'select id from orders') as t (id integer);
select extensions.dblink_exec('host=near.invalid', 'delete from orders');
"""


def test_what_is_asked_by_dblink_is_written_down_and_nothing_comes_back(place: Clone) -> None:
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    assert apply(place, DBLINK).stand_ins == ("dblink",)
    with place.connect_as_admin() as admin:
        assert admin.execute("select connection, statement from extensions.pgassay_dblink_calls").fetchall() == [
            ("host=far.invalid", None),
            ("far", "select id from orders"),
            ("host=near.invalid", "delete from orders"),
        ]
        assert admin.execute("select from extensions.dblink('far', 'select 1') as t (n integer)").rowcount == 0


def test_the_publication_of_the_platform_can_be_made_and_one_of_all_tables(place: Clone) -> None:
    if not place.server.superuser:
        pytest.skip("the user of this server is no superuser")
    apply(
        place,
        "create table public.messages (id int primary key);\n"
        "create publication supabase_realtime with (publish = 'insert, update');\n"
        'alter publication supabase_realtime owner to "postgres";\n'
        "alter publication supabase_realtime add table public.messages;\n"
        "create publication everything for all tables with (publish = 'insert');\n"
        "create publication of_a_schema for tables in schema public;\n",
    )
    with place.connect() as owner:
        assert owner.execute(
            "select pubname::text, puballtables, pubinsert, pubdelete from pg_publication order by pubname"
        ).fetchall() == [
            ("everything", True, True, False),
            ("of_a_schema", False, True, True),
            ("supabase_realtime", False, True, False),
        ]
        assert one(owner, "select tablename::text from pg_publication_tables where pubname = 'supabase_realtime'")
    with pytest.raises(MigrationError, match="already exists"):
        apply(place, "create publication supabase_realtime;")


PGROONGA = """
create extension if not exists pgroonga with schema extensions;
create table public.memos (id int primary key, content text, tags text[]);
create index memos_content on public.memos using pgroonga (content);
create index memos_other on public.memos using pgroonga (content extensions.pgroonga_text_full_text_search_ops_v2);
insert into public.memos values (1, 'PostgreSQL is a database', '{a}'), (2, 'Groonga is fast', '{b}');
create function public.search(q text) returns setof public.memos language sql stable as $$
    select * from public.memos where content &@~ q order by pgroonga_score(tableoid, ctid) desc
$$;
create extension pg_hashids with schema extensions;
create table public.links (id bigint generated always as identity primary key, slug text generated always as
    (extensions.id_encode(5, 'salt')) stored);
create extension pg_stat_monitor; create extension pg_session_jwt; create extension timescaledb;
create extension "pgrouting"; create extension if not exists hypopg; create extension if not exists index_advisor;
security label for pgsodium on column public.memos.content is 'ENCRYPT WITH KEY ID 1';
"""


def test_an_index_of_a_method_that_is_not_there_is_left_out_and_its_operators_search(place: Clone) -> None:
    if "pgroonga" in place.server.extensions():
        pytest.skip("this server has pgroonga")
    applied = apply(place, PGROONGA)
    assert set(applied.stand_ins) >= {"pgroonga", "pg_hashids", "pg_stat_monitor", "pg_session_jwt", "timescaledb"}
    assert applied.left_out == ("memos_content", "memos_other")
    assert applied.without == ("security label of pgsodium",)
    with place.connect() as owner:
        assert owner.execute("select id from public.search('groonga')").fetchall() == [(2,)]
        assert one(owner, "select extensions.id_decode(extensions.id_encode(1001))") == [1001]
        someone = uuid4()
        with owner.as_user(someone):
            assert one(owner, "select auth.user_id()") == str(someone)


def test_an_index_that_is_wrong_without_any_extension_is_an_error(place: Clone) -> None:
    with pytest.raises(MigrationError, match="does not exist"):
        apply(place, "create table public.a (t text); create index on public.a using btree (t text_patern_ops);")


REFUSED = [
    (
        "create or replace function auth.my_role() returns text language sql as $$ select 'a' $$;",
        "function auth.my_role",
    ),
    ("create table storage.thumbnails (id int);", "table storage.thumbnails"),
    ("create view auth.admins as select id from auth.users;", "view auth.admins"),
    ("alter table auth.users add column nick text;", "alter table auth.users"),
    ("alter table storage.objects enable row level security;", "alter table storage.objects"),
    ("create index on auth.users (created_at);", "index on auth.users"),
    ("create type auth.kind as enum ('a');", "type auth.kind"),
    ("comment on table storage.objects is 'files';", "comment on storage.objects"),
    ("do $$ begin alter table auth.users add column nick text; end $$;", "alter table auth.users"),
]


@pytest.mark.parametrize(("text", "what"), REFUSED)
def test_what_the_platform_refuses_today_is_applied_and_noted(place: Clone, text: str, what: str) -> None:
    if not place.server.ours:
        pytest.skip("the owner does not act for the platform's roles on a server that is not ours")
    assert apply(place, f"select 1;\n{text}").refused == ((2, what),)


def test_what_the_platform_takes_is_not_noted(place: Clone) -> None:
    applied = apply(
        place,
        SIGN_UP + STORAGE + "create function public.auth() returns int language sql as 'select 1';\n"
        "alter table public.profiles enable row level security; grant select on auth.users to service_role;\n"
        "comment on table public.profiles is 'people';",
    )
    assert applied.refused == ()


def test_tests_in_sql_find_pgtaps_assertions(place: Clone) -> None:
    if "pgtap" in place.server.extensions():
        pytest.skip("this server has pgtap")
    apply(place, "create extension pgtap with schema extensions; create table public.a (id int);")
    with place.connect() as owner, owner.transaction():
        said = [
            one(owner, f"select {call}", [])
            for call in (
                "plan(6)",
                "ok(true, 'fine')",
                "is(1, 2, 'equal')",
                "throws_ok('select 1/0', '22012', null, 'divides')",
                "results_eq('select 1', array[1], 'rows')",
                "is_empty('select * from public.a', 'nothing')",
                "has_table('public', 'a', 'there')",
            )
        ]
        assert [line.split("\n")[0] for line in said] == [
            "1..6",
            "ok 1 - fine",
            "not ok 2 - equal",
            "ok 3 - divides",
            "ok 4 - rows",
            "ok 5 - nothing",
            "ok 6 - there",
        ]
        assert owner.execute("select * from finish()").fetchall() == [("# Looks like you failed 1 test of 6",)]
