-- What the platform lets the migrating role do although PostgreSQL wants a superuser for it: supautils, stood in for.

-- The functions that event triggers call in place of the project's own. Those would have the rights of whoever changes
-- the schema, a superuser too; these do nothing for one. Nobody may replace them: who owns one may not create here.
create function pgassay.follow_event_triggers() returns void
language plpgsql security definer
set search_path = ''
as $$
declare
    called record;
    wrapper text;
    body text;
begin
    for called in
        select p.oid, p.prosrc, p.proowner, p.prosecdef, p.proconfig
        from pg_catalog.pg_proc as p
        inner join pg_catalog.pg_language as l on p.prolang = l.oid
        where
            p.prorettype = 'pg_catalog.event_trigger'::pg_catalog.regtype
            and l.lanname = 'plpgsql'
            and exists (
                select from pg_catalog.pg_event_trigger as t
                where t.evtfoid = pg_catalog.to_regprocedure(format('pgassay.event_trigger_%s()', p.oid))
            )
    loop
        wrapper := format('event_trigger_%s', called.oid);
        body := 'begin if (select r.rolsuper from pg_catalog.pg_roles as r '
        'where r.rolname operator(pg_catalog.=) current_user) then return; end if;'
        || called.prosrc;

        -- a body ends with a semicolon or without one, and perhaps with a comment
        begin
            execute format(
                'create or replace function pgassay.%I() returns event_trigger language plpgsql as %L',
                wrapper, body || E'\n; end'
            );
        exception
            when syntax_error then
                execute format(
                    'create or replace function pgassay.%I() returns event_trigger language plpgsql as %L',
                    wrapper, body || E'\nend'
                );
        end;

        execute format('alter function pgassay.%I() owner to %s', wrapper, called.proowner::pg_catalog.regrole);

        update pg_catalog.pg_proc as p
        set prosecdef = called.prosecdef, proconfig = called.proconfig
        where p.oid = pg_catalog.to_regprocedure(format('pgassay.%I()', wrapper));
    end loop;
end;
$$;

-- CREATE EVENT TRIGGER.
create function pgassay.create_event_trigger(trigger_name text, event_name text, tags text[], called regprocedure)
returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if not exists (
        select
        from pg_catalog.pg_proc as p
        inner join pg_catalog.pg_language as l on p.prolang = l.oid
        where
            p.oid = called
            and p.prorettype = 'pg_catalog.event_trigger'::pg_catalog.regtype
            and l.lanname = 'plpgsql'
            and pg_catalog.pg_has_role(session_user, p.proowner, 'usage')
    ) then
        raise exception 'an event trigger calls a function of its owner''s in PL/pgSQL that returns event_trigger'
        using errcode = 'insufficient_privilege';
    end if;

    -- made before the trigger, and filled after it
    execute format(
        'create or replace function pgassay.%I() returns event_trigger language plpgsql as %L',
        'event_trigger_' || called::oid, 'begin end'
    );
    execute format('create event trigger %I on %I ', trigger_name, event_name)
    || coalesce(
        'when tag in (' || (select string_agg(quote_literal(t.tag), ', ') from unnest(tags) as t (tag)) || ') ',
        ''
    )
    || format('execute function pgassay.%I()', 'event_trigger_' || called::oid);

    perform pgassay.follow_event_triggers();
end;
$$;

-- Whether an event trigger was made by the function above.
create function pgassay.is_own_event_trigger(trigger_name text) returns boolean
language sql stable security definer
set search_path = ''
as $$
select exists (
    select
    from pg_catalog.pg_event_trigger as t
    inner join pg_catalog.pg_proc as p on t.evtfoid = p.oid
    where
        t.evtname = trigger_name
        and p.pronamespace = 'pgassay'::pg_catalog.regnamespace
        and starts_with(p.proname, 'event_trigger_')
)
$$;

-- ALTER EVENT TRIGGER … ENABLE or DISABLE; "how" is as pg_event_trigger has it.
create function pgassay.switch_event_trigger(trigger_name text, how text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if not pgassay.is_own_event_trigger(trigger_name) then
        raise exception 'event trigger "%" does not exist', trigger_name using errcode = 'undefined_object';
    end if;

    execute format('alter event trigger %I ', trigger_name)
    || case how when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' else 'enable' end;
end;
$$;

create function pgassay.comment_on_event_trigger(trigger_name text, words text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if pgassay.is_own_event_trigger(trigger_name) then
        execute format('comment on event trigger %I is %L', trigger_name, words);
    end if;
end;
$$;

create function pgassay.drop_event_trigger(trigger_name text, if_exists boolean) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if pgassay.is_own_event_trigger(trigger_name) then
        execute format('drop event trigger %I', trigger_name);
    elsif if_exists then
        raise notice 'event trigger "%" does not exist, skipping', trigger_name;
    else
        raise exception 'event trigger "%" does not exist', trigger_name using errcode = 'undefined_object';
    end if;
end;
$$;

-- CREATE FOREIGN DATA WRAPPER: with its handler where an extension has brought that, else without one.
create function pgassay.create_wrapper(wrapper_name text, handler regprocedure, validator regprocedure) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
    handles text;
    validates text;
begin
    select p.oid::pg_catalog.regproc into handles
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_depend as d
        on d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
    where p.oid = handler and p.prorettype = 'pg_catalog.fdw_handler'::pg_catalog.regtype;

    select p.oid::pg_catalog.regproc into validates
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_depend as d
        on d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
    where p.oid = validator and handles is not null;

    execute format('create foreign data wrapper %I', wrapper_name)
    || coalesce(' handler ' || handles, '') || coalesce(' validator ' || validates, '');
    execute format(
        'grant usage on foreign data wrapper %I to %I with grant option',
        wrapper_name,
        (select d.datdba::pg_catalog.regrole::text from pg_catalog.pg_database as d where d.datname = current_database())
    );
end;
$$;

create function pgassay.drop_wrapper(wrapper_name text, if_exists boolean, cascades boolean) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    execute 'drop foreign data wrapper '
    || case when if_exists then 'if exists ' else '' end
    || quote_ident(wrapper_name)
    || case when cascades then ' cascade' else '' end;
end;
$$;

-- CREATE PUBLICATION and ALTER PUBLICATION … ADD, for what only a superuser may publish; null schemas: all tables.
create function pgassay.create_publication(publication_name text, schemas text[], published text) returns void
language plpgsql security definer
set search_path = ''
set client_min_messages = 'error'
as $$
begin
    execute format('create publication %I for ', publication_name)
    || coalesce(
        'tables in schema ' || (select string_agg(quote_ident(s.name), ', ') from unnest(schemas) as s (name)),
        'all tables'
    )
    || case when published is null then '' else format(' with (publish = %L)', published) end;
end;
$$;

create function pgassay.publish_schemas(publication_name text, schemas text[]) returns void
language plpgsql security definer
set search_path = ''
set client_min_messages = 'error'
as $$
begin
    execute format('alter publication %I add tables in schema ', publication_name)
    || (select string_agg(quote_ident(s.name), ', ') from unnest(schemas) as s (name));
end;
$$;

-- CREATE PUBLICATION of one that is there from the start, which is then made anew.
create function pgassay.make_room_for_publication(publication_name text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if publication_name = 'supabase_realtime' and not exists (
        select from pg_catalog.pg_publication_tables as t where t.pubname = publication_name
    ) then
        execute format('drop publication if exists %I', publication_name);
    end if;
end;
$$;

-- ALTER ROLE … SET and ALTER DATABASE … SET of settings that only a superuser may give; null role: the database.
create function pgassay.set_for(role_name text, database_name text, setting_name text, setting_value text)
returns void
language plpgsql security definer
set search_path = ''
as $$
declare
    -- of "a.b" each part is a name
    quoted constant text := (
        select string_agg(quote_ident(p.part), '.' order by p.position)
        from unnest(string_to_array(setting_name, '.')) with ordinality as p (part, position)
    );
begin
    -- a library may have its setting run what it says, as PL/Perl does
    if
        not setting_name = any(pgassay.settings_of_the_platform())
        and (
            strpos(setting_name, '.') = 0
            or exists (
                select from pg_catalog.pg_available_extensions as a
                where a.name = split_part(setting_name, '.', 1) or a.name = split_part(setting_name, '.', 1) || 'u'
            )
            or setting_name ~ '^(pl|local|session|shared)'
        )
    then
        raise exception 'permission denied to set parameter "%"', setting_name
        using errcode = 'insufficient_privilege';
    end if;

    if role_name is null and database_name is distinct from current_database() then
        raise exception 'only the settings of this database can be changed, not those of "%"', database_name
        using errcode = 'insufficient_privilege';
    end if;

    if role_name is not null and not exists (
        select from pg_catalog.pg_roles as r
        where
            r.rolname = role_name
            and not r.rolsuper
            and (
                r.rolname = session_user
                or pg_catalog.pg_has_role(session_user, r.oid, 'member')
                -- up to PostgreSQL 15, CREATEROLE is enough
                or (
                    current_setting('server_version_num')::integer < 160000
                    and (select c.rolcreaterole from pg_catalog.pg_roles as c where c.rolname = session_user)
                )
            )
    ) then
        raise exception 'permission denied to alter setting' using errcode = 'insufficient_privilege';
    end if;

    execute case
        when role_name is null then format('alter database %I', database_name)
        when database_name is null then format('alter role %I', role_name)
        else format('alter role %I in database %I', role_name, database_name)
    end
    || format(' set %s to %L', quoted, setting_value);
end;
$$;

-- The settings without a prefix that the platform lets the migrating role give.
create function pgassay.settings_of_the_platform() returns text[]
language sql immutable
set search_path = ''
return array[
    'deadlock_timeout', 'log_lock_waits', 'log_min_duration_statement', 'log_min_messages',
    'log_parameter_max_length', 'log_replication_commands', 'log_statement', 'log_temp_files',
    'session_replication_role', 'track_functions', 'track_io_timing', 'wal_compression'
];

do $$
declare
    owner constant text := coalesce(nullif(current_setting('pgassay.owner', true), ''), 'postgres');
begin
    revoke all on all functions in schema pgassay from public;
    grant execute on function pgassay.sha1(bytea) to public;

    execute format(
        'grant execute on function '
        'pgassay.follow_event_triggers(), '
        'pgassay.create_event_trigger(text, text, text[], regprocedure), '
        'pgassay.switch_event_trigger(text, text), '
        'pgassay.comment_on_event_trigger(text, text), '
        'pgassay.drop_event_trigger(text, boolean), '
        'pgassay.create_wrapper(text, regprocedure, regprocedure), '
        'pgassay.drop_wrapper(text, boolean, boolean), '
        'pgassay.create_publication(text, text[], text), '
        'pgassay.publish_schemas(text, text[]), '
        'pgassay.make_room_for_publication(text), '
        'pgassay.set_for(text, text, text, text) '
        'to %I',
        owner
    );
end;
$$;
