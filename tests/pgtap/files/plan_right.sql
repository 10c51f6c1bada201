begin;
select plan(2);
select pass('a');
select pass('b');
select * from finish();
rollback;
