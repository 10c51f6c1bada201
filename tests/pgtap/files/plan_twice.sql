begin;
select plan(2);
select plan(2);
select pass();
select * from finish();
rollback;
