begin;
select pass('a');
select * from finish();
rollback;
