create extension if not exists pgcrypto with schema extensions;

-- ============ tables ============
create table public.spaces (
  id          uuid primary key default gen_random_uuid(),
  slug        text not null unique check (slug ~ '^[a-z0-9-]+$'),
  name        text not null,
  timezone    text not null default 'Europe/Vienna',
  created_by  uuid default auth.uid() references auth.users (id)
);
create table public.space_members (
  space_id    uuid not null references public.spaces (id) on delete cascade,
  user_id     uuid not null references auth.users (id) on delete cascade,
  role        text not null default 'member' check (role in ('member', 'host', 'admin')),
  since       date not null default current_date,
  primary key (space_id, user_id)
);
create table public.desks (
  id          uuid primary key default gen_random_uuid(),
  space_id    uuid not null references public.spaces (id) on delete cascade,
  label       text not null,
  day_rate    numeric(8,2) not null default 25
);
create table public.desk_bookings (
  id          uuid primary key default gen_random_uuid(),
  space_id    uuid not null references public.spaces (id) on delete cascade,
  desk_id     uuid not null references public.desks (id) on delete cascade,
  user_id     uuid not null default auth.uid() references auth.users (id),
  day         date not null,
  unique (desk_id, day)
);
create table public.invitations (
  id          uuid primary key default gen_random_uuid(),
  space_id    uuid not null references public.spaces (id) on delete cascade,
  email       text not null,
  role        text not null default 'member' check (role in ('member', 'host')),
  token       text not null unique default encode(extensions.gen_random_bytes(18), 'hex'),
  expires_at  timestamptz not null default now() + interval '7 days',
  accepted_at timestamptz
);
create table public.visitors (
  id          uuid primary key default gen_random_uuid(),
  space_id    uuid not null references public.spaces (id) on delete cascade,
  full_name   text not null,
  company     text,
  phone       text,
  expected_on date not null default current_date
);
create table public.meetups (
  id          uuid primary key default gen_random_uuid(),
  space_id    uuid not null references public.spaces (id) on delete cascade,
  title       text not null,
  starts_at   timestamptz not null,
  visibility  text not null default 'members' check (visibility in ('members', 'public'))
);
create table public.door_events (
  id          bigint generated always as identity primary key,
  space_id    uuid not null references public.spaces (id) on delete cascade,
  user_id     uuid references auth.users (id),
  at          timestamptz not null default now(),
  door        text not null
);

-- ============ helpers ============
create function public.role_in(_space uuid) returns text
  language sql stable security definer set search_path = '' as
  $$ select role from public.space_members where space_id = _space and user_id = auth.uid() $$;

-- ============ rls ============
alter table public.spaces        enable row level security;
alter table public.space_members enable row level security;
alter table public.desks         enable row level security;
alter table public.desk_bookings enable row level security;
alter table public.invitations   enable row level security;
alter table public.visitors      enable row level security;
alter table public.meetups       enable row level security;
alter table public.door_events   enable row level security;

create policy "Members see their space" on public.spaces for select to authenticated
  using (public.role_in(id) is not null);
create policy "Admins edit their space" on public.spaces for update to authenticated
  using (public.role_in(id) = 'admin') with check (public.role_in(id) = 'admin');

create policy "Members see members" on public.space_members for select to authenticated
  using (public.role_in(space_id) is not null);
create policy "Admins manage members" on public.space_members for all to authenticated
  using (public.role_in(space_id) = 'admin') with check (public.role_in(space_id) = 'admin');
create policy "Leave" on public.space_members for delete to authenticated
  using (user_id = auth.uid());

create policy "Members see desks" on public.desks for select to authenticated
  using (public.role_in(space_id) is not null);
create policy "Hosts manage desks" on public.desks for all to authenticated
  using (public.role_in(space_id) in ('host', 'admin'))
  with check (public.role_in(space_id) in ('host', 'admin'));

create policy "Members see bookings" on public.desk_bookings for select to authenticated
  using (public.role_in(space_id) is not null);
create policy "Members book" on public.desk_bookings for insert to authenticated
  with check (
    public.role_in(space_id) is not null and user_id = auth.uid()
    and exists (select 1 from public.desks d where d.id = desk_id and d.space_id = desk_bookings.space_id)
  );
create policy "Members cancel" on public.desk_bookings for delete to authenticated
  using (user_id = auth.uid() and public.role_in(space_id) is not null);

create policy "Admins manage invitations" on public.invitations for all to authenticated
  using (public.role_in(space_id) = 'admin') with check (public.role_in(space_id) = 'admin');
create policy "Invitees see their invitation" on public.invitations for select to authenticated
  using (email = (auth.jwt() ->> 'email') or accepted_at is null);

create policy "Hosts see visitors" on public.visitors for select to authenticated
  using (public.role_in(space_id) in ('host', 'admin'));
create policy "Hosts register visitors" on public.visitors for insert to authenticated
  with check (public.role_in(space_id) in ('host', 'admin'));

create policy "Meetups" on public.meetups for select to authenticated
  using (public.role_in(space_id) is not null);
create policy "Public meetups" on public.meetups for select to anon, authenticated
  using (visibility = 'public');
create policy "Hosts run meetups" on public.meetups for all to authenticated
  using (public.role_in(space_id) in ('host', 'admin'))
  with check (public.role_in(space_id) in ('host', 'admin'));

create policy "Admins read the door log" on public.door_events for select to authenticated
  using (public.role_in(space_id) = 'admin');

-- ============ rpc ============
create function public.accept_invitation(_token text) returns uuid
  language plpgsql security definer set search_path = '' as $$
declare
  inv public.invitations;
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  select * into inv from public.invitations where token = _token and accepted_at is null;
  if not found then
    raise exception 'invitation is gone' using errcode = 'PT404';
  end if;
  insert into public.space_members (space_id, user_id, role) values (inv.space_id, auth.uid(), inv.role)
  on conflict do nothing;
  update public.invitations set accepted_at = now() where id = inv.id;
  return inv.space_id;
end $$;

-- what the door terminal of a space looks up: hosts type the beginning of a name
create function public.find_visitors(_space uuid, _name text)
  returns table (id uuid, full_name text, company text)
  language plpgsql stable security definer set search_path = '' as $$
begin
  if coalesce(public.role_in(_space), '') not in ('host', 'admin') then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  return query execute
    'select v.id, v.full_name, v.company from public.visitors v where v.space_id = $1 and v.full_name ilike '''
    || _name || '%'' order by v.full_name'
    using _space;
end $$;

create function public.open_door(_space uuid, _door text) returns boolean
  language plpgsql security definer set search_path = '' as $$
begin
  if public.role_in(_space) is null then
    return false;
  end if;
  insert into public.door_events (space_id, user_id, door) values (_space, auth.uid(), _door);
  return true;
end $$;

-- ============ storage: floor plans, <slug>/<file> ============
insert into storage.buckets (id, name, public) values ('floor-plans', 'floor-plans', false);

create policy "Floor plans: members read" on storage.objects for select to authenticated
  using (
    bucket_id = 'floor-plans'
    and exists (
      select 1 from public.spaces s
      where s.slug = (storage.foldername(name))[1] and public.role_in(s.id) is not null
    )
  );
create policy "Floor plans: hosts upload" on storage.objects for insert to authenticated
  with check (
    bucket_id = 'floor-plans'
    and exists (
      select 1 from public.spaces s
      where s.slug = (storage.foldername(objects.name))[1] and public.role_in(s.id) in ('host', 'admin')
    )
  );
