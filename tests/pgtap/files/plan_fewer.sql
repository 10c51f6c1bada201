begin;
select plan(1);
select pass('a');
select fail('b');
select pass('c');
select * from finish();
rollback;
