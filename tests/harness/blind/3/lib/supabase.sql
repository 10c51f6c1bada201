-- stand-in for Supabase; run by the superuser supabase_admin
create schema auth authorization postgres;
create schema storage authorization postgres;
create schema extensions authorization postgres;
create extension pgcrypto schema extensions;
alter schema public owner to postgres;
grant usage on schema public, auth, storage, extensions to anon, authenticated, service_role;
set role postgres;
create table auth.users (id uuid primary key default gen_random_uuid(), email text unique, phone text,
  raw_user_meta_data jsonb default '{}', raw_app_meta_data jsonb default '{}', encrypted_password text,
  email_confirmed_at timestamptz, created_at timestamptz default now(), is_anonymous boolean not null default false);
grant all on auth.users to service_role;
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
create function auth.uid() returns uuid language sql stable as $$
  select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
create function auth.role() returns text language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role' $$;
create function auth.email() returns text language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email' $$;
create table storage.buckets (id text primary key, name text unique not null, owner uuid, public boolean default false,
  file_size_limit bigint, allowed_mime_types text[], created_at timestamptz default now());
create table storage.objects (id uuid primary key default gen_random_uuid(), bucket_id text references storage.buckets, name text,
  owner uuid, owner_id text, metadata jsonb, path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  created_at timestamptz default now(), updated_at timestamptz default now(), unique (bucket_id, name));
create function storage.foldername(name text) returns text[] language plpgsql immutable as $$
  declare p text[]; begin p := string_to_array(name, '/'); return p[1:array_length(p, 1) - 1]; end $$;
create function storage.filename(name text) returns text language sql immutable as $$ select (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)] $$;
create function storage.extension(name text) returns text language sql immutable as $$ select reverse(split_part(reverse(storage.filename(name)), '.', 1)) $$;
alter table storage.objects enable row level security;
alter table storage.buckets enable row level security;
grant all on storage.objects, storage.buckets to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
reset role;
alter database :"DBNAME" set search_path = "$user", public, extensions;
