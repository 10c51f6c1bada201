begin;

create table public.companies (
    company_id serial primary key,
    company_name varchar(120) not null
);

create table public.company_users (
    company_id int not null references public.companies on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    user_role varchar(20) not null default 'viewer' check (user_role in ('viewer', 'dispatcher', 'fleet_manager')),
    primary key (company_id, user_id)
);
create index company_users_user on public.company_users (user_id);

create table public.vehicles (
    vehicle_id serial primary key,
    company_id int not null references public.companies on delete cascade,
    plate varchar(16) not null,
    odometer_km int not null default 0,
    unique (vehicle_id, company_id)
);
create index vehicles_company on public.vehicles (company_id);

create table public.trips (
    trip_id serial primary key,
    vehicle_id int not null references public.vehicles on delete cascade,
    origin text not null,
    destination text not null,
    departs timestamptz not null default now()
);
create index trips_vehicle on public.trips (vehicle_id);

-- subcontractors get a vehicle for a time
create table public.vehicle_access (
    vehicle_id int not null references public.vehicles on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    valid_from timestamptz not null default now(),
    valid_to timestamptz not null default now() + interval '1 day',
    primary key (vehicle_id, user_id)
);
create index vehicle_access_user on public.vehicle_access (user_id);

create table public.fuel_cards (
    card_id serial primary key,
    company_id int not null references public.companies on delete cascade,
    card_number varchar(32) not null,
    pin_code varchar(8)
);
create index fuel_cards_company on public.fuel_cards (company_id);

create table public.fuel_transactions (
    tx_id serial primary key,
    company_id int not null references public.companies on delete cascade,
    vehicle_id int not null,
    litres numeric(8, 2) not null,
    odometer_km int not null
);
create index fuel_transactions_company on public.fuel_transactions (company_id);

create table public.live_links (
    link_id serial primary key,
    vehicle_id int not null references public.vehicles on delete cascade,
    token text not null default encode(extensions.gen_random_bytes(24), 'hex') unique,
    expires_at timestamptz not null default now() + interval '8 hours'
);
create index live_links_vehicle on public.live_links (vehicle_id);

create table public.telemetry (
    vehicle_id int not null references public.vehicles on delete cascade,
    recorded_at timestamptz not null default now(),
    lat double precision not null,
    lon double precision not null,
    primary key (vehicle_id, recorded_at)
) partition by range (recorded_at);
create table public.telemetry_2025 partition of public.telemetry for values from ('2025-01-01') to ('2026-01-01');
create table public.telemetry_2026 partition of public.telemetry for values from ('2026-01-01') to ('2027-01-01');
create table public.telemetry_rest partition of public.telemetry default;

create table public.speed_limits (
    country char(2) primary key,
    urban_kmh int not null,
    motorway_kmh int
);
insert into public.speed_limits values ('DE', 50, null), ('FR', 50, 130), ('NL', 50, 100);

alter table public.companies enable row level security;
alter table public.company_users enable row level security;
alter table public.vehicles enable row level security;
alter table public.trips enable row level security;
alter table public.vehicle_access enable row level security;
alter table public.fuel_cards enable row level security;
alter table public.fuel_transactions enable row level security;
alter table public.live_links enable row level security;
alter table public.telemetry enable row level security;
alter table public.telemetry_2025 enable row level security;
alter table public.telemetry_rest enable row level security;
alter table public.speed_limits enable row level security;

create policy own_row on public.company_users for select to authenticated
    using (user_id = auth.uid());

create policy sel on public.companies for select to authenticated
    using (exists (select 1 from public.company_users cu where cu.company_id = companies.company_id and cu.user_id = auth.uid()));

create policy sel on public.vehicles for select to authenticated
    using (
        exists (select 1 from public.company_users cu where cu.company_id = vehicles.company_id and cu.user_id = auth.uid())
        or exists (select 1 from public.vehicle_access va
                   where va.vehicle_id = vehicles.vehicle_id and va.user_id = auth.uid()
                     and now() between va.valid_from and va.valid_to)
    );
create policy wri on public.vehicles for all to authenticated
    using (exists (select 1 from public.company_users cu
                   where cu.company_id = vehicles.company_id and cu.user_id = auth.uid() and cu.user_role = 'fleet_manager'));

create policy mine on public.vehicle_access for select to authenticated
    using (user_id = auth.uid());

create policy sel on public.trips for select to authenticated
    using (
        exists (select 1 from public.vehicles v join public.company_users cu on cu.company_id = v.company_id
                where v.vehicle_id = trips.vehicle_id and cu.user_id = auth.uid())
        or exists (select 1 from public.vehicle_access va
                   where va.vehicle_id = trips.vehicle_id and va.user_id = auth.uid()
                     and va.valid_from <= now())
    );
create policy wri on public.trips for all to authenticated
    using (exists (select 1 from public.vehicles v join public.company_users cu on cu.company_id = v.company_id
                   where v.vehicle_id = trips.vehicle_id and cu.user_id = auth.uid()
                     and cu.user_role in ('dispatcher', 'fleet_manager')));

create policy sel on public.fuel_cards for select to authenticated
    using (exists (select 1 from public.company_users cu
                   where cu.company_id = company_id and cu.user_id = auth.uid()));

create policy sel on public.fuel_transactions for select to authenticated
    using (exists (select 1 from public.company_users cu
                   where cu.company_id = fuel_transactions.company_id and cu.user_id = auth.uid()));
create policy ins on public.fuel_transactions for insert to authenticated
    with check (exists (select 1 from public.company_users cu
                        where cu.company_id = fuel_transactions.company_id and cu.user_id = auth.uid()
                          and cu.user_role in ('dispatcher', 'fleet_manager')));

create policy sel on public.live_links for all to authenticated
    using (exists (select 1 from public.vehicles v join public.company_users cu on cu.company_id = v.company_id
                   where v.vehicle_id = live_links.vehicle_id and cu.user_id = auth.uid()
                     and cu.user_role in ('dispatcher', 'fleet_manager')));

create policy sel on public.telemetry for select to authenticated
    using (exists (select 1 from public.vehicles v join public.company_users cu on cu.company_id = v.company_id
                   where v.vehicle_id = telemetry.vehicle_id and cu.user_id = auth.uid()));

create policy sel on public.speed_limits for select using (true);

-- the pump tells the mileage
create function public.tg_fuel_odometer() returns trigger
language plpgsql security definer set search_path = public as $$
begin
    update vehicles set odometer_km = new.odometer_km
    where vehicle_id = new.vehicle_id and odometer_km < new.odometer_km;
    return new;
end $$;
create trigger fuel_odometer after insert on public.fuel_transactions
    for each row execute function public.tg_fuel_odometer();

-- "where is my parcel": customers get a link, no account
create function public.live_position(p_token text) returns table (lat double precision, lon double precision, seen timestamptz)
language sql stable security definer set search_path = public as $$
    select t.lat, t.lon, t.recorded_at
    from live_links l join telemetry t using (vehicle_id)
    where l.token = p_token and l.expires_at > now()
    order by t.recorded_at desc limit 1
$$;

commit;
