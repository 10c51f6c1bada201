begin;
select * from no_plan();
select performs_ok('select 1', 10000, 'fast');
select performs_ok('select 1', 10000);
select performs_within('select 1', 5000, 5000, 2, 'within');
select performs_within('select 1', 5000, 5000, 'within 10');
select performs_within('select 1', 5000, 5000);
select * from finish();
rollback;
