-- supabase-dbdev, the client of database.dev: what it installs is known by its name, and has nothing in it.
-- schema: dbdev

create schema if not exists dbdev;

create function dbdev.install(package_name text, version text default null) returns boolean
language sql
set search_path = ''
as $$
select true from pgassay.keep_package(package_name, null)
$$;
