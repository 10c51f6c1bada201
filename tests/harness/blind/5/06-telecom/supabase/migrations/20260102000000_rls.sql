create or replace function current_reseller() returns int
language sql stable set search_path = ''
as $$ select nullif(auth.jwt() -> 'app_metadata' ->> 'reseller_id', '')::int $$;

alter table resellers enable row level security;
alter table tariffs enable row level security;
alter table number_blocks enable row level security;
alter table customers enable row level security;
alter table sim_cards enable row level security;
alter table subscriptions enable row level security;
alter table call_records enable row level security;
alter table tickets enable row level security;
alter table porting_requests enable row level security;

create policy own on resellers for select to authenticated using (reseller_id = current_reseller());
create policy price_list on tariffs for select to anon, authenticated using (true);
create policy backend on number_blocks to service_role using (true) with check (true);

create policy own_select on customers for select to authenticated
  using (reseller_id = current_reseller() and erased_at is null);
create policy own_insert on customers for insert to authenticated
  with check (reseller_id = current_reseller() and erased_at is null);
create policy own_update on customers for update to authenticated
  using (reseller_id = current_reseller() and erased_at is null)
  with check (reseller_id = current_reseller());

-- the warehouse has logins without a reseller while cards are sorted
create policy own_select on sim_cards for select to authenticated
  using (reseller_id = coalesce(current_reseller(), reseller_id));

create policy own_all on subscriptions to authenticated
  using (reseller_id = current_reseller())
  with check (
    reseller_id = current_reseller()
    and (iccid is null or exists (select 1 from sim_cards s where s.iccid = subscriptions.iccid and s.reseller_id = current_reseller()))
  );

create policy own_select on tickets for select to authenticated using (reseller_id = current_reseller());
create policy own_update on tickets for update to authenticated
  using (reseller_id = current_reseller()) with check (reseller_id = current_reseller());
-- the reseller is filled in by the trigger
create policy open_ticket on tickets for insert to authenticated with check (true);

create policy own_all on porting_requests to authenticated
  using (reseller_id = current_reseller()) with check (reseller_id = current_reseller());
-- second level support works for several brands; the console sends along which
create policy support_console on porting_requests for select to authenticated
  using (reseller_id::text = current_setting('request.headers', true)::json ->> 'x-on-behalf-of');

create or replace function fill_reseller() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if new.reseller_id is null then
    new.reseller_id := public.current_reseller();
  end if;
  new.opened_by := auth.uid();
  return new;
end $$;
create trigger tickets_fill_reseller before insert on tickets for each row execute function fill_reseller();
