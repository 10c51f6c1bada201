-- the proofs' own helpers; run as superuser after the migrations
create schema proof;
create table proof.person (name text primary key, role text not null, claims jsonb not null);
insert into proof.person values ('anon', 'anon', '{"role":"anon"}');
-- a user of auth.users with the token that PostgREST would hand over
create function proof.person(p_name text, p_id uuid, p_more jsonb default '{}') returns void language plpgsql as $$ begin
  insert into auth.users (id, email, aud, role, raw_app_meta_data, raw_user_meta_data)
    values (p_id, p_name || '@example.com', 'authenticated', 'authenticated', coalesce(p_more -> 'app_metadata', '{}'), coalesce(p_more -> 'user_metadata', '{}'));
  insert into proof.person values (p_name, 'authenticated',
    jsonb_build_object('sub', p_id, 'role', 'authenticated', 'aud', 'authenticated', 'email', p_name || '@example.com') || p_more);
end $$;
-- what a statement gives when that person runs it: the first column of the first row, or the number of rows, or the error
create function proof.act(who text, statement text) returns text language plpgsql as $$
declare p proof.person; got text; n bigint; begin
  select * into strict p from proof.person where name = who;
  begin
    perform set_config('request.jwt.claims', p.claims::text, true);
    perform set_config('role', p.role, true);
    if statement ~* '^\s*(select|with)' then execute statement into got;
    else execute statement; get diagnostics n = row_count; got := n; end if;
    perform set_config('role', 'none', true);
    perform set_config('request.jwt.claims', '', true);
    return coalesce(got, 'NULL');
  exception when others then
    return 'ERROR ' || sqlstate || ' ' || sqlerrm;
  end;
end $$;
create function proof.say(kind text, id text, who text, statement text, want text) returns text language plpgsql as $$
declare got text := proof.act(who, statement); begin
  return format('%s %s %s | %s: %s => %s', case when got ~ want then 'PASS' else 'FAIL' end, kind, id, who, regexp_replace(statement, '\s+', ' ', 'g'), got);
end $$;
create function proof.hole(id text, who text, statement text, want text) returns text language sql as $$ select proof.say('hole', $1, $2, $3, $4) $$;
create function proof.bait(id text, who text, statement text, want text) returns text language sql as $$ select proof.say('bait', $1, $2, $3, $4) $$;
create function proof.ctl(id text, who text, statement text, want text) returns text language sql as $$ select proof.say('ctl', $1, $2, $3, $4) $$;
-- what is true afterwards, seen by the superuser
create function proof.fact(kind text, id text, statement text, want text) returns text language plpgsql as $$
declare got text; begin execute statement into got; got := coalesce(got, 'NULL');
  return format('%s %s %s | afterwards: %s => %s', case when got ~ want then 'PASS' else 'FAIL' end, kind, id, regexp_replace(statement, '\s+', ' ', 'g'), got); end $$;
-- what everybody reaches of every table, without where: an overview for the author
create function proof.sweep() returns setof text language plpgsql as $$
declare t record; p record; line text; r text; begin
  for t in select c.oid::regclass as n, c.oid, c.relkind, (select quote_ident(attname) from pg_attribute a where a.attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = '' and attidentity='' order by attnum limit 1) as col
    from pg_class c where relnamespace in ('public'::regnamespace, 'storage'::regnamespace) and relkind in ('r','p','v','m') order by 1 loop
    line := rpad(t.n::text, 34);
    for p in select name from proof.person order by name loop
      begin
        r := proof.act(p.name, format('select count(*) from %s', t.n));
        line := line || rpad(' ' || p.name || ' ' || case when r like 'ERROR%' then 'x' else r end, 14);
        begin r := proof.act(p.name, format('update %s set %s = %s', t.n, t.col, t.col)); raise exception using errcode='ZZ001'; exception when sqlstate 'ZZ001' then null; end;
        line := line || case when r like 'ERROR%' then 'x' else r end;
        begin r := proof.act(p.name, format('delete from %s', t.n)); raise exception using errcode='ZZ001'; exception when sqlstate 'ZZ001' then null; end;
        line := line || '/' || case when r like 'ERROR 23%' then 'fk' when r like 'ERROR%' then 'x' else r end || ' ;';
      end;
    end loop;
    return next line;
  end loop; end $$;
create function proof.u(n int) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
grant usage on schema proof to public;
