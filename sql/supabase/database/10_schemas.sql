-- The platform's schemas, who may look into them, and the search path.

create schema extensions;
create schema auth;
create schema storage;
create schema realtime;
create schema vault;
create schema cron;
create schema graphql;
create schema graphql_public;
create schema supabase_functions;

grant usage on schema public, extensions, auth, storage, realtime, graphql, graphql_public, supabase_functions
to anon, authenticated, service_role;
grant usage on schema vault to service_role;

do $$
begin
    execute format(
        'alter database %I set search_path to "$user", public, extensions',
        current_database()
    );
end;
$$;
