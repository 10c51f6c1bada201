-- basejump-supabase_test_helpers: users to be in tests of SQL, and whether tables have row level security.
-- schema: tests

create schema if not exists tests;

create function tests.create_supabase_user(
    identifier text, email text default null, phone text default null, metadata jsonb default null
) returns uuid
language plpgsql security definer
set search_path = ''
as $$
declare
    made constant uuid := gen_random_uuid();
begin
    insert into auth.users (id, email, phone, raw_user_meta_data, raw_app_meta_data, aud, role)
    values (
        made,
        coalesce(email, made || '@test.com'),
        phone,
        coalesce(metadata, '{}') || jsonb_build_object('test_identifier', identifier),
        '{}',
        'authenticated',
        'authenticated'
    );

    return made;
end;
$$;

create function tests.get_supabase_user(identifier text) returns json
language plpgsql stable security definer
set search_path = ''
as $$
declare
    found json;
begin
    select json_build_object(
        'id', u.id, 'email', u.email, 'phone', u.phone,
        'raw_user_meta_data', u.raw_user_meta_data, 'raw_app_meta_data', u.raw_app_meta_data
    )
    into found
    from auth.users as u
    where u.raw_user_meta_data ->> 'test_identifier' = identifier
    limit 1;

    if found is null then
        raise exception 'User with identifier % not found', identifier;
    end if;

    return found;
end;
$$;

create function tests.get_supabase_uid(identifier text) returns uuid
language sql stable
as $$ select (tests.get_supabase_user(identifier) ->> 'id')::uuid $$;

create function tests.authenticate_as(identifier text) returns void
language plpgsql
as $$
declare
    who constant json := tests.get_supabase_user(identifier);
begin
    perform set_config('role', 'authenticated', true), set_config(
        'request.jwt.claims',
        json_build_object(
            'sub', who ->> 'id', 'role', 'authenticated', 'email', who ->> 'email', 'phone', who ->> 'phone',
            'user_metadata', who -> 'raw_user_meta_data', 'app_metadata', who -> 'raw_app_meta_data'
        )::text,
        true
    );
end;
$$;

create function tests.authenticate_as_service_role() returns void
language plpgsql
as $$
begin
    perform set_config('role', 'service_role', true), set_config('request.jwt.claims', '', true);
end;
$$;

create function tests.clear_authentication() returns void
language plpgsql
as $$
begin
    perform set_config('role', 'anon', true), set_config('request.jwt.claims', '', true);
end;
$$;

create function tests.rls_enabled(testing_schema text) returns text
language plpgsql
as $$
begin
    return is(
        (
            select count(*)::integer
            from pg_catalog.pg_class as c
            inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
            where n.nspname = testing_schema and c.relkind in ('r', 'p') and not c.relrowsecurity
        ),
        0,
        format('All tables in the %s schema should have row level security enabled', testing_schema)
    );
end;
$$;

create function tests.rls_enabled(testing_schema text, testing_table text) returns text
language plpgsql
as $$
begin
    return is(
        (
            select count(*)::integer
            from pg_catalog.pg_class as c
            inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
            where n.nspname = testing_schema and c.relname = testing_table and c.relrowsecurity
        ),
        1,
        format('Table %s in the %s schema should have row level security enabled', testing_table, testing_schema)
    );
end;
$$;

-- now() as it is called without its schema, which is looked for here first.
create schema if not exists test_overrides;

create function test_overrides.now() returns timestamptz
language sql stable
as $$ select coalesce(nullif(current_setting('tests.frozen_time', true), '')::timestamptz, pg_catalog.now()) $$;

create function tests.freeze_time(frozen_time timestamptz) returns void
language plpgsql
as $$
begin
    perform set_config('tests.frozen_time', frozen_time::text, true);

    if current_setting('search_path') !~ '^test_overrides' then
        perform set_config('search_path', 'test_overrides, ' || current_setting('search_path') || ', pg_catalog', true);
    end if;
end;
$$;

create function tests.unfreeze_time() returns void
language plpgsql
as $$
begin
    perform set_config('tests.frozen_time', '', true);
end;
$$;

grant usage on schema tests, test_overrides to public;
