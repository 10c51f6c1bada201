-- helpers of the proofs: each attack runs in a subtransaction of its own, which is rolled back
create schema proof;
create table proof.who (name text primary key, id uuid, claims jsonb);
create table proof.result (n serial, kind text, id text, ok boolean, got text);
-- proof.person(name, n, extra claims): a user of auth.users with the id 00000000-0000-4000-8000-<n>
create function proof.uid(n int) returns uuid language sql immutable as $$ select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
create function proof.person(name text, n int, extra jsonb default '{}') returns void language plpgsql as $$
begin
  insert into auth.users (id, email, raw_app_meta_data, raw_user_meta_data) values (proof.uid(n), coalesce(extra ->> 'email', name || '@example.test'), coalesce(extra -> 'app_metadata', '{}'), coalesce(extra -> 'user_metadata', '{}'));
  insert into proof.who values (name, proof.uid(n), jsonb_build_object('sub', proof.uid(n), 'role', 'authenticated', 'email', name || '@example.test') || extra);
end $$;
-- steps: '@name sql' is run as that person, '@anon sql' as anon, '@owner sql' as the superuser, without @ as before.
-- Answer: the first column of the first row of the last step (or the number of rows of a statement without one); then
-- verify (by the superuser, $1 the answer) decides.
create function proof.play(who text, steps text[], verify text) returns text language plpgsql as $$
declare step text; me text := who; claims jsonb; answer text; n bigint; yes text;
begin
  begin
    foreach step in array steps loop
      perform set_config('role', 'none', true);
      if step like '@%' then me := substr(split_part(step, ' ', 1), 2); step := substr(step, length(me) + 3); end if;
      if me = 'owner' then perform set_config('request.jwt.claims', '', true);
      elsif me = 'anon' then perform set_config('request.jwt.claims', '{"role":"anon"}', true); perform set_config('role', 'anon', true);
      else
        select w.claims into strict claims from proof.who w where w.name = me;
        perform set_config('request.jwt.claims', claims::text, true); perform set_config('role', 'authenticated', true);
      end if;
      answer := null;
      if step ~* '^\s*(select|with|table)' or step ~* '\sreturning\s' then execute step into answer;
      else execute step; get diagnostics n = row_count; answer := n::text; end if;
    end loop;
    perform set_config('role', 'none', true);
    perform set_config('request.jwt.claims', '', true);
    if verify is null then yes := answer; else execute verify into yes using answer; end if;
    raise exception using errcode = 'PR001', message = coalesce(yes, '(null)');
  exception when sqlstate 'PR001' then return sqlerrm;
    when others then return 'ERROR ' || sqlstate || ' ' || sqlerrm;
  end;
end $$;
-- a hole is shown where the verification says true; without one, where the answer is neither null, 0, false nor an error
create function proof.hole(id text, who text, steps text[], verify text default null) returns void language plpgsql as $$
declare got text := proof.play(who, steps, verify);
begin
  insert into proof.result (kind, id, ok, got) values ('hole', id, case when verify is null then got not in ('0', '(null)', 'false', '') and got not like 'ERROR%' else got = 'true' end, got);
end $$;
create function proof.bait(id text, who text, steps text[], verify text default null) returns void language plpgsql as $$
declare got text := proof.play(who, steps, verify);
begin
  insert into proof.result (kind, id, ok, got) values ('bait', id, got in ('0', '(null)', 'false', '') or got like 'ERROR 42501%' or got like 'ERROR P000%' or got like 'ERROR PT4%' or got like 'ERROR 23%' or got like 'ERROR 28%', got);
end $$;
-- what has to work (the feature itself)
create function proof.works(id text, who text, steps text[], verify text default null) returns void language plpgsql as $$
declare got text := proof.play(who, steps, verify);
begin
  insert into proof.result (kind, id, ok, got) values ('works', id, case when verify is null then got not in ('0', '(null)', 'false', '') and got not like 'ERROR%' else got = 'true' end, got);
end $$;
grant usage on schema proof to anon, authenticated; grant execute on function proof.uid(int) to anon, authenticated;
