begin;
select plan(3);
select fail('a');
select fail('b');
select pass('c');
select * from finish();
rollback;
