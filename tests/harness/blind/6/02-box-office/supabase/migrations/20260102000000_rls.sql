-- the house of the signed-in employee; set by our admin API in app_metadata
create function current_house() returns uuid
language sql stable
set search_path = ''
as $$ select nullif((select auth.jwt()) -> 'app_metadata' ->> 'house_id', '')::uuid $$;

alter table houses enable row level security;
alter table productions enable row level security;
alter table performances enable row level security;
alter table seats enable row level security;
alter table orders enable row level security;
alter table tickets enable row level security;
alter table vouchers enable row level security;
alter table ticket_scans enable row level security;
alter table payment_events enable row level security;

create policy houses_own on houses for select to authenticated using (id = current_house());

create policy productions_own on productions to authenticated
    using (house_id = current_house()) with check (house_id = current_house());
-- the web shop
create policy productions_shop on productions for select to anon, authenticated using (on_sale);

create policy performances_select on performances for select to authenticated using (house_id = current_house());
create policy performances_shop on performances for select to anon, authenticated
    using (exists (select from productions p where p.id = production_id and p.on_sale));
create policy performances_delete on performances for delete to authenticated using (house_id = current_house());
create policy performances_insert on performances for insert to authenticated
    with check (
        house_id = current_house()
        and exists (select from productions p where p.id = production_id and p.house_id = current_house())
    );
create policy performances_update on performances for update to authenticated
    using (house_id = current_house())
    with check (
        exists (select from productions p where p.id = production_id and p.house_id = current_house())
    );

create policy seats_own on seats to authenticated
    using (house_id = current_house()) with check (house_id = current_house());

create policy orders_own on orders to authenticated
    using (house_id = current_house() and purged_at is null)
    with check (house_id = current_house() and purged_at is null);

create policy tickets_read on tickets for select to authenticated using (house_id = current_house());
create policy tickets_sell on tickets for insert to authenticated
    with check (
        house_id = current_house()
        and exists (select from performances f where f.id = performance_id and f.house_id = current_house())
    );
create policy tickets_refund on tickets for delete to authenticated using (house_id = current_house());

create policy vouchers_own on vouchers to authenticated
    using (house_id::text = (select auth.jwt()) -> 'user_metadata' ->> 'house_id')
    with check (house_id::text = (select auth.jwt()) -> 'user_metadata' ->> 'house_id');

-- payment provider's webhook runs with the service key
create policy payment_events_backend on payment_events to service_role using (true) with check (true);

-- handheld scanners are not signed in, they send their house with each request
create policy scans_own on ticket_scans for select to authenticated using (house_id = current_house());
create policy scans_handheld on ticket_scans for select to anon
    using (
        house_id::text = (current_setting('request.headers', true)::json ->> 'x-house-id')
    );
