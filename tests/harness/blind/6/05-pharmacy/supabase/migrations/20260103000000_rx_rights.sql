create function rx.has_permission_at(p_pharmacy uuid, p_permission text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1
    from rx.employees e
    join rx.role_permissions rp using (role_code)
    where e.pharmacy_id = p_pharmacy
      and e.user_id = (select auth.uid())
      and rp.permission = p_permission
  );
$$;

-- for menus in the client, too
create function rx.has_permission(p_permission text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1
    from rx.employees e
    join rx.role_permissions rp using (role_code)
    where e.user_id = (select auth.uid())
      and rp.permission = p_permission
  );
$$;

create function rx.works_at(p_pharmacy uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from rx.employees e where e.pharmacy_id = p_pharmacy and e.user_id = (select auth.uid())
  );
$$;

alter table rx.pharmacies enable row level security;
alter table rx.role_codes enable row level security;
alter table rx.role_permissions enable row level security;
alter table rx.employees enable row level security;
alter table rx.medicines enable row level security;
alter table rx.patients enable row level security;
alter table rx.prescriptions enable row level security;
alter table rx.dispensings enable row level security;
alter table rx.stock enable row level security;
alter table rx.wholesale_sync enable row level security;
alter table rx.audit_log enable row level security;

create policy pharmacies_read on rx.pharmacies for select to authenticated using (rx.works_at(pharmacy_id));
create policy role_codes_read on rx.role_codes for select to authenticated using (true);
create policy role_permissions_read on rx.role_permissions for select to authenticated using (true);
create policy medicines_read on rx.medicines for select to authenticated using (true);

create policy employees_read on rx.employees for select to authenticated using (rx.works_at(pharmacy_id));
create policy employees_write on rx.employees for all to authenticated
  using (rx.has_permission_at(pharmacy_id, 'staff')) with check (rx.has_permission_at(pharmacy_id, 'staff'));

create policy patients_read on rx.patients for select to authenticated using (rx.has_permission_at(pharmacy_id, 'patients.read'));
create policy patients_write on rx.patients for all to authenticated
  using (rx.has_permission_at(pharmacy_id, 'patients.write')) with check (rx.has_permission_at(pharmacy_id, 'patients.write'));

create policy prescriptions_read on rx.prescriptions for select to authenticated using (rx.has_permission_at(pharmacy_id, 'patients.read'));
create policy prescriptions_write on rx.prescriptions for all to authenticated
  using (rx.has_permission_at(pharmacy_id, 'patients.write')) with check (rx.has_permission_at(pharmacy_id, 'patients.write'));

create policy dispensings_read on rx.dispensings for select to authenticated using (rx.has_permission_at(pharmacy_id, 'patients.read'));

create policy stock_read on rx.stock for select to authenticated using (rx.has_permission_at(pharmacy_id, 'stock.read'));
create policy stock_write on rx.stock for all to authenticated
  using (rx.has_permission_at(pharmacy_id, 'stock.write')) with check (rx.has_permission_at(pharmacy_id, 'stock.write'));

create policy wholesale_job on rx.wholesale_sync for all to service_role using (true) with check (true);

create policy audit_read on rx.audit_log for select to authenticated using (rx.has_permission('audit'));

create function rx.write_audit() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'DELETE' then
    insert into rx.audit_log (pharmacy_id, changed_by, table_name, old_row)
    select old.pharmacy_id, auth.uid(), tg_table_name, to_jsonb(old)
    where exists (select 1 from rx.pharmacies p where p.pharmacy_id = old.pharmacy_id);
    return old;
  end if;
  insert into rx.audit_log (pharmacy_id, changed_by, table_name, old_row, new_row)
  values (new.pharmacy_id, auth.uid(), tg_table_name, case when tg_op = 'UPDATE' then to_jsonb(old) end, to_jsonb(new));
  return new;
end;
$$;
create trigger audit after insert or update or delete on rx.patients for each row execute function rx.write_audit();
create trigger audit after insert or update or delete on rx.prescriptions for each row execute function rx.write_audit();
