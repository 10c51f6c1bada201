-- What the migrating role may do, and what its objects in public give to the API roles. Leaves out supautils' hooks.

do $$
declare
    owner constant text := coalesce(nullif(current_setting('pgassay.owner', true), ''), 'postgres');
begin
    execute format('grant all on schema public to %I', owner);
    execute format('grant all on schema extensions to %I with grant option', owner);
    execute format('grant usage on schema auth, storage, realtime, graphql, graphql_public to %I', owner);
    execute format('grant usage on schema supabase_functions to %I', owner);

    -- the platform stopped this in 2025; migrations from before that put functions of their own there
    execute format('grant create on schema auth, storage, realtime to %I', owner);
    execute format('grant usage on schema vault, cron to %I with grant option', owner);

    -- enough for foreign keys and sign-up triggers; only reading may be passed on
    execute format('grant all on all tables in schema auth to %I', owner);
    execute format('grant select on all tables in schema auth to %I with grant option', owner);
    execute format('grant all on all sequences in schema auth to %I', owner);

    execute format('grant all on all tables in schema storage, realtime to %I with grant option', owner);

    execute format('grant select, delete on vault.secrets, vault.decrypted_secrets to %I with grant option', owner);
    execute format('grant execute on all functions in schema vault to %I with grant option', owner);

    execute format('grant select on cron.job to %I with grant option', owner);
    execute format('grant all on cron.job_run_details to %I with grant option', owner);

    execute format('grant all on all tables in schema supabase_functions to %I', owner);
    execute format('grant execute on function auth.uid(), auth.role(), auth.email(), auth.jwt() to %I', owner);

    -- what makes a careless table, view or function in public a leak
    execute format(
        'alter default privileges for role %I in schema public '
        'grant all on tables to %I, anon, authenticated, service_role',
        owner, owner
    );
    execute format(
        'alter default privileges for role %I in schema public '
        'grant all on sequences to %I, anon, authenticated, service_role',
        owner, owner
    );
    execute format(
        'alter default privileges for role %I in schema public '
        'grant all on routines to %I, anon, authenticated, service_role',
        owner, owner
    );
end;
$$;

-- Writing a policy takes ownership: the table goes to the platform's role if the migrating role acts for that one,
-- else to the migrating role itself, and stays where it is if the caller may not give it away.
do $$
declare
    owner constant text := coalesce(nullif(current_setting('pgassay.owner', true), ''), 'postgres');
    given record;
begin
    for given in
        select
            v.schema_name,
            v.table_name,
            case when pg_has_role(owner, v.platform_role, 'usage') then v.platform_role else owner end as new_owner
        from (
            values
            ('auth', 'users', 'supabase_auth_admin'),
            ('auth', 'identities', 'supabase_auth_admin'),
            ('auth', 'sessions', 'supabase_auth_admin'),
            ('auth', 'refresh_tokens', 'supabase_auth_admin'),
            ('auth', 'mfa_factors', 'supabase_auth_admin'),
            ('auth', 'mfa_challenges', 'supabase_auth_admin'),
            ('auth', 'mfa_amr_claims', 'supabase_auth_admin'),
            ('auth', 'audit_log_entries', 'supabase_auth_admin'),
            ('storage', 'buckets', 'supabase_storage_admin'),
            ('storage', 'objects', 'supabase_storage_admin'),
            ('realtime', 'messages', 'supabase_realtime_admin')
        ) as v (schema_name, table_name, platform_role)
    loop
        continue when given.new_owner = current_user;

        begin
            -- a caller who is not a superuser can give a table only to a role that may create one there
            execute format('grant usage, create on schema %I to %I', given.schema_name, given.new_owner);
            execute format('alter table %I.%I owner to %I', given.schema_name, given.table_name, given.new_owner);
            execute format('revoke create on schema %I from %I', given.schema_name, given.new_owner);
        exception
            when insufficient_privilege then null;
        end;
    end loop;

    -- so that migrations can add tables to it
    begin
        execute format('alter publication supabase_realtime owner to %I', owner);
    exception
        when insufficient_privilege then null;
    end;
end;
$$;
