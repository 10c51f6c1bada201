-- carriers, their fleet and what they carry
create type public.carrier_role as enum ('driver', 'dispatcher', 'owner');
create type public.event_kind as enum ('picked_up', 'scanned', 'delayed', 'delivered', 'refused');

create table public.carriers (
    carrier_id uuid primary key default gen_random_uuid(),
    name text not null,
    scac char(4),
    created_at timestamptz not null default now()
);

create table public.carrier_users (
    carrier_id uuid not null references public.carriers on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    role public.carrier_role not null default 'driver',
    primary key (carrier_id, user_id)
);
create index carrier_users_user_idx on public.carrier_users (user_id);

create table public.rate_cards (
    zone smallint not null,
    weight_class smallint not null,
    cents integer not null,
    primary key (zone, weight_class)
);

create table public.vehicles (
    vehicle_id uuid primary key default gen_random_uuid(),
    carrier_id uuid not null references public.carriers on delete cascade,
    plate text not null,
    payload_kg integer,
    unique (carrier_id, plate)
);

create table public.drivers (
    driver_id uuid primary key default gen_random_uuid(),
    carrier_id uuid not null references public.carriers on delete cascade,
    full_name text not null,
    mobile text,
    licence_until date
);
create index drivers_carrier_idx on public.drivers (carrier_id);

create table public.shipments (
    shipment_id uuid primary key default gen_random_uuid(),
    carrier_id uuid not null references public.carriers on delete cascade,
    reference text not null,
    consignee text not null,
    address text not null,
    zone smallint not null default 1,
    driver_id uuid references public.drivers on delete set null,
    driver_contact text,
    state text not null default 'planned' check (state in ('planned', 'moving', 'done')),
    created_at timestamptz not null default now(),
    unique (carrier_id, shipment_id)
);
create index shipments_driver_idx on public.shipments (driver_id);

create table public.shipment_events (
    event_id bigint generated always as identity,
    carrier_id uuid not null,
    shipment_id uuid not null,
    kind public.event_kind not null,
    place text,
    occurred_at timestamptz not null default now(),
    primary key (event_id, occurred_at),
    foreign key (carrier_id, shipment_id) references public.shipments (carrier_id, shipment_id) on delete cascade
) partition by range (occurred_at);
create index shipment_events_shipment_idx on public.shipment_events (carrier_id, shipment_id);
create table public.shipment_events_2025 partition of public.shipment_events
    for values from ('2025-01-01') to ('2026-01-01');

create table public.tracking_links (
    link_id uuid primary key default gen_random_uuid(),
    carrier_id uuid not null,
    shipment_id uuid not null,
    token text not null unique default encode(extensions.gen_random_bytes(18), 'hex'),
    expires_at timestamptz not null default now() + interval '30 days',
    foreign key (carrier_id, shipment_id) references public.shipments (carrier_id, shipment_id) on delete cascade
);
create index tracking_links_shipment_idx on public.tracking_links (carrier_id, shipment_id);

create or replace function public.my_role(p_carrier uuid)
returns public.carrier_role
language sql
stable
security definer
set search_path to ''
as $function$
    select cu.role from public.carrier_users cu where cu.carrier_id = p_carrier and cu.user_id = auth.uid()
$function$;

alter table public.carriers enable row level security;
alter table public.carrier_users enable row level security;
alter table public.rate_cards enable row level security;
alter table public.vehicles enable row level security;
alter table public.drivers enable row level security;
alter table public.shipments enable row level security;
alter table public.shipment_events enable row level security;
alter table public.shipment_events_2025 enable row level security;
alter table public.tracking_links enable row level security;

create policy carriers_read on public.carriers for select to authenticated
    using (public.my_role(carrier_id) is not null);

create policy carrier_users_read on public.carrier_users for select to authenticated
    using (public.my_role(carrier_id) is not null);
create policy carrier_users_add on public.carrier_users for insert to authenticated
    with check (public.my_role(carrier_id) = 'owner');
create policy carrier_users_change on public.carrier_users for update to authenticated
    using (public.my_role(carrier_id) = 'owner');
create policy carrier_users_remove on public.carrier_users for delete to authenticated
    using (public.my_role(carrier_id) = 'owner');

create policy rate_cards_read on public.rate_cards for select to anon, authenticated
    using (true);

create policy vehicles_read on public.vehicles for select to authenticated
    using (public.my_role(carrier_id) is not null);
create policy vehicles_manage on public.vehicles for all to authenticated
    using (public.my_role(carrier_id) >= 'dispatcher');

create policy drivers_read on public.drivers for select to authenticated
    using (public.my_role(carrier_id) is not null);
create policy drivers_manage on public.drivers for all to authenticated
    using (public.my_role(carrier_id) >= 'dispatcher');

create policy shipments_read on public.shipments for select to authenticated
    using (public.my_role(carrier_id) is not null);
create policy shipments_manage on public.shipments for all to authenticated
    using (public.my_role(carrier_id) >= 'dispatcher');

create policy events_read on public.shipment_events for select to authenticated
    using (public.my_role(carrier_id) is not null);
create policy events_scan on public.shipment_events for insert to authenticated
    with check (public.my_role(carrier_id) is not null);

create policy tracking_links_manage on public.tracking_links for all to authenticated
    using (public.my_role(carrier_id) >= 'dispatcher');
