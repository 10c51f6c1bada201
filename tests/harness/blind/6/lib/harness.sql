-- proofs only: _t.try sets role and claims as PostgREST does, runs the statements, looks, and rolls everything back
create schema _t; grant usage on schema _t to public;
create function _t.u(n int) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create function _t.try(who text, stmt text, chk text, out ok boolean, out msg text) language plpgsql as $f$
declare r boolean;
begin
  perform set_config('request.headers', coalesce(nullif(current_setting('_t.headers', true), ''), '{}'), true);
  begin
    if who = 'anon' then
      perform set_config('request.jwt.claims', '{"role":"anon"}', true); perform set_config('role', 'anon', true);
    else
      perform set_config('request.jwt.claims', case when who ~ '^\{' then who else json_build_object('sub', _t.u(who::int), 'role', 'authenticated')::text end, true);
      perform set_config('role', 'authenticated', true);
    end if;
    if chk is null then execute stmt into r;
    else
      execute stmt;
      perform set_config('role', 'supabase_admin', true);
      execute chk into r;
    end if;
    raise exception using errcode = 'ZZZZZ', message = coalesce(r, false)::text;
  exception when sqlstate 'ZZZZZ' then ok := sqlerrm::boolean; msg := 'result ' || sqlerrm;
    when others then ok := false; msg := sqlstate || ' ' || sqlerrm;
  end;
  perform set_config('role', 'supabase_admin', true); perform set_config('request.jwt.claims', '', true); perform set_config('request.headers', '', true);
end $f$;
create function _t.hole(id text, who text, stmt text, chk text default null) returns text language plpgsql as $f$
declare t record; begin t := _t.try(who, stmt, chk);
 return case when t.ok then 'ok   hole ' || id || ' as ' || left(who, 66) else 'FAIL hole ' || id || ': ' || t.msg end; end $f$;
-- the obvious attack must fail
create function _t.bait(id text, who text, stmt text, chk text default null) returns text language plpgsql as $f$
declare t record; begin t := _t.try(who, stmt, chk);
 return case when not t.ok then 'ok   bait ' || id || ' as ' || left(who, 66) || ' (' || t.msg || ')' else 'FAIL bait ' || id end; end $f$;
-- what is meant to work, works (controls)
create function _t.fine(id text, who text, stmt text, chk text default null) returns text language plpgsql as $f$
declare t record; begin t := _t.try(who, stmt, chk);
 return case when t.ok then 'ok   fine ' || id || ' as ' || left(who, 66) else 'FAIL fine ' || id || ': ' || t.msg end; end $f$;
