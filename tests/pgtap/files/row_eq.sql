begin;
select * from no_plan();
prepare one as select 1, 'a'::text;
select row_eq('one', row(1, 'a')::app.pair, 'row');
select row_eq('one', row(1, 'b')::app.pair, 'other row');
select row_eq('select 1, ''a''::text', row(1, 'a')::app.pair);
select row_eq('select id, note, "Odd Name" from public.notes', row(1, 'x', null)::public.notes, 'no row');
select * from finish();
rollback;
