begin;
create schema t;
create function t.testthis() returns setof text language plpgsql as $$ begin return next pass('simple'); end $$;
create function t.tested() returns setof text language sql as $$ select ok(true, 'in sql') $$;
select * from runtests('t'::name, '^test');
rollback;
