-- Harbour management: one row in marinas per harbour, crew are the users who work there.
create type public.crew_role as enum ('deckhand', 'dockmaster', 'harbourmaster');
create type public.berth_status as enum ('free', 'occupied', 'closed');

create table public.marinas (
  id bigint generated always as identity primary key,
  name text not null,
  country char(2) not null default 'DK',
  vhf_channel smallint,
  created_at timestamptz not null default now()
);

create table public.crew (
  marina_id bigint not null references public.marinas (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role public.crew_role not null default 'deckhand',
  phone text,
  primary key (marina_id, user_id)
);

create table public.tide_stations (
  id bigint generated always as identity primary key,
  name text not null,
  latitude numeric(8, 5) not null,
  longitude numeric(8, 5) not null
);

create table public.piers (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  letter text not null,
  unique (marina_id, letter),
  unique (id, marina_id)
);

create table public.boats (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  name text not null,
  owner_name text not null,
  owner_phone text,
  length_cm integer not null check (length_cm > 0),
  unique (id, marina_id)
);

create table public.berths (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  pier_id bigint not null,
  number integer not null,
  status public.berth_status not null default 'free',
  occupied_until date,
  foreign key (pier_id, marina_id) references public.piers (id, marina_id),
  unique (pier_id, number)
);

create table public.stays (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  berth_id bigint not null references public.berths (id),
  boat_id bigint not null,
  arrives date not null default current_date,
  leaves date not null default current_date + 1,
  foreign key (boat_id, marina_id) references public.boats (id, marina_id),
  check (leaves >= arrives)
);

create table public.meter_readings (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  read_by uuid not null default auth.uid(),
  kwh numeric(10, 2) not null,
  read_at timestamptz not null default now()
);

create table public.invoices (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  number text not null,
  total numeric(10, 2) not null default 0,
  paid boolean not null default false,
  unique (marina_id, number)
);

create table public.crew_invites (
  id bigint generated always as identity primary key,
  marina_id bigint not null references public.marinas (id) on delete cascade,
  email text not null,
  created_by uuid not null,
  created_at timestamptz not null default now()
);

create or replace function public.has_marina_role(p_marina bigint, p_least public.crew_role)
returns boolean
language plpgsql stable security definer
set search_path = ''
as $$
declare
  v_role public.crew_role;
begin
  select c.role into v_role from public.crew c where c.marina_id = p_marina and c.user_id = auth.uid();
  if not found then
    return false;
  end if;
  return v_role >= p_least;
end;
$$;

alter table public.marinas enable row level security;
alter table public.crew enable row level security;
alter table public.tide_stations enable row level security;
alter table public.piers enable row level security;
alter table public.boats enable row level security;
alter table public.berths enable row level security;
alter table public.stays enable row level security;
alter table public.meter_readings enable row level security;
alter table public.invoices enable row level security;
alter table public.crew_invites enable row level security;

create policy "marina: crew reads" on public.marinas for select to authenticated
  using (public.has_marina_role(id, 'deckhand'));
create policy "marina: harbourmaster edits" on public.marinas for update to authenticated
  using (public.has_marina_role(id, 'harbourmaster'));

create policy "crew: colleagues" on public.crew for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "crew: harbourmaster hires" on public.crew for insert to authenticated
  with check (public.has_marina_role(marina_id, 'harbourmaster'));
create policy "crew: harbourmaster dismisses" on public.crew for delete to authenticated
  using (public.has_marina_role(marina_id, 'harbourmaster'));
-- everybody keeps the own phone number up to date
create policy "crew: own entry" on public.crew for update to authenticated
  using (user_id = auth.uid() and public.has_marina_role(marina_id, 'deckhand'))
  with check (user_id = auth.uid() and public.has_marina_role(marina_id, 'deckhand'));

create policy "tide stations" on public.tide_stations for select using (true);

create policy "piers: read" on public.piers for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "piers: write" on public.piers for all to authenticated
  using (public.has_marina_role(marina_id, 'harbourmaster'));

create policy "boats: read" on public.boats for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "boats: write" on public.boats for all to authenticated
  using (public.has_marina_role(marina_id, 'dockmaster'));

create policy "berths: read" on public.berths for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "berths: write" on public.berths for all to authenticated
  using (public.has_marina_role(marina_id, 'dockmaster'));

create policy "stays: read" on public.stays for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "stays: book" on public.stays for insert to authenticated
  with check (public.has_marina_role(marina_id, 'dockmaster'));
create policy "stays: cancel" on public.stays for delete to authenticated
  using (public.has_marina_role(marina_id, 'dockmaster'));

create policy "meters: read" on public.meter_readings for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "meters: record" on public.meter_readings for insert to authenticated
  with check (public.has_marina_role(marina_id, 'deckhand') and read_by = auth.uid());

create policy "invoices: read" on public.invoices for select to authenticated
  using (public.has_marina_role(marina_id, 'deckhand'));
create policy "invoices: write" on public.invoices for all to authenticated
  using (public.has_marina_role(marina_id, 'harbourmaster'));

create policy "invites: harbourmaster" on public.crew_invites for select to authenticated
  using (public.has_marina_role(marina_id, 'harbourmaster'));

-- a booking marks the berth
create or replace function public.mark_berth()
returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
  update public.berths
     set status = 'occupied', occupied_until = new.leaves
   where id = new.berth_id;
  return new;
end;
$$;
create trigger stays_mark_berth after insert on public.stays
  for each row execute function public.mark_berth();

-- boats that change harbour take their record along
create or replace function public.take_over_boat(p_boat bigint, p_to bigint)
returns void
language plpgsql security definer
set search_path = ''
as $$
begin
  if not public.has_marina_role(p_to, 'dockmaster') then
    raise exception 'only dockmasters take over boats' using errcode = '42501';
  end if;
  delete from public.stays where boat_id = p_boat and arrives > current_date;
  update public.boats set marina_id = p_to where id = p_boat;
end;
$$;

create or replace function public.invite_crew(p_marina bigint, p_email text)
returns bigint
language plpgsql security definer
set search_path = ''
as $$
declare
  v_id bigint;
begin
  if not public.has_marina_role(p_marina, 'harbourmaster') then
    raise exception 'only the harbourmaster invites' using errcode = '42501';
  end if;
  insert into public.crew_invites (marina_id, email, created_by)
  values (p_marina, lower(p_email), auth.uid()) returning id into v_id;
  return v_id;
end;
$$;
revoke execute on function public.take_over_boat(bigint, bigint), public.invite_crew(bigint, text) from public, anon;

create view public.berth_board with (security_invoker = true) as
select b.id, b.marina_id, p.letter || b.number as place, b.status, b.occupied_until
from public.berths b join public.piers p on p.id = b.pier_id;
