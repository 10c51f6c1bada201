-- How extensions get into a database: the server's own, else a stand-in from extensions/. Comes before database/.

-- A stand-in is entered into pg_extension with the version "stand-in": IF NOT EXISTS, DROP EXTENSION, and queries of
-- the catalog then work as for any other. Its objects belong to whoever made this schema, as those of others do.
create schema pgassay;

grant usage on schema pgassay to public;

create table pgassay.stand_ins (
    name text not null,
    script text not null,
    -- the schema that the control file of the extension names, which it then is in
    home text,
    -- without a superuser there is no entry in pg_extension
    made boolean not null default false,
    constraint stand_ins_pkey primary key (name)
);

-- What was handed to pg_tle or to database.dev: of an extension without a script, nothing is there.
create table pgassay.packages (
    name text not null,
    script text,
    constraint packages_pkey primary key (name)
);

revoke all on pgassay.stand_ins, pgassay.packages from public;

-- Whether a statement about this extension goes through the functions below, and not to the server as it is.
create function pgassay.takes(extension_name text) returns boolean
language sql stable security definer
set search_path = ''
as $$
select
    -- those that the environment has already, or that would reach out of the database
    extension_name in ('dblink', 'pg_cron', 'pg_net', 'supabase_vault')
    or exists (
        select
        from pg_catalog.pg_extension as e
        inner join pg_catalog.pg_database as d on d.datname = current_database()
        where
            e.extname = extension_name
            and (e.extversion = 'stand-in' or not pg_has_role(d.datdba, e.extowner, 'usage'))
            and e.extname <> 'plpgsql'
    )
    or case
        when exists (select from pg_catalog.pg_available_extensions as a where a.name = extension_name)
            -- stands in for supautils, which makes these as a superuser
            then extension_name = any(array[
                'address_standardizer', 'address_standardizer_data_us', 'amcheck', 'autoinc', 'bloom', 'dblink',
                'dict_xsyn', 'earthdistance', 'http', 'hypopg', 'index_advisor', 'insert_username', 'intagg',
                'moddatetime', 'pageinspect', 'pg_buffercache', 'pg_freespacemap', 'pg_graphql', 'pg_hashids',
                'pg_jsonschema', 'pg_prewarm', 'pg_repack', 'pg_stat_statements', 'pg_tle', 'pg_visibility',
                'pg_walinspect', 'pgaudit', 'pgjwt', 'pgmq', 'pgroonga', 'pgrouting', 'pgrowlocks', 'pgsodium',
                'pgstattuple', 'pgtap', 'plpgsql_check', 'postgis', 'postgis_raster', 'postgis_sfcgal',
                'postgis_tiger_geocoder', 'postgis_topology', 'postgres_fdw', 'refint', 'rum', 'sslinfo',
                'timescaledb', 'vector', 'wrappers', 'xml2'
            ])
            and not exists (
                select
                from pg_catalog.pg_available_extension_versions as v
                where v.name = extension_name and v.trusted
            )
        else
            exists (select from pgassay.stand_ins as s where s.name = extension_name)
            or exists (select from pgassay.packages as p where p.name = extension_name)
    end
$$;

create function pgassay.keep_package(package_name text, package_script text) returns void
language sql security definer
set search_path = ''
as $$
insert into pgassay.packages as p (name, script) values (package_name, package_script)
on conflict on constraint packages_pkey do update set script = excluded.script
$$;

create function pgassay.forget_package(package_name text) returns boolean
language sql security definer
set search_path = ''
as $$
with gone as (delete from pgassay.packages as p where p.name = package_name returning p.name)

select exists (select from gone)
$$;

-- The SQL that pg_tle was given for an extension that nothing else is there for; null where there is none.
create function pgassay.package_script(extension_name text) returns text
language sql stable security definer
set search_path = ''
as $$
select p.script
from pgassay.packages as p
where p.name = extension_name and not exists (select from pgassay.stand_ins as s where s.name = p.name)
$$;

-- Those of the names whose extension is a stand-in here.
create function pgassay.stand_ins_among(names text[]) returns text[]
language sql stable security definer
set search_path = ''
as $$
select coalesce(array_agg(n.name order by n.name), '{}')
from (select distinct unnest(names)) as n (name)
where
    exists (select from pgassay.stand_ins as s where s.name = n.name and s.made)
    or exists (select from pg_catalog.pg_extension as e where e.extname = n.name and e.extversion = 'stand-in')
$$;

-- Make functions that raise an error. Each is given as "name(arguments) returns type", in the schema searched first.
create function pgassay.add_refusals(extension_name text, signatures text[]) returns void
language plpgsql
as $$
declare
    signature text;
begin
    foreach signature in array signatures loop
        execute format(
            'create function %s language plpgsql as %L',
            signature,
            format(
                'begin raise exception %L using errcode = ''feature_not_supported'', hint = %L; end;',
                format(
                    'the stand-in for %s cannot do %s',
                    extension_name,
                    split_part(signature, '(', 1)
                ),
                format('Use a server that has the extension %s.', extension_name)
            )
        );
    end loop;
end;
$$;

-- SHA-1, which PostgreSQL's core does not offer; stand-ins for uuid-ossp and pgcrypto need it.
create function pgassay.sha1(data bytea) returns bytea
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    mask constant bigint := 4294967295;
    padded constant bytea := data || '\x80'::bytea
    || decode(repeat('00', (119 - length(data) % 64) % 64), 'hex') || int8send(length(data)::bigint * 8);
    h0 bigint := 1732584193;
    h1 bigint := 4023233417;
    h2 bigint := 2562383102;
    h3 bigint := 271733878;
    h4 bigint := 3285377520;
    a bigint;
    b bigint;
    c bigint;
    d bigint;
    e bigint;
    f bigint;
    k bigint;
    mixed bigint;
    w bigint[];
begin
    for chunk in 0..length(padded) / 64 - 1 loop
        for i in 0..15 loop
            w[i] := ('x' || encode(substr(padded, chunk * 64 + i * 4 + 1, 4), 'hex'))::bit(32)::bigint;
        end loop;

        for i in 16..79 loop
            mixed := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
            w[i] := ((mixed << 1) | (mixed >> 31)) & mask;
        end loop;

        a := h0;
        b := h1;
        c := h2;
        d := h3;
        e := h4;

        for i in 0..79 loop
            if i < 20 then
                f := (b & c) | ((~b & mask) & d);
                k := 1518500249;
            elsif i < 40 then
                f := b # c # d;
                k := 1859775393;
            elsif i < 60 then
                f := (b & c) | (b & d) | (c & d);
                k := 2400959708;
            else
                f := b # c # d;
                k := 3395469782;
            end if;

            mixed := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i]) & mask;
            e := d;
            d := c;
            c := ((b << 30) | (b >> 2)) & mask;
            b := a;
            a := mixed;
        end loop;

        h0 := (h0 + a) & mask;
        h1 := (h1 + b) & mask;
        h2 := (h2 + c) & mask;
        h3 := (h3 + d) & mask;
        h4 := (h4 + e) & mask;
    end loop;

    return substr(int8send(h0), 5) || substr(int8send(h1), 5) || substr(int8send(h2), 5) || substr(int8send(h3), 5)
    || substr(int8send(h4), 5);
end;
$$;

-- Enter a stand-in whose objects were made after the oid was taken: as its members they come and go with it.
create function pgassay.enter_stand_in(entered oid, extension_name text, schema_name text, owner oid) returns void
language sql
set search_path = ''
as $$
insert into pg_catalog.pg_extension
(oid, extname, extowner, extnamespace, extrelocatable, extversion, extconfig, extcondition)
select
    entered,
    extension_name,
    owner,
    n.oid,
    not exists (select from pg_catalog.pg_proc as p where p.oid > entered and p.pronamespace <> n.oid),
    'stand-in',
    null,
    null
from pg_catalog.pg_namespace as n
where n.nspname = schema_name;

insert into pg_catalog.pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
select 'pg_catalog.pg_extension'::regclass, entered, 0, 'pg_catalog.pg_namespace'::regclass, n.oid, 0, 'n'
from pg_catalog.pg_namespace as n
where n.nspname = schema_name
union all
select m.class, m.oid, 0, 'pg_catalog.pg_extension'::regclass, entered, 0, 'e'
from (
    select 'pg_catalog.pg_namespace'::regclass as class, n.oid from pg_catalog.pg_namespace as n
    union all
    select 'pg_catalog.pg_proc'::regclass, p.oid from pg_catalog.pg_proc as p
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid
    from pg_catalog.pg_type as t
    where t.typcategory <> 'A' and (t.typrelid = 0 or exists (
        select from pg_catalog.pg_class as c where c.oid = t.typrelid and c.relkind = 'c'
    ))
    union all
    select 'pg_catalog.pg_class'::regclass, c.oid from pg_catalog.pg_class as c where c.relkind in ('r', 'v', 'S')
    union all
    select 'pg_catalog.pg_operator'::regclass, o.oid from pg_catalog.pg_operator as o
    union all
    select 'pg_catalog.pg_opfamily'::regclass, f.oid from pg_catalog.pg_opfamily as f
    union all
    select 'pg_catalog.pg_opclass'::regclass, c.oid from pg_catalog.pg_opclass as c
    union all
    select 'pg_catalog.pg_cast'::regclass, c.oid from pg_catalog.pg_cast as c
    union all
    select 'pg_catalog.pg_foreign_data_wrapper'::regclass, w.oid from pg_catalog.pg_foreign_data_wrapper as w
) as m
where m.oid > entered;
$$;

-- Let the migrating role make servers with the foreign-data wrappers of an extension, as the platform does.
create function pgassay.give_wrappers(extension_name text) returns void
language plpgsql
set search_path = ''
as $$
declare
    owner constant oid := (select d.datdba from pg_catalog.pg_database as d where d.datname = current_database());
    wrapper text;
begin
    for wrapper in
        select w.fdwname
        from pg_catalog.pg_foreign_data_wrapper as w
        inner join pg_catalog.pg_depend as d
            on d.objid = w.oid and d.classid = 'pg_catalog.pg_foreign_data_wrapper'::regclass
        inner join pg_catalog.pg_extension as e
            on d.refobjid = e.oid and d.refclassid = 'pg_catalog.pg_extension'::regclass
        where e.extname = extension_name
    loop
        execute format('grant usage on foreign data wrapper %I to %s with grant option', wrapper, owner::regrole);
    end loop;
end;
$$;

-- Make a stand-in, also of an extension that the server has.
create function pgassay.make_stand_in(extension_name text, schema_name text) returns void
language plpgsql
set search_path = ''
set client_min_messages = 'warning'
as $$
declare
    owner constant oid := (select d.datdba from pg_catalog.pg_database as d where d.datname = current_database());
    schema constant text := quote_ident(schema_name);
    -- of a package there is none: it is entered, and is empty
    script constant text
    := coalesce((select s.script from pgassay.stand_ins as s where s.name = extension_name), 'select');
    entered oid;
    made_schema text;
begin
    -- as PostgreSQL does: the name goes into quoted bodies
    if schema_name ~ '["$''\\]' then
        raise exception 'the schema of an extension may not have any of "$''\ in its name: %', schema_name
        using errcode = 'feature_not_supported';
    end if;

    if not (select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user) then
        perform set_config('search_path', schema || ', pg_temp', true);
        execute replace(script, '@extschema@', schema);
        perform set_config('search_path', '', true);

        update pgassay.stand_ins as s set made = true where s.name = extension_name;
        return;
    end if;

    entered := pg_catalog.pg_nextoid('pg_catalog.pg_extension', 'oid', 'pg_catalog.pg_extension_oid_index');

    perform set_config('search_path', schema || ', pg_temp', true);
    execute replace(script, '@extschema@', schema);
    perform set_config('search_path', '', true);

    perform pgassay.enter_stand_in(entered, extension_name, schema_name, owner);

    for made_schema in
        select n.nspname
        from pg_catalog.pg_namespace as n
        where
            n.oid > entered
            or n.nspname = (select s.home from pgassay.stand_ins as s where s.name = extension_name)
    loop
        execute format('grant all on schema %I to %s with grant option', made_schema, owner::regrole);
        execute format('grant all on all tables in schema %I to %s with grant option', made_schema, owner::regrole);
        execute format('grant all on all sequences in schema %I to %s with grant option', made_schema, owner::regrole);
    end loop;

    perform pgassay.give_wrappers(extension_name);
end;
$$;

-- CREATE EXTENSION. The schema is that of the statement, or null; caller_schema is where the caller makes new objects.
create function pgassay.create_extension(
    extension_name text,
    schema_name text,
    caller_schema text,
    version text default null,
    cascades boolean default false,
    if_not_exists boolean default false
) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
    -- a dump has set an empty path; "extensions" is where the platform has most
    schema constant text := coalesce(
        schema_name,
        (select s.home from pgassay.stand_ins as s where s.name = extension_name),
        caller_schema,
        'extensions'
    );
begin
    if not pgassay.takes(extension_name) then
        raise exception 'extension "%" is not available', extension_name using errcode = 'feature_not_supported';
    end if;

    if
        exists (select from pg_catalog.pg_extension as e where e.extname = extension_name)
        or exists (select from pgassay.stand_ins as s where s.name = extension_name and s.made)
    then
        if not if_not_exists then
            raise exception 'extension "%" already exists', extension_name using errcode = 'duplicate_object';
        end if;

        raise notice 'extension "%" already exists, skipping', extension_name;
        return;
    end if;

    if
        extension_name not in ('dblink', 'pg_cron', 'pg_net', 'supabase_vault')
        and exists (select from pg_catalog.pg_available_extensions as a where a.name = extension_name)
    then
        perform set_config('search_path', quote_ident(coalesce(caller_schema, 'extensions')), true);
        execute format('create extension %I', extension_name)
        || case when schema_name is null then '' else format(' schema %I', schema_name) end
        || case when version is null then '' else format(' version %L', version) end
        || case when cascades then ' cascade' else '' end;

        perform pgassay.give_wrappers(extension_name);
        return;
    end if;

    -- a schema that the control file names is made by the script
    if
        not exists (
            select from pgassay.stand_ins as s where s.name = extension_name and (s.home = schema or s.name = 'pg_net')
        )
        and not exists (select from pg_catalog.pg_namespace as n where n.nspname = schema)
    then
        raise exception 'schema "%" does not exist', schema using errcode = 'invalid_schema_name';
    end if;

    perform pgassay.make_stand_in(extension_name, schema);
end;
$$;

-- ALTER EXTENSION … SET SCHEMA. The objects of some stay where they are, as they do on the platform.
create function pgassay.move_extension(extension_name text, schema_name text) returns void
language plpgsql security definer
set search_path = ''
as $$
declare
    moved record;
    definition text;
begin
    -- as PostgreSQL does: the name goes into quoted bodies
    if schema_name ~ '["$''\\]' then
        raise exception 'the schema of an extension may not have any of "$''\ in its name: %', schema_name
        using errcode = 'feature_not_supported';
    end if;

    select e.oid, quote_ident(n.nspname) as old_schema, e.extversion = 'stand-in' as is_stand_in, e.extrelocatable
    into moved
    from pg_catalog.pg_extension as e
    inner join pg_catalog.pg_namespace as n on e.extnamespace = n.oid
    where e.extname = extension_name;

    if not pgassay.takes(extension_name) or moved.is_stand_in and not moved.extrelocatable then
        return;
    end if;

    execute format('alter extension %I set schema %I', extension_name, schema_name);

    if not moved.is_stand_in then
        return;
    end if;

    -- bodies that are text name the schema
    for definition in
        select pg_get_functiondef(p.oid)
        from pg_catalog.pg_proc as p
        inner join pg_catalog.pg_depend as d on d.objid = p.oid and d.classid = 'pg_catalog.pg_proc'::regclass
        inner join pg_catalog.pg_language as l on p.prolang = l.oid
        where
            d.refobjid = moved.oid
            and d.refclassid = 'pg_catalog.pg_extension'::regclass
            and d.deptype = 'e'
            and l.lanname in ('sql', 'plpgsql')
            and p.prokind = 'f'
            and p.prosqlbody is null
            -- an extension's owner can add functions to it
            and p.proowner = current_user::regrole
            and strpos(p.prosrc, moved.old_schema || '.') > 0
    loop
        execute replace(definition, moved.old_schema || '.', quote_ident(schema_name) || '.');
    end loop;
end;
$$;

-- ALTER EXTENSION … UPDATE. A stand-in has one version.
create function pgassay.update_extension(extension_name text, version text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if pgassay.takes(extension_name) and not extension_name = any(pgassay.stand_ins_among(array[extension_name])) then
        execute format('alter extension %I update', extension_name) || coalesce(format(' to %L', version), '');
    end if;
end;
$$;

create function pgassay.comment_on_extension(extension_name text, words text) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if pgassay.takes(extension_name) then
        execute format('comment on extension %I is %L', extension_name, words);
    end if;
end;
$$;

create function pgassay.drop_extension(extension_name text, if_exists boolean, cascades boolean) returns void
language plpgsql security definer
set search_path = ''
as $$
begin
    if pgassay.takes(extension_name) then
        execute 'drop extension '
        || case when if_exists then 'if exists ' else '' end
        || quote_ident(extension_name)
        || case when cascades then ' cascade' else '' end;
    end if;
end;
$$;

-- These have the rights of a superuser: the migrating role may call them, and nobody else.
do $$
declare
    owner constant text := coalesce(nullif(current_setting('pgassay.owner', true), ''), 'postgres');
begin
    revoke all on all functions in schema pgassay from public;
    grant execute on function pgassay.sha1(bytea) to public;

    execute format(
        'grant execute on function '
        'pgassay.takes(text), '
        'pgassay.stand_ins_among(text[]), '
        'pgassay.create_extension(text, text, text, text, boolean, boolean), '
        'pgassay.move_extension(text, text), '
        'pgassay.update_extension(text, text), '
        'pgassay.comment_on_extension(text, text), '
        'pgassay.keep_package(text, text), '
        'pgassay.forget_package(text), '
        'pgassay.package_script(text), '
        'pgassay.drop_extension(text, boolean, boolean) '
        'to %I',
        owner
    );
end;
$$;
