begin;
select * from no_plan();
select * from finish();
rollback;
