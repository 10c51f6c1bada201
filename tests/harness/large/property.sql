-- Property management. The back end writes org_id and org_role into app_metadata; every row carries its org_id.
create schema if not exists auth_helpers;
grant usage on schema auth_helpers to anon, authenticated, service_role;

create or replace function auth_helpers.current_org()
returns uuid
language plpgsql
stable
set search_path = ''
as $function$
declare
    claims jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
begin
    if claims is null then
        return null;
    end if;
    return nullif(claims -> 'app_metadata' ->> 'org_id', '')::uuid;
end;
$function$;

create or replace function auth_helpers.current_org_role()
returns text
language plpgsql
stable
set search_path = ''
as $function$
begin
    return coalesce((select auth.jwt()) -> 'app_metadata' ->> 'org_role', 'viewer');
end;
$function$;

create or replace function auth_helpers.can_write()
returns boolean
language plpgsql
stable
set search_path = ''
as $function$
begin
    return auth_helpers.current_org_role() in ('agent', 'accountant', 'owner');
end;
$function$;

create or replace function auth_helpers.is_owner()
returns boolean
language plpgsql
stable
set search_path = ''
as $function$
begin
    return auth_helpers.current_org_role() = 'owner';
end;
$function$;

create or replace function auth_helpers.keeps_books()
returns boolean
language plpgsql
stable
set search_path = ''
as $function$
begin
    return auth_helpers.current_org_role() in ('accountant', 'owner');
end;
$function$;

-- Reference data ------------------------------------------------------------
create table public.cities (
    id integer primary key,
    name text not null,
    country text not null default 'PT'
);
create table public.amenities (
    slug text primary key,
    label text not null
);
create table public.tax_rates (
    code text primary key,
    percent numeric(5, 2) not null check (percent between 0 and 100)
);
insert into public.cities (id, name) values (1, 'Lisboa'), (2, 'Porto');
insert into public.amenities (slug, label) values ('lift', 'Lift'), ('parking', 'Parking');
insert into public.tax_rates (code, percent) values ('standard', 23), ('reduced', 6);

-- Organizations -------------------------------------------------------------
create table public.organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null check (char_length(name) between 1 and 200),
    created_at timestamptz not null default now()
);
create table public.org_settings (
    org_id uuid primary key references public.organizations (id) on delete cascade,
    currency text not null default 'EUR' check (currency in ('EUR', 'GBP', 'USD')),
    rent_day smallint not null default 1 check (rent_day between 1 and 28),
    preferences jsonb not null default '{}'
);
create table public.org_counters (
    org_id uuid primary key references public.organizations (id) on delete cascade,
    properties integer not null default 0,
    units integer not null default 0,
    open_tickets integer not null default 0
);
create table public.org_sequences (
    org_id uuid not null references public.organizations (id) on delete cascade,
    name text not null check (name in ('invoice', 'ticket')),
    next_value bigint not null default 1,
    primary key (org_id, name)
);
create table public.team_members (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.organizations (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    full_name text not null,
    job_title text,
    unique (org_id, user_id)
);
create index team_members_user_id_idx on public.team_members (user_id);
create table public.api_keys (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.organizations (id) on delete cascade,
    label text not null,
    hashed_key text not null unique,
    last_used_at timestamptz,
    revoked boolean not null default false
);
create index api_keys_org_id_idx on public.api_keys (org_id);

-- Portfolio -----------------------------------------------------------------
create table public.landlords (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org() references public.organizations (id) on delete cascade,
    name text not null,
    iban text check (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'),
    email text,
    unique (org_id, id)
);
create table public.properties (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org() references public.organizations (id) on delete cascade,
    landlord_id uuid,
    city_id integer references public.cities (id),
    name text not null,
    street text,
    built_in smallint check (built_in between 1500 and 2100),
    archived_at timestamptz,
    created_by uuid default auth.uid(),
    unique (org_id, id),
    foreign key (org_id, landlord_id) references public.landlords (org_id, id)
);
create index properties_landlord_id_idx on public.properties (org_id, landlord_id);
create index properties_city_id_idx on public.properties (city_id);
create table public.property_amenities (
    org_id uuid not null,
    property_id uuid not null,
    amenity text not null references public.amenities (slug),
    primary key (org_id, property_id, amenity),
    foreign key (org_id, property_id) references public.properties (org_id, id) on delete cascade
);
create index property_amenities_amenity_idx on public.property_amenities (amenity);
create table public.buildings (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    property_id uuid not null,
    label text not null,
    floors smallint not null default 1 check (floors > 0),
    unique (org_id, id),
    foreign key (org_id, property_id) references public.properties (org_id, id) on delete cascade
);
create index buildings_property_id_idx on public.buildings (org_id, property_id);
create table public.units (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    building_id uuid not null,
    number text not null,
    square_metres numeric(8, 2) check (square_metres > 0),
    bedrooms smallint not null default 1 check (bedrooms between 0 and 12),
    status text not null default 'vacant' check (status in ('vacant', 'let', 'renovation', 'sold')),
    unique (org_id, id),
    unique (org_id, building_id, number),
    foreign key (org_id, building_id) references public.buildings (org_id, id) on delete cascade
);
create index units_building_id_idx on public.units (org_id, building_id);
create table public.unit_photos (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    path text not null,
    caption text,
    sort integer not null default 0,
    foreign key (org_id, unit_id) references public.units (org_id, id) on delete cascade
);
create index unit_photos_unit_id_idx on public.unit_photos (org_id, unit_id);
create table public.meters (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    kind text not null check (kind in ('water', 'gas', 'power', 'heat')),
    serial text not null,
    unique (org_id, id),
    foreign key (org_id, unit_id) references public.units (org_id, id) on delete cascade
);
create index meters_unit_id_idx on public.meters (org_id, unit_id);
create table public.meter_readings (
    org_id uuid not null default auth_helpers.current_org(),
    meter_id uuid not null,
    read_on date not null,
    value numeric(12, 3) not null check (value >= 0),
    read_by uuid default auth.uid(),
    primary key (org_id, meter_id, read_on),
    foreign key (org_id, meter_id) references public.meters (org_id, id) on delete cascade
);

-- People and leases ---------------------------------------------------------
create table public.renters (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org() references public.organizations (id) on delete cascade,
    full_name text not null,
    email text,
    phone text,
    erased_at timestamptz,
    unique (org_id, id)
);
create table public.renter_documents (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    renter_id uuid not null,
    kind text not null default 'other' check (kind in ('passport', 'payslip', 'contract', 'other')),
    path text not null,
    foreign key (org_id, renter_id) references public.renters (org_id, id) on delete cascade
);
create index renter_documents_renter_id_idx on public.renter_documents (org_id, renter_id);
create table public.leases (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    state text not null default 'draft' check (state in ('draft', 'active', 'ended')),
    starts_on date not null,
    ends_on date,
    monthly_rent numeric(10, 2) not null check (monthly_rent > 0),
    deposit numeric(10, 2) not null default 0 check (deposit >= 0),
    unique (org_id, id),
    foreign key (org_id, unit_id) references public.units (org_id, id),
    check (ends_on is null or ends_on > starts_on)
);
create index leases_unit_id_idx on public.leases (org_id, unit_id);
create table public.lease_renters (
    org_id uuid not null default auth_helpers.current_org(),
    lease_id uuid not null,
    renter_id uuid not null,
    is_main boolean not null default false,
    primary key (org_id, lease_id, renter_id),
    foreign key (org_id, lease_id) references public.leases (org_id, id) on delete cascade,
    foreign key (org_id, renter_id) references public.renters (org_id, id) on delete cascade
);
create index lease_renters_renter_id_idx on public.lease_renters (org_id, renter_id);
create table public.rent_changes (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    lease_id uuid not null,
    valid_from date not null,
    monthly_rent numeric(10, 2) not null check (monthly_rent > 0),
    foreign key (org_id, lease_id) references public.leases (org_id, id) on delete cascade
);
create index rent_changes_lease_id_idx on public.rent_changes (org_id, lease_id);
create table public.viewings (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    agent_id uuid not null default auth.uid(),
    visitor text not null,
    at timestamptz not null,
    cancelled boolean not null default false,
    foreign key (org_id, unit_id) references public.units (org_id, id) on delete cascade
);
create index viewings_unit_id_idx on public.viewings (org_id, unit_id);

-- Money ---------------------------------------------------------------------
create table public.invoices (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    lease_id uuid not null,
    number bigint,
    period daterange not null,
    status text not null default 'draft' check (status in ('draft', 'issued', 'paid', 'void')),
    total numeric(12, 2) not null default 0,
    unique (org_id, id),
    unique (org_id, number),
    foreign key (org_id, lease_id) references public.leases (org_id, id),
    check (status = 'draft' or number is not null)
);
create index invoices_lease_id_idx on public.invoices (org_id, lease_id);
create table public.invoice_lines (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    invoice_id uuid not null,
    description text not null,
    tax_code text not null default 'standard' references public.tax_rates (code),
    amount numeric(12, 2) not null,
    foreign key (org_id, invoice_id) references public.invoices (org_id, id) on delete cascade
);
create index invoice_lines_invoice_id_idx on public.invoice_lines (org_id, invoice_id);
create index invoice_lines_tax_code_idx on public.invoice_lines (tax_code);
create table public.payments (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    invoice_id uuid not null,
    amount numeric(12, 2) not null check (amount > 0),
    paid_on date not null default current_date,
    foreign key (org_id, invoice_id) references public.invoices (org_id, id)
);
create index payments_invoice_id_idx on public.payments (org_id, invoice_id);
create table public.expenses (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    property_id uuid not null,
    category text not null default 'repair' check (category in ('repair', 'insurance', 'tax', 'cleaning')),
    amount numeric(12, 2) not null check (amount > 0),
    spent_on date not null default current_date,
    approved_by uuid,
    foreign key (org_id, property_id) references public.properties (org_id, id)
);
create index expenses_property_id_idx on public.expenses (org_id, property_id);
create table public.payouts (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    landlord_id uuid not null,
    amount numeric(12, 2) not null check (amount > 0),
    executed_at timestamptz,
    foreign key (org_id, landlord_id) references public.landlords (org_id, id)
);
create index payouts_landlord_id_idx on public.payouts (org_id, landlord_id);

-- Maintenance ---------------------------------------------------------------
create table public.contractors (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org() references public.organizations (id) on delete cascade,
    name text not null,
    trades text[] not null default '{}',
    blocked boolean not null default false,
    unique (org_id, id)
);
create table public.tickets (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    number bigint not null,
    title text not null,
    status text not null default 'open' check (status in ('open', 'assigned', 'done', 'rejected')),
    priority integer not null default 3 check (priority between 1 and 5),
    contractor_id uuid,
    opened_by uuid default auth.uid(),
    updated_at timestamptz not null default now(),
    unique (org_id, id),
    unique (org_id, number),
    foreign key (org_id, unit_id) references public.units (org_id, id) on delete cascade,
    foreign key (org_id, contractor_id) references public.contractors (org_id, id)
);
create index tickets_unit_id_idx on public.tickets (org_id, unit_id);
create index tickets_contractor_id_idx on public.tickets (org_id, contractor_id);
create table public.ticket_comments (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    ticket_id uuid not null,
    author_id uuid not null default auth.uid(),
    body text not null check (body <> ''),
    internal boolean not null default false,
    created_at timestamptz not null default now(),
    foreign key (org_id, ticket_id) references public.tickets (org_id, id) on delete cascade
);
create index ticket_comments_ticket_id_idx on public.ticket_comments (org_id, ticket_id);
create table public.inspections (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    inspector_id uuid not null default auth.uid(),
    scheduled_for date not null,
    result jsonb check (result is null or jsonb_typeof(result) = 'object'),
    completed_at timestamptz,
    unique (org_id, id),
    foreign key (org_id, unit_id) references public.units (org_id, id) on delete cascade
);
create index inspections_unit_id_idx on public.inspections (org_id, unit_id);
create table public.keys (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    unit_id uuid not null,
    tag text not null,
    unique (org_id, id),
    unique (org_id, tag),
    foreign key (org_id, unit_id) references public.units (org_id, id) on delete cascade
);
create index keys_unit_id_idx on public.keys (org_id, unit_id);
create table public.key_loans (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org(),
    key_id uuid not null,
    borrower text not null,
    lent_at timestamptz not null default now(),
    returned_at timestamptz,
    foreign key (org_id, key_id) references public.keys (org_id, id) on delete cascade,
    check (returned_at >= lent_at)
);
create index key_loans_key_id_idx on public.key_loans (org_id, key_id);
create unique index key_loans_one_at_a_time on public.key_loans (org_id, key_id) where returned_at is null;
create table public.saved_filters (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null default auth_helpers.current_org() references public.organizations (id) on delete cascade,
    user_id uuid not null default auth.uid(),
    name text not null,
    definition jsonb not null default '{}',
    visibility text not null default 'private' check (visibility in ('private', 'team'))
);
create index saved_filters_org_id_idx on public.saved_filters (org_id);
create table public.audit_log (
    id bigint generated always as identity primary key,
    org_id uuid not null,
    table_name text not null,
    action text not null,
    row_id uuid,
    actor_id uuid,
    old_row jsonb,
    new_row jsonb,
    at timestamptz not null default now()
);
create index audit_log_org_id_idx on public.audit_log (org_id);

-- Triggers ------------------------------------------------------------------
create or replace function auth_helpers.write_audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $function$
declare
    subject jsonb;
begin
    subject := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
    insert into public.audit_log (org_id, table_name, action, row_id, actor_id, old_row, new_row)
    values (
        (subject ->> 'org_id')::uuid,
        tg_table_name,
        tg_op,
        (subject ->> 'id')::uuid,
        auth.uid(),
        case when tg_op = 'INSERT' then null else to_jsonb(old) end,
        case when tg_op = 'DELETE' then null else to_jsonb(new) end
    );
    return null;
end;
$function$;
create trigger audit_properties after insert or update or delete on public.properties
    for each row execute function auth_helpers.write_audit();
create trigger audit_leases after insert or update or delete on public.leases
    for each row execute function auth_helpers.write_audit();
create trigger audit_payouts after insert or update or delete on public.payouts
    for each row execute function auth_helpers.write_audit();

create or replace function auth_helpers.keep_org()
returns trigger
language plpgsql
set search_path = ''
as $function$
begin
    if new.org_id <> old.org_id then
        raise exception 'rows stay in their organization' using errcode = '42501';
    end if;
    return new;
end;
$function$;
create trigger keep_org before update on public.properties for each row execute function auth_helpers.keep_org();
create trigger keep_org before update on public.leases for each row execute function auth_helpers.keep_org();
create trigger keep_org before update on public.payouts for each row execute function auth_helpers.keep_org();
create trigger keep_org before update on public.tickets for each row execute function auth_helpers.keep_org();

create or replace function auth_helpers.count_properties()
returns trigger
language plpgsql
security definer
set search_path = ''
as $function$
begin
    if tg_op = 'INSERT' then
        insert into public.org_counters as c (org_id, properties) values (new.org_id, 1)
        on conflict (org_id) do update set properties = c.properties + 1;
        return new;
    end if;
    update public.org_counters set properties = greatest(properties - 1, 0) where org_id = old.org_id;
    return old;
end;
$function$;
create trigger count_properties after insert or delete on public.properties
    for each row execute function auth_helpers.count_properties();

create or replace function auth_helpers.number_ticket()
returns trigger
language plpgsql
security definer
set search_path = ''
as $function$
begin
    if auth_helpers.current_org() is not null and new.org_id is distinct from auth_helpers.current_org() then
        raise exception 'wrong organization' using errcode = '42501';
    end if;
    insert into public.org_sequences as s (org_id, name, next_value) values (new.org_id, 'ticket', 2)
    on conflict (org_id, name) do update set next_value = s.next_value + 1
    returning s.next_value - 1 into new.number;
    return new;
end;
$function$;
create trigger number_ticket before insert on public.tickets
    for each row execute function auth_helpers.number_ticket();

create or replace function auth_helpers.count_open_tickets()
returns trigger
language plpgsql
security definer
set search_path = ''
as $function$
begin
    insert into public.org_counters as c (org_id, open_tickets)
    values (new.org_id, (select count(*) from public.tickets t where t.org_id = new.org_id and t.status in ('open', 'assigned')))
    on conflict (org_id) do update set open_tickets = excluded.open_tickets;
    return null;
end;
$function$;
create trigger count_open_tickets after insert or update of status on public.tickets
    for each row execute function auth_helpers.count_open_tickets();

create or replace function auth_helpers.total_invoice()
returns trigger
language plpgsql
security definer
set search_path = ''
as $function$
declare
    target uuid := case when tg_op = 'DELETE' then old.invoice_id else new.invoice_id end;
begin
    update public.invoices i
    set total = coalesce((select sum(l.amount) from public.invoice_lines l where l.invoice_id = i.id), 0)
    where i.id = target;
    return null;
end;
$function$;
create trigger total_invoice after insert or update or delete on public.invoice_lines
    for each row execute function auth_helpers.total_invoice();

-- Row level security --------------------------------------------------------
alter table public.cities enable row level security;
alter table public.amenities enable row level security;
alter table public.tax_rates enable row level security;
create policy "cities are public" on public.cities for select to anon, authenticated using (true);
create policy "amenities are public" on public.amenities for select to anon, authenticated using (true);
create policy "tax rates are public" on public.tax_rates for select to authenticated using (true);

alter table public.organizations enable row level security;
create policy "members see their organization" on public.organizations for select to authenticated
    using (id = (select auth_helpers.current_org()));
create policy "owners rename it" on public.organizations for update to authenticated
    using (id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()))
    with check (id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));
revoke insert, update, delete on public.organizations from anon, authenticated;
grant update (name) on public.organizations to authenticated;

-- everybody of the organization reads, owners write
alter table public.org_settings enable row level security;
create policy "members read" on public.org_settings for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "owners insert" on public.org_settings for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));
create policy "owners update" on public.org_settings for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()))
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));
alter table public.org_counters enable row level security;
create policy "members read" on public.org_counters for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
alter table public.org_sequences enable row level security;
alter table public.team_members enable row level security;
create policy "members read" on public.team_members for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "owners write" on public.team_members for all to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()))
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));
alter table public.api_keys enable row level security;
create policy "owners read" on public.api_keys for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));
create policy "owners revoke" on public.api_keys for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()) and not revoked)
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()) and revoked);
revoke select, insert, update, delete on public.api_keys from anon, authenticated;
grant select (id, org_id, label, last_used_at, revoked), update (revoked) on public.api_keys to authenticated;

-- the portfolio: all read, those who can write write
do $do$
declare
    name text;
begin
    foreach name in array array[
        'landlords', 'property_amenities', 'buildings', 'units', 'unit_photos', 'meters', 'renters', 'lease_renters',
        'contractors', 'keys'
    ] loop
        execute format('alter table public.%I enable row level security', name);
        execute format(
            'create policy "members read" on public.%I for select to authenticated
             using (org_id = (select auth_helpers.current_org()))', name);
        execute format(
            'create policy "staff insert" on public.%I for insert to authenticated
             with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()))', name);
        execute format(
            'create policy "staff update" on public.%I for update to authenticated
             using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()))
             with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()))', name);
        execute format(
            'create policy "owners delete" on public.%I for delete to authenticated
             using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()))', name);
    end loop;
end;
$do$;

alter table public.properties enable row level security;
create policy "members read" on public.properties for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (archived_at is null or (select auth_helpers.is_owner())));
create policy "staff insert" on public.properties for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and archived_at is null);
create policy "staff update" on public.properties for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and archived_at is null)
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()));
create policy "owners delete" on public.properties for delete to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));

alter table public.meter_readings enable row level security;
create policy "members read" on public.meter_readings for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "staff read meters" on public.meter_readings for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and read_on <= current_date);
create policy "readers correct" on public.meter_readings for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and read_by = (select auth.uid()))
    with check (org_id = (select auth_helpers.current_org()) and read_by = (select auth.uid()));

alter table public.renter_documents enable row level security;
create policy "staff" on public.renter_documents for all to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()))
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()));

alter table public.leases enable row level security;
create policy "members read" on public.leases for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "staff draft" on public.leases for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and state = 'draft');
create policy "staff change drafts" on public.leases for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and state = 'draft')
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()));
create policy "owners end" on public.leases for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()) and state = 'active')
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()) and state = 'ended');
alter table public.rent_changes enable row level security;
create policy "members read" on public.rent_changes for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "books" on public.rent_changes for all to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()) and valid_from > current_date)
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()));
alter table public.viewings enable row level security;
create policy "members read" on public.viewings for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and not cancelled);
create policy "agents" on public.viewings for all to authenticated
    using (org_id = (select auth_helpers.current_org()) and agent_id = (select auth.uid()) and (select auth_helpers.can_write()))
    with check (org_id = (select auth_helpers.current_org()) and agent_id = (select auth.uid()) and (select auth_helpers.can_write()));

alter table public.invoices enable row level security;
create policy "books read" on public.invoices for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()));
create policy "books draft" on public.invoices for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()) and status = 'draft');
create policy "books change" on public.invoices for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()) and status in ('draft', 'issued'))
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()));
alter table public.invoice_lines enable row level security;
create policy "books read" on public.invoice_lines for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()));
create policy "books write drafts" on public.invoice_lines for insert to authenticated
    with check (
        org_id = (select auth_helpers.current_org())
        and exists (select 1 from public.invoices i where i.id = invoice_id and i.org_id = invoice_lines.org_id and i.status = 'draft')
    );
create policy "books strike drafts" on public.invoice_lines for delete to authenticated
    using (
        org_id = (select auth_helpers.current_org())
        and exists (select 1 from public.invoices i where i.id = invoice_id and i.org_id = invoice_lines.org_id and i.status = 'draft')
    );
alter table public.payments enable row level security;
create policy "books read" on public.payments for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()));
create policy "books enter" on public.payments for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()) and paid_on <= current_date);
alter table public.expenses enable row level security;
create policy "staff read" on public.expenses for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()));
create policy "staff enter" on public.expenses for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and approved_by is null);
create policy "books approve" on public.expenses for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()) and approved_by is null)
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()) and approved_by = (select auth.uid()));
alter table public.payouts enable row level security;
create policy "books read" on public.payouts for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.keeps_books()));
create policy "owners order" on public.payouts for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()) and executed_at is null);
create policy "owners cancel" on public.payouts for delete to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()) and executed_at is null);

alter table public.tickets enable row level security;
create policy "members read" on public.tickets for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "members open" on public.tickets for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and opened_by = (select auth.uid()) and status = 'open');
create policy "staff work" on public.tickets for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and status <> 'rejected')
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()));
alter table public.ticket_comments enable row level security;
create policy "members read" on public.ticket_comments for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (not internal or (select auth_helpers.can_write())));
create policy "members write" on public.ticket_comments for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and author_id = (select auth.uid())
        and (not internal or (select auth_helpers.can_write())));
create policy "authors delete" on public.ticket_comments for delete to authenticated
    using (org_id = (select auth_helpers.current_org()) and author_id = (select auth.uid())
        and created_at > now() - interval '15 minutes');
alter table public.inspections enable row level security;
create policy "members read" on public.inspections for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "inspectors" on public.inspections for all to authenticated
    using (org_id = (select auth_helpers.current_org()) and inspector_id = (select auth.uid()) and completed_at is null)
    with check (org_id = (select auth_helpers.current_org()) and inspector_id = (select auth.uid()) and (select auth_helpers.can_write()));
alter table public.key_loans enable row level security;
create policy "members read" on public.key_loans for select to authenticated
    using (org_id = (select auth_helpers.current_org()));
create policy "staff lend" on public.key_loans for insert to authenticated
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and returned_at is null);
create policy "staff take back" on public.key_loans for update to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and returned_at is null)
    with check (org_id = (select auth_helpers.current_org()) and (select auth_helpers.can_write()) and returned_at is not null);
alter table public.saved_filters enable row level security;
create policy "own" on public.saved_filters for all to authenticated
    using (org_id = (select auth_helpers.current_org()) and user_id = (select auth.uid()))
    with check (org_id = (select auth_helpers.current_org()) and user_id = (select auth.uid()));
create policy "team" on public.saved_filters for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and visibility = 'team');
alter table public.audit_log enable row level security;
create policy "owners read" on public.audit_log for select to authenticated
    using (org_id = (select auth_helpers.current_org()) and (select auth_helpers.is_owner()));
revoke insert, update, delete on public.audit_log from anon, authenticated;

-- Views ---------------------------------------------------------------------
create view public.vacancies with (security_invoker = on) as
select u.org_id, u.id as unit_id, u.number, u.bedrooms, p.name as property, c.name as city
from public.units u
join public.buildings b on b.id = u.building_id
join public.properties p on p.id = b.property_id
left join public.cities c on c.id = p.city_id
where u.status = 'vacant';
create view public.outstanding with (security_invoker = on) as
select i.org_id, i.lease_id, sum(i.total) - coalesce(sum(p.paid), 0) as due
from public.invoices i
left join lateral (select sum(amount) as paid from public.payments where invoice_id = i.id) p on true
where i.status = 'issued'
group by i.org_id, i.lease_id;
create view public.portfolio with (security_barrier) as
select o.id as org_id, o.name, coalesce(c.properties, 0) as properties, coalesce(c.open_tickets, 0) as open_tickets
from public.organizations o left join public.org_counters c on c.org_id = o.id
where o.id = auth_helpers.current_org();
revoke all on public.portfolio from anon, authenticated;
grant select on public.portfolio to authenticated;

-- RPCs ----------------------------------------------------------------------
create or replace function public.issue_invoice(p_invoice uuid)
returns bigint
language plpgsql
security definer
set search_path = ''
as $function$
declare
    v_number bigint;
begin
    perform 1 from public.invoices i
    where i.id = p_invoice and i.org_id = auth_helpers.current_org() and i.status = 'draft'
    for update;
    if not found or not auth_helpers.keeps_books() then
        raise exception 'no such draft' using errcode = 'P0002';
    end if;
    insert into public.org_sequences as s (org_id, name, next_value) values (auth_helpers.current_org(), 'invoice', 2)
    on conflict (org_id, name) do update set next_value = s.next_value + 1
    returning s.next_value - 1 into v_number;
    update public.invoices set number = v_number, status = 'issued' where id = p_invoice;
    return v_number;
end;
$function$;

create or replace function public.assign_contractor(p_ticket uuid, p_contractor uuid)
returns void
language plpgsql
security definer
set search_path = ''
as $function$
declare
    v_org uuid := auth_helpers.current_org();
begin
    if v_org is null or not auth_helpers.can_write() then
        raise exception 'not allowed' using errcode = '42501';
    end if;
    if not exists (select 1 from public.contractors c where c.id = p_contractor and c.org_id = v_org and not c.blocked) then
        raise exception 'no such contractor' using errcode = 'P0002';
    end if;
    update public.tickets set contractor_id = p_contractor, status = 'assigned', updated_at = now()
    where id = p_ticket and org_id = v_org and status in ('open', 'assigned');
    if not found then
        raise exception 'no such ticket' using errcode = 'P0002';
    end if;
end;
$function$;

create or replace function public.bulk_readings(p_readings jsonb)
returns integer
language plpgsql
security invoker
set search_path = ''
as $function$
declare
    r record;
    n integer := 0;
begin
    for r in select * from jsonb_to_recordset(p_readings) as x (meter_id uuid, read_on date, value numeric) loop
        insert into public.meter_readings (org_id, meter_id, read_on, value)
        values (auth_helpers.current_org(), r.meter_id, r.read_on, r.value)
        on conflict (org_id, meter_id, read_on) do nothing;
        n := n + 1;
    end loop;
    return n;
end;
$function$;

create or replace function public.update_settings(p_patch jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $function$
declare
    v_new jsonb;
begin
    if auth_helpers.current_org() is null or not auth_helpers.is_owner() then
        raise exception 'owners only' using errcode = '42501';
    end if;
    insert into public.org_settings as s (org_id, preferences) values (auth_helpers.current_org(), p_patch)
    on conflict (org_id) do update set preferences = s.preferences || excluded.preferences
    returning s.preferences into v_new;
    return v_new;
end;
$function$;

create or replace function public.rent_roll(p_property uuid)
returns table (unit text, rent numeric, until date)
language sql
stable
set search_path = ''
as $function$
    select u.number, l.monthly_rent, l.ends_on
    from public.units u
    join public.buildings b on b.id = u.building_id
    join public.leases l on l.unit_id = u.id
    where b.property_id = p_property and l.state = 'active'
    order by u.number;
$function$;

create or replace function public.statistics()
returns jsonb
language sql
stable
security definer
set search_path = ''
as $function$
    select jsonb_build_object(
        'units', (select count(*) from public.units u where u.org_id = auth_helpers.current_org()),
        'let', (select count(*) from public.units u where u.org_id = auth_helpers.current_org() and u.status = 'let'),
        'rent', (select sum(l.monthly_rent) from public.leases l where l.org_id = auth_helpers.current_org() and l.state = 'active')
    );
$function$;
revoke execute on function public.issue_invoice(uuid), public.assign_contractor(uuid, uuid), public.bulk_readings(jsonb),
    public.update_settings(jsonb), public.rent_roll(uuid), public.statistics() from public, anon;

-- Files: ORG/UNIT/photo
insert into storage.buckets (id, name, public) values ('unit-photos', 'unit-photos', false);
create policy "members see photos" on storage.objects for select to authenticated
    using (bucket_id = 'unit-photos' and (storage.foldername(name))[1] = (select auth_helpers.current_org())::text);
create policy "staff upload photos" on storage.objects for insert to authenticated
    with check (bucket_id = 'unit-photos' and (storage.foldername(name))[1] = (select auth_helpers.current_org())::text
        and (select auth_helpers.can_write()));
