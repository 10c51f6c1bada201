-- The platform's roles, shared by all databases of a server. Leaves out passwords, the services' powers and supautils.

-- A role that exists already is never altered, nor made a member of anything: it may serve somebody else's database.
do $$
declare
    wanted record;
    made text[] := '{}';
begin
    for wanted in
        select v.name, v.attributes
        from (
            values
            ('anon', 'nologin inherit'),
            ('authenticated', 'nologin inherit'),
            ('service_role', 'nologin inherit bypassrls'),
            ('authenticator', 'login noinherit'),
            ('supabase_admin', 'nologin inherit'),
            ('supabase_auth_admin', 'nologin noinherit'),
            ('supabase_storage_admin', 'nologin noinherit'),
            ('supabase_realtime_admin', 'nologin noinherit'),
            ('supabase_replication_admin', 'nologin inherit'),
            ('supabase_read_only_user', 'nologin inherit'),
            ('dashboard_user', 'nologin inherit'),
            ('pgbouncer', 'nologin inherit'),
            ('postgres', 'login inherit nosuperuser bypassrls createrole createdb')
        ) as v (name, attributes)
        where not exists (select from pg_catalog.pg_roles as r where r.rolname = v.name)
    loop
        execute format('create role %I %s', wanted.name, wanted.attributes);
        made := made || wanted.name;
    end loop;

    if 'anon' = any(made) then
        alter role anon set statement_timeout = '3s';
    end if;

    if 'authenticated' = any(made) then
        alter role authenticated set statement_timeout = '8s';
    end if;

    if 'authenticator' = any(made) then
        alter role authenticator set statement_timeout = '8s';
        alter role authenticator set lock_timeout = '8s';
        grant anon, authenticated, service_role to authenticator;
    end if;

    if 'postgres' = any(made) then
        -- since PostgreSQL 16, CREATEROLE manages only the roles that it has ADMIN OPTION on
        grant anon, authenticated, service_role, authenticator to postgres with admin option;

        -- stands in for supautils, which lets the migrating role write policies and drop triggers on these roles' tables
        if 'supabase_auth_admin' = any(made) then
            grant supabase_auth_admin to postgres;
        end if;

        if 'supabase_storage_admin' = any(made) then
            grant supabase_storage_admin to postgres;
        end if;

        if 'supabase_realtime_admin' = any(made) then
            grant supabase_realtime_admin to postgres;
        end if;
    end if;
end;
$$;
