begin;
select * from no_plan();
create schema t;
create function t.check_a() returns setof text language plpgsql as $$ begin return next pass('a'); end $$;
create function t.check_b() returns setof text language plpgsql as $$ begin return next fail('b'); end $$;
select * from do_tap('t'::name, '^check');
select * from do_tap('t'::name);
select * from finish();
rollback;
