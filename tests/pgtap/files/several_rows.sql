begin;
select plan(4);
select ok(n > 1, 'row ' || n) from generate_series(1, 3) as s (n);
select ok(true), 'another column';
select * from finish();
rollback;
