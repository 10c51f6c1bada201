-- The proofs' own helpers. Users are numbers: proof.u(7).
set client_min_messages = warning;
create schema proof;
create function proof.u(n int) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create function proof.id(t text) returns uuid language sql immutable as $$ select md5(t)::uuid $$;
grant usage on schema proof to public;
insert into auth.users (id, email) select proof.u(n), 'u' || n || '@example.org' from generate_series(1, 20) n;
create table proof.result (id text, kind text, ok boolean, said text);
-- Does `stmts` as user n (0: anon) with the claims PostgREST would set, then asks `mine` as that user and `owner` as the
-- owner; everything is rolled back. True if there was no error and both are true.
-- `owner` must be false before.
create function proof.try(n int, app jsonb, more jsonb, stmts text, mine text, owner text, out ok boolean, out said text) language plpgsql as $$
declare a boolean := true; b boolean := true; was boolean;
begin
  begin
    if owner is not null then execute 'select (' || owner || ')' into was;
      if was then raise exception 'true before, shows nothing'; end if; end if;
    perform set_config('request.jwt.claims', case when n = 0 then '{"role":"anon"}' else (jsonb_build_object('sub', proof.u(n), 'role', 'authenticated',
      'email', 'u' || n || '@example.org', 'app_metadata', app) || more)::text end, true);
    perform set_config('role', case when n = 0 then 'anon' else 'authenticated' end, true);
    if stmts is not null then execute stmts; end if;
    if mine is not null then execute 'select coalesce((' || mine || '), false)' into a; end if;
    perform set_config('role', 'none', true);
    if owner is not null then execute 'select coalesce((' || owner || '), false)' into b; end if;
    raise exception using errcode = 'P0PRF', message = 'back';
  exception when sqlstate 'P0PRF' then ok := a and b; said := case when ok then 'succeeds' else 'reaches nothing' end;
    when others then ok := false; said := sqlstate || ' ' || sqlerrm;
  end;
end $$;
create function proof.hole(id text, n int, stmts text, mine text default null, owner text default null, app jsonb default '{}', more jsonb default '{}') returns void language sql as $$
  insert into proof.result select id, 'hole', t.ok, t.said from proof.try(n, app, more, stmts, mine, owner) t $$;
create function proof.bait(id text, n int, stmts text, mine text default null, owner text default null, app jsonb default '{}', more jsonb default '{}') returns void language sql as $$
  insert into proof.result select id, 'bait', not t.ok, t.said from proof.try(n, app, more, stmts, mine, owner) t $$;
-- what is meant to work does
create function proof.works(id text, n int, stmts text, mine text default null, owner text default null, app jsonb default '{}', more jsonb default '{}') returns void language sql as $$
  insert into proof.result select id, 'works', t.ok, t.said from proof.try(n, app, more, stmts, mine, owner) t $$;
