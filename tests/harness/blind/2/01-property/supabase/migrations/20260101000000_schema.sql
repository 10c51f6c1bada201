-- Rentwise: property management for letting agencies

create schema if not exists private;
grant usage on schema private to authenticated;

create type public.staff_role as enum ('agent', 'manager', 'owner');
create type public.ticket_state as enum ('open', 'scheduled', 'done');

create table public.agencies (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  created_at timestamptz not null default now()
);

create table public.agency_staff (
  agency_id uuid not null references public.agencies (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role public.staff_role not null default 'agent',
  display_name text,
  phone text,
  primary key (agency_id, user_id)
);
create index on public.agency_staff (user_id);

create table public.unit_types (
  code text primary key,
  label text not null
);
insert into public.unit_types values ('flat', 'Flat'), ('house', 'House'), ('studio', 'Studio'), ('garage', 'Garage');

create table public.properties (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id) on delete cascade,
  address text not null,
  landlord_name text,
  landlord_iban text
);
create index on public.properties (agency_id);

create table public.units (
  id uuid primary key default gen_random_uuid(),
  property_id uuid not null references public.properties (id) on delete cascade,
  unit_type text not null default 'flat' references public.unit_types (code),
  label text not null,
  door_code text,
  monthly_rent numeric(10, 2) not null default 0
);
create index on public.units (property_id);

create table public.renters (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id) on delete cascade,
  full_name text not null,
  email text,
  unique (id, agency_id)
);
create index on public.renters (agency_id);

create table public.leases (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id) on delete cascade,
  unit_id uuid not null references public.units (id),
  renter_id uuid,
  starts_on date not null default current_date,
  ends_on date,
  foreign key (renter_id, agency_id) references public.renters (id, agency_id)
);
create index on public.leases (agency_id);
create index on public.leases (unit_id);
create index on public.leases (renter_id, agency_id);

create table public.rent_payments (
  id uuid primary key default gen_random_uuid(),
  agency_id uuid not null references public.agencies (id) on delete cascade,
  lease_id uuid not null references public.leases (id) on delete cascade,
  amount numeric(10, 2) not null,
  paid_on date not null default current_date,
  reference text
);
create index on public.rent_payments (agency_id);
create index on public.rent_payments (lease_id);

create table public.tickets (
  id uuid primary key default gen_random_uuid(),
  property_id uuid not null references public.properties (id) on delete cascade,
  title text not null,
  state public.ticket_state not null default 'open',
  closed_by uuid references auth.users (id)
);
create index on public.tickets (property_id);
create index on public.tickets (closed_by);

-- who works where -----------------------------------------------------------

create function private.my_agencies() returns setof uuid
language sql stable security definer set search_path = ''
as $$ select agency_id from public.agency_staff where user_id = (select auth.uid()) $$;

create function private.has_role(p_agency uuid, p_roles public.staff_role[]) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select 1 from public.agency_staff
    where agency_id = p_agency and user_id = (select auth.uid()) and role = any (p_roles)
  )
$$;

create function private.agency_of_property(p_property uuid) returns uuid
language sql stable security definer set search_path = ''
as $$ select agency_id from public.properties where id = p_property $$;

create function private.agency_of_lease(p_lease uuid) returns uuid
language sql stable security definer set search_path = ''
as $$ select agency_id from public.leases where id = p_lease $$;

create function private.leased_by_us(p_unit uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select 1 from public.leases
    where unit_id = p_unit and agency_id in (select private.my_agencies())
  )
$$;

grant execute on all functions in schema private to authenticated;

-- row level security --------------------------------------------------------

alter table public.agencies enable row level security;
alter table public.agency_staff enable row level security;
alter table public.unit_types enable row level security;
alter table public.properties enable row level security;
alter table public.units enable row level security;
alter table public.renters enable row level security;
alter table public.leases enable row level security;
alter table public.rent_payments enable row level security;
alter table public.tickets enable row level security;

create policy "staff see their agency" on public.agencies for select to authenticated
  using (id in (select private.my_agencies()));
create policy "owners rename their agency" on public.agencies for update to authenticated
  using (private.has_role(id, '{owner}'));

create policy "staff see each other" on public.agency_staff for select to authenticated
  using (agency_id in (select private.my_agencies()));
create policy "owners manage staff" on public.agency_staff for all to authenticated
  using (private.has_role(agency_id, '{owner}'));
create policy "staff keep their own card up to date" on public.agency_staff for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()) and agency_id in (select private.my_agencies()));

create policy "everybody reads unit types" on public.unit_types for select to anon, authenticated
  using (true);

create policy "staff see properties" on public.properties for select to authenticated
  using (agency_id in (select private.my_agencies()));
create policy "managers keep properties" on public.properties for all to authenticated
  using (private.has_role(agency_id, '{manager,owner}'));

create policy "staff see units" on public.units for select to authenticated
  using (
    private.agency_of_property(property_id) in (select private.my_agencies())
    -- units we let on behalf of somebody else's building
    or private.leased_by_us(id)
  );
create policy "managers keep units" on public.units for all to authenticated
  using (private.has_role(private.agency_of_property(property_id), '{manager,owner}'));

create policy "staff keep renters" on public.renters for all to authenticated
  using (agency_id in (select private.my_agencies()));

create policy "staff see leases" on public.leases for select to authenticated
  using (agency_id in (select private.my_agencies()));
create policy "staff write leases" on public.leases for insert to authenticated
  with check (agency_id in (select private.my_agencies()));
create policy "managers end leases" on public.leases for delete to authenticated
  using (private.has_role(agency_id, '{manager,owner}'));

create policy "staff see payments" on public.rent_payments for select to authenticated
  using (agency_id in (select private.my_agencies()));
create policy "managers book payments" on public.rent_payments for insert to authenticated
  with check (private.has_role(private.agency_of_lease(lease_id), '{manager,owner}'));

create function private.payment_agency() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  if new.agency_id is null then
    new.agency_id := private.agency_of_lease(new.lease_id);
  end if;
  return new;
end
$$;
create trigger payment_agency before insert on public.rent_payments
  for each row execute function private.payment_agency();

create policy "staff keep tickets" on public.tickets for all to authenticated
  using (private.agency_of_property(property_id) in (select private.my_agencies()));

-- views and functions of the app -------------------------------------------

create view public.rent_roll with (security_invoker = true) as
select p.agency_id, p.address, u.label, u.monthly_rent,
  (select max(l.starts_on) from public.leases as l where l.unit_id = u.id) as let_since
from public.properties as p
join public.units as u on u.property_id = p.id;

create function public.close_ticket(p_ticket uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_agency uuid;
begin
  select p.agency_id into v_agency
  from public.tickets as t join public.properties as p on p.id = t.property_id
  where t.id = p_ticket;
  if v_agency is null or not private.has_role(v_agency, '{agent,manager,owner}') then
    raise exception 'ticket not found' using errcode = 'PT404';
  end if;
  update public.tickets set state = 'done', closed_by = auth.uid() where id = p_ticket;
end
$$;

-- files ---------------------------------------------------------------------

insert into storage.buckets (id, name, public) values ('lease-docs', 'lease-docs', false);

create policy "staff read lease documents" on storage.objects for select to authenticated
  using (bucket_id = 'lease-docs' and (select auth.uid()) is not null);
create policy "staff upload lease documents" on storage.objects for insert to authenticated
  with check (bucket_id = 'lease-docs' and (storage.foldername(name))[1] in (select private.my_agencies()::text));
create policy "staff rename lease documents" on storage.objects for update to authenticated
  using (bucket_id = 'lease-docs' and (storage.foldername(name))[1] in (select private.my_agencies()::text))
  with check (bucket_id = 'lease-docs' and (storage.foldername(name))[1] in (select private.my_agencies()::text));
