-- stand-in for Supabase's environment, for the proofs only
do $$ begin
  if not exists (select from pg_roles where rolname='anon') then
    create role anon nologin noinherit; create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit; grant anon, authenticated, service_role to authenticator;
  end if;
end $$;
create schema auth; create schema storage; create schema extensions;
create extension pgcrypto schema extensions;
grant usage on schema public, auth, storage, extensions to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
create table auth.users (id uuid primary key, email text, raw_app_meta_data jsonb, raw_user_meta_data jsonb, created_at timestamptz default now());
create function auth.jwt() returns jsonb language sql stable as $$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;
create function auth.uid() returns uuid language sql stable as $$ select nullif(auth.jwt()->>'sub','')::uuid $$;
create function auth.role() returns text language sql stable as $$ select auth.jwt()->>'role' $$;
create function auth.email() returns text language sql stable as $$ select auth.jwt()->>'email' $$;
create table storage.buckets (id text primary key, name text not null unique, owner uuid, public boolean default false, file_size_limit bigint, allowed_mime_types text[], created_at timestamptz default now(), updated_at timestamptz default now());
create table storage.objects (id uuid primary key default gen_random_uuid(), bucket_id text references storage.buckets, name text, owner uuid, owner_id text,
  created_at timestamptz default now(), updated_at timestamptz default now(), last_accessed_at timestamptz default now(), metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored, version text, unique (bucket_id, name));
alter table storage.buckets enable row level security; alter table storage.objects enable row level security;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
create function storage.foldername(name text) returns text[] language plpgsql as $$ declare t text[]; begin t := string_to_array(name,'/'); return t[1:array_length(t,1)-1]; end $$;
create function storage.filename(name text) returns text language sql as $$ select (string_to_array(name,'/'))[array_length(string_to_array(name,'/'),1)] $$;
create function storage.extension(name text) returns text language sql as $$ select reverse(split_part(reverse(name),'.',1)) $$;
alter database :DBNAME set search_path = public, extensions;
-- harness
create schema p; grant usage on schema p to public;
create table p.claims (name text primary key, extra jsonb);
create function p.id(name text) returns uuid language sql immutable as $$ select md5(name)::uuid $$;
create function p.person(name text, extra jsonb default '{}') returns void language sql as $$
  insert into auth.users (id, email) values (p.id(name), coalesce(extra->>'email', name||'@example.org')) on conflict do nothing;
  insert into p.claims values (name, jsonb_build_object('sub', p.id(name), 'role','authenticated','email', name||'@example.org') || extra) on conflict do nothing $$;
create function p.run(who text, steps text[], chk text) returns text language plpgsql as $$
declare s text; n bigint := 0; ok boolean; msg text; cl jsonb; rolename text;
begin
  begin
    foreach s in array (array['@'||who] || steps) loop
      if s like '@%' then
        perform set_config('role', 'none', true);
        if s = '@anon' then cl := '{"role":"anon"}'; rolename := 'anon';
        else select extra into strict cl from p.claims where name = substr(s, 2); rolename := 'authenticated'; end if;
        perform set_config('request.jwt.claims', cl::text, true);
        perform set_config('role', rolename, true);
      else execute s; get diagnostics n = row_count; end if;
    end loop;
    perform set_config('role', 'none', true); perform set_config('request.jwt.claims', '', true);
    if chk is not null then execute chk into ok; msg := case when ok then 'yes' else 'no: check is '||coalesce(ok::text,'null') end;
    else msg := case when n > 0 then 'yes ('||n||' rows)' else 'no: 0 rows' end; end if;
    raise exception using errcode = 'ZZ999', message = msg;
  exception when sqlstate 'ZZ999' then null; when others then msg := 'no: '||sqlstate||' '||sqlerrm;
  end;
  perform set_config('role', 'none', true); perform set_config('request.jwt.claims', '', true);
  return msg;
end $$;
create table p.result (id text, kind text, fine boolean, msg text, at serial);
create function p.hole(id text, who text, steps text[], chk text default null) returns text language plpgsql as $$
declare m text := p.run(who, steps, chk); begin insert into p.result values (id,'hole', m like 'yes%', m); return id||' HOLE '||case when m like 'yes%' then 'SHOWN ' else '*** NOT SHOWN *** ' end||m; end $$;
create function p.bait(id text, who text, steps text[], chk text default null) returns text language plpgsql as $$
declare m text := p.run(who, steps, chk); begin insert into p.result values (id,'bait', m like 'no%', m); return id||' BAIT '||case when m like 'no%' then 'HOLDS ' else '*** BROKEN *** ' end||m; end $$;
-- use: something that is meant, and must work (a bait that nobody can use would be none)
create function p.use(id text, who text, steps text[], chk text default null) returns text language plpgsql as $$
declare m text := p.run(who, steps, chk); begin insert into p.result values (id,'use', m like 'yes%', m); return id||' USE '||case when m like 'yes%' then 'WORKS ' else '*** FAILS *** ' end||m; end $$;
