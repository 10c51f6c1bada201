-- hand out what a prescription says
create function rx.dispense(p_prescription uuid, p_quantity integer) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  v_pharmacy uuid;
  v_id bigint;
begin
  select p.pharmacy_id into v_pharmacy from rx.prescriptions p where p.prescription_id = p_prescription;
  if v_pharmacy is null or not rx.works_at(v_pharmacy) then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  update rx.prescriptions p set remaining = p.remaining - p_quantity
  where p.prescription_id = p_prescription and p.remaining >= p_quantity and p_quantity > 0;
  if not found then
    raise exception 'nothing left on this prescription' using errcode = 'PT409';
  end if;
  insert into rx.dispensings (pharmacy_id, prescription_id, dispensed_by, quantity)
  values (v_pharmacy, p_prescription, auth.uid(), p_quantity)
  returning dispensing_id into v_id;
  return v_id;
end;
$$;

-- branches help each other out
create function rx.transfer_stock(p_from uuid, p_to uuid, p_pzn text, p_quantity integer) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if not rx.has_permission_at(p_to, 'stock.write') then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  if p_quantity is null or p_quantity <= 0 then
    raise exception 'quantity?' using errcode = '22023';
  end if;
  update rx.stock s set on_hand = s.on_hand - p_quantity
  where s.pharmacy_id = p_from and s.pzn = p_pzn;
  if not found then
    raise exception 'no such stock' using errcode = 'PT404';
  end if;
  insert into rx.stock as s (pharmacy_id, pzn, on_hand) values (p_to, p_pzn, p_quantity)
  on conflict (pharmacy_id, pzn) do update set on_hand = s.on_hand + excluded.on_hand;
end;
$$;

-- dashboard of the branch
create materialized view rx.stock_overview as
  select s.pharmacy_id, ph.display_name, s.pzn, m.name as medicine, s.on_hand,
         (select count(*) from rx.prescriptions p where p.pharmacy_id = s.pharmacy_id and p.pzn = s.pzn and p.remaining > 0) as waiting
  from rx.stock s
  join rx.pharmacies ph using (pharmacy_id)
  join rx.medicines m using (pzn);
create unique index on rx.stock_overview (pharmacy_id, pzn);

grant select on all tables in schema rx to authenticated;
grant insert, update, delete on rx.employees, rx.patients, rx.prescriptions, rx.stock to authenticated;
grant all on all tables in schema rx to service_role;
