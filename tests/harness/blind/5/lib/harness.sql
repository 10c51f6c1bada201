-- helpers of the proofs only (schema proof); created after the migrations
create schema proof; grant usage on schema proof to public;
create sequence proof.fails;
-- runs stmt as role with sub/claims; hole: expects at least one row (rows returned or changed); bait: expects 0 rows or an error
create function proof.run(rol text, sub uuid, extra jsonb, stmt text) returns text language plpgsql as $$
declare n bigint; res text;
begin
  begin
    perform set_config('request.jwt.claims', (jsonb_build_object('role', rol) || case when sub is null then '{}'::jsonb else jsonb_build_object('sub', sub) end || coalesce(extra,'{}'))::text, true);
    execute format('set local role %I', rol);
    execute stmt; get diagnostics n = row_count;
    set local role postgres;
    res := n::text;
  exception when others then res := 'error: ' || sqlerrm;
  end;
  reset role; perform set_config('request.jwt.claims','',true);
  return res;
end $$;
create function proof.val(rol text, sub uuid, extra jsonb, stmt text) returns text language plpgsql as $$
declare v text; res text;
begin
  begin
    perform set_config('request.jwt.claims', (jsonb_build_object('role', rol) || case when sub is null then '{}'::jsonb else jsonb_build_object('sub', sub) end || coalesce(extra,'{}'))::text, true);
    execute format('set local role %I', rol);
    execute stmt into v;
    set local role postgres;
    res := coalesce(v,'<null>');
  exception when others then res := 'error: ' || sqlerrm;
  end;
  reset role; perform set_config('request.jwt.claims','',true);
  return res;
end $$;
create procedure proof.ok(id text, good boolean, detail text) language plpgsql as $$
begin
  if good is true then raise notice 'OK   % (%)', id, detail; else raise notice 'FAIL % (%)', id, detail; end if;
end $$;
-- hole: the statement reaches exactly/at least rows
create procedure proof.hole(id text, rol text, sub uuid, extra jsonb, stmt text, check_sql text default null) language plpgsql as $$
declare r text; good boolean;
begin
  r := proof.run(rol, sub, extra, stmt);
  good := r ~ '^[1-9]';
  if check_sql is not null then execute check_sql into good; good := good and r !~ '^error'; end if;
  call proof.ok(id, good, r);
  rollback;
end $$;
create procedure proof.bait(id text, rol text, sub uuid, extra jsonb, stmt text, check_sql text default null) language plpgsql as $$
declare r text; good boolean;
begin
  r := proof.run(rol, sub, extra, stmt);
  good := r ~ '^(0|error)';
  if check_sql is not null then execute check_sql into good; end if;
  call proof.ok(id, good, r);
  rollback;
end $$;
-- positive control: legitimate thing works
create procedure proof.works(id text, rol text, sub uuid, extra jsonb, stmt text) language plpgsql as $$
declare r text;
begin r := proof.run(rol, sub, extra, stmt); call proof.ok('control ' || id, r ~ '^[1-9]', r); rollback; end $$;
-- users by short number
create function proof.u(n int) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-' || lpad(n::text,12,'0'))::uuid $$;
insert into auth.users(id,email) select proof.u(i), 'u'||i||'@example.com' from generate_series(1,12) i;
