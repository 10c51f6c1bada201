begin;
select plan(2);
select * from finish();
rollback;
