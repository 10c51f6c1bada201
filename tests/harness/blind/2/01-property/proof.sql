select proof.id('A') as a, proof.id('B') as b \gset
insert into public.agencies (id, name) values (:'a', 'A'), (:'b', 'B');
insert into public.agency_staff (agency_id, user_id, role) values (:'a', proof.u(1), 'owner'), (:'a', proof.u(2), 'manager'), (:'a', proof.u(3), 'agent'), (:'b', proof.u(4), 'owner');
insert into public.properties (id, agency_id, address) values (proof.id('pa'), :'a', 'A street'), (proof.id('pb'), :'b', 'B street');
insert into public.units (id, property_id, label, door_code) values (proof.id('ua'), proof.id('pa'), '1', '11'), (proof.id('ub'), proof.id('pb'), '1', '22');
insert into public.leases (id, agency_id, unit_id) values (proof.id('la'), :'a', proof.id('ua')), (proof.id('lb'), :'b', proof.id('ub'));
insert into public.tickets (id, property_id, title) values (proof.id('tb'), proof.id('pb'), 'leak');
insert into storage.objects (bucket_id, name) values ('lease-docs', proof.id('A') || '/x.pdf'), ('lease-docs', proof.id('B') || '/y.pdf');

select proof.bait('01-1 control: not seen before', 3, null, $$exists (select from units where id = proof.id('ub'))$$);
select proof.hole('01-1', 3, $$insert into leases (agency_id, unit_id) values (proof.id('A'), proof.id('ub'))$$, $$exists (select from units where door_code = '22')$$);
select proof.hole('01-2', 9, null, $$exists (select from storage.objects where name = proof.id('B') || '/y.pdf')$$);
select proof.bait('01-2 control: no moving', 3, $$update storage.objects set name = proof.id('B') || '/planted.pdf' where name = proof.id('A') || '/x.pdf'$$);
select proof.hole('01-3', 2, $$insert into rent_payments (agency_id, lease_id, amount) values (proof.id('B'), proof.id('la'), 1)$$, null, $$exists (select from rent_payments where agency_id = proof.id('B'))$$);
select proof.hole('01-4', 3, $$update agency_staff set role = 'owner' where user_id = auth.uid()$$, null, $$exists (select from agency_staff where user_id = proof.u(3) and role = 'owner')$$);

select proof.bait('01-b1', 0, $$update unit_types set label = 'x'$$, null, $$exists (select from unit_types where label = 'x')$$);
select proof.bait('01-b1', 1, $$insert into unit_types values ('x', 'x')$$);
select proof.bait('01-b2', 1, null, $$exists (select from rent_roll where agency_id = proof.id('B'))$$);
select proof.bait('01-b2', 0, null, $$exists (select from rent_roll)$$);
select proof.works('01-b2', 1, null, $$exists (select from rent_roll)$$);
select proof.bait('01-b3', 1, $$select close_ticket(proof.id('tb'))$$, null, $$exists (select from tickets where state = 'done')$$);
select proof.bait('01-b3', 0, $$select close_ticket(proof.id('tb'))$$, null, $$exists (select from tickets where state = 'done')$$);
select proof.works('01-b3', 4, $$select close_ticket(proof.id('tb'))$$, null, $$exists (select from tickets where state = 'done')$$);
