-- pg_tle: extensions of SQL are kept, and made by CREATE EXTENSION. Leaves out versions, updates and hooks.
-- schema: pgtle

create schema if not exists pgtle;

create function pgtle.install_extension(
    name text, version text, description text, ext text, requires text[] default null
) returns boolean
language sql
set search_path = ''
as $$
select true from pgassay.keep_package(name, ext)
$$;

create function pgtle.uninstall_extension(extname text, version text default null) returns boolean
language sql
set search_path = ''
as $$
select pgassay.forget_package(extname)
$$;

create function pgtle.uninstall_extension_if_exists(extname text) returns boolean
language sql
set search_path = ''
as $$
select pgassay.forget_package(extname)
$$;

create function pgtle.install_extension_version_sql(name text, version text, ext text) returns boolean
language sql
set search_path = ''
as $$
select true from pgassay.keep_package(name, ext)
$$;

create function pgtle.set_default_version(name text, version text) returns boolean
language sql
set search_path = ''
as $$
select true
$$;

select pgassay.add_refusals('pg_tle', array[
    'pgtle.install_update_path(name text, fromvers text, tovers text, ext text) returns boolean',
    'pgtle.available_extensions() returns setof record'
]);

grant usage on schema pgtle to public;
