insert into auth.users(id) select _t.u(n) from generate_series(1,3) n;
insert into houses(id,name) values (_t.u(101),'A'),(_t.u(102),'B');
insert into productions(id,house_id,title,on_sale) values (_t.u(111),_t.u(101),'Faust',true),(_t.u(112),_t.u(102),'Nora',false);
insert into performances(id,house_id,production_id,starts_at) values (_t.u(121),_t.u(101),_t.u(111),now()),(_t.u(122),_t.u(102),_t.u(112),now());
insert into seats values (_t.u(101),'A',1);
insert into orders(id,house_id,buyer_name,buyer_email,purged_at) values (_t.u(131),_t.u(101),'Ann','ann@x',null),(_t.u(132),_t.u(101),'Bob','bob@x',now());
insert into tickets(id,house_id,order_id,performance_id,seat_row,seat_no,barcode) values (_t.u(141),_t.u(101),_t.u(131),_t.u(121),'A',1,_t.u(199));
insert into vouchers(house_id,code,value_cents) values (_t.u(101),'c0de',500);
insert into ticket_scans(house_id,ticket_id) values (_t.u(101),_t.u(141));
insert into payment_events(house_id,order_id,provider) values (_t.u(101),_t.u(131),'p');
\set A '{"sub":"00000000-0000-4000-8000-000000000001","role":"authenticated","app_metadata":{"house_id":"00000000-0000-4000-8000-000000000101"}}'
\set B '{"sub":"00000000-0000-4000-8000-000000000002","role":"authenticated","app_metadata":{"house_id":"00000000-0000-4000-8000-000000000102"}}'
\set F '{"sub":"00000000-0000-4000-8000-000000000003","role":"authenticated","app_metadata":{},"user_metadata":{"house_id":"00000000-0000-4000-8000-000000000101"}}'
select _t.hole('02-1',:'F',$$select exists(select from vouchers where code='c0de')$$);
select _t.hole('02-1',:'F',$$update vouchers set value_cents=99999$$,$$select exists(select from vouchers where value_cents=99999)$$);
select _t.bait('02-1 control: no user_metadata',:'B',$$select exists(select from vouchers)$$);
select _t.hole('02-2',:'B',$$update productions set on_sale=true where house_id=_t.u(102); update performances set house_id=_t.u(101), hall='evil' where id=_t.u(122)$$,$$select house_id=_t.u(101) from performances where id=_t.u(122)$$);
set _t.headers='{"x-house-id":"00000000-0000-4000-8000-000000000101"}';
select _t.hole('02-3','anon',$$select exists(select from ticket_scans where house_id=_t.u(101))$$);
set _t.headers='{}';
select _t.hole('02-2 without WHERE',:'B',$$update performances set house_id=_t.u(101)$$,$$select house_id=_t.u(101) from performances where id=_t.u(122)$$);
select _t.bait('02-3 control: no header','anon',$$select exists(select from ticket_scans)$$);
select _t.hole('02-4',:'A',$$select exists(select from find_orders('bob'))$$);
select _t.bait('02-4 control: table',:'A',$$select exists(select from orders where buyer_name='Bob')$$);
select _t.bait('02-4 control: other house',:'B',$$select exists(select from find_orders(''))$$);
select _t.bait('productions',:'A',$$select exists(select from productions where house_id=_t.u(102))$$);
select _t.bait('productions',:'B',$$update productions set title='x' where house_id=_t.u(101)$$,$$select exists(select from productions where title='x')$$);
select _t.fine('productions','anon',$$select exists(select from productions where title='Faust')$$);
select _t.bait('payment_events',:'A',$$select exists(select from payment_events)$$);
select _t.bait('payment_events','anon',$$select exists(select from payment_events)$$);
select _t.bait('payment_events',:'A',$$insert into payment_events(house_id,order_id,provider) values (_t.u(101),_t.u(131),'x')$$,'select true');
select _t.bait('ticket_by_barcode',:'B',$$select exists(select from tickets t, ticket_by_barcode(t.barcode))$$);
select _t.bait('ticket_by_barcode','anon',$$select exists(select from ticket_by_barcode(gen_random_uuid()))$$);
select _t.fine('ticket_by_barcode','anon',$$select exists(select from ticket_by_barcode(_t.u(199)))$$);
