begin;
select plan(2);
select fail('a');
select pass('c');
select * from finish(true);
rollback;
