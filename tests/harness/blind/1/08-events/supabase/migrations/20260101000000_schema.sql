-- Event platform
create table public.organizers (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  website text,
  created_at timestamptz not null default now()
);

create table public.organizer_members (
  organizer_id uuid not null references public.organizers (id) on delete cascade,
  user_id uuid not null references auth.users (id) on delete cascade,
  role text not null default 'staff',
  primary key (organizer_id, user_id),
  constraint known_role check (role in ('staff', 'admin'))
);
create index organizer_members_user on public.organizer_members (user_id);

create table public.venues (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null references public.organizers (id) on delete cascade,
  name text not null,
  capacity int,
  rent_cents int,
  unique (organizer_id, id)
);

create table public.events (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null references public.organizers (id) on delete cascade,
  venue_id uuid,
  title text not null,
  blurb text not null default '',
  starts_at timestamptz not null,
  state text not null default 'draft' check (state in ('draft', 'published', 'cancelled')),
  sold int not null default 0,
  unique (organizer_id, id),
  foreign key (organizer_id, venue_id) references public.venues (organizer_id, id)
);
create index events_venue on public.events (organizer_id, venue_id);

create table public.attendees (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null,
  event_id uuid not null,
  email text not null unique,
  full_name text not null,
  phone text,
  diet text,
  unique (organizer_id, id),
  foreign key (organizer_id, event_id) references public.events (organizer_id, id)
);
create index attendees_event on public.attendees (organizer_id, event_id);

create table public.tickets (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null,
  event_id uuid not null,
  attendee_id uuid not null,
  paid_cents int not null default 0,
  checked_in_at timestamptz,
  foreign key (organizer_id, event_id) references public.events (organizer_id, id),
  foreign key (organizer_id, attendee_id) references public.attendees (organizer_id, id) on delete cascade
);
create index tickets_event on public.tickets (organizer_id, event_id);
create index tickets_attendee on public.tickets (organizer_id, attendee_id);

-- people who help at the entrance for an evening
create table public.shifts (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null,
  event_id uuid not null,
  user_id uuid not null references auth.users (id) on delete cascade,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  check (ends_at > starts_at),
  foreign key (organizer_id, event_id) references public.events (organizer_id, id) on delete cascade
);
create index shifts_event on public.shifts (organizer_id, event_id);
create index shifts_user on public.shifts (user_id);

create table public.promo_codes (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null,
  event_id uuid not null,
  code text not null,
  percent int not null check (percent between 1 and 100),
  unique (event_id, code),
  foreign key (organizer_id, event_id) references public.events (organizer_id, id)
);
create index promo_codes_event on public.promo_codes (organizer_id, event_id);

create table public.sponsors (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null references public.organizers (id) on delete cascade,
  name text not null,
  pledge_cents int not null default 0
);
create index sponsors_organizer on public.sponsors (organizer_id);

create table public.invitations (
  id uuid primary key default gen_random_uuid(),
  organizer_id uuid not null references public.organizers (id) on delete cascade,
  email text not null,
  role text not null default 'staff' check (role in ('staff', 'admin')),
  created_at timestamptz not null default now(),
  accepted_at timestamptz
);
create index invitations_organizer on public.invitations (organizer_id);

-------------------------------------------------------------------------------

create function public.works_for(organizer uuid, wanted text default null) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  return exists (
    select from public.organizer_members m
    where m.organizer_id = organizer and m.user_id = (select auth.uid())
      and (wanted is null or m.role = wanted)
  );
end
$$;

alter table public.organizers enable row level security;
alter table public.organizer_members enable row level security;
alter table public.venues enable row level security;
alter table public.events enable row level security;
alter table public.attendees enable row level security;
alter table public.tickets enable row level security;
alter table public.shifts enable row level security;
alter table public.promo_codes enable row level security;
alter table public.sponsors enable row level security;
alter table public.invitations enable row level security;

create policy "team" on public.organizers for select to authenticated using (public.works_for(id));
create policy "admins" on public.organizers for update to authenticated using (public.works_for(id, 'admin'));

create policy "team" on public.organizer_members for select to authenticated using (public.works_for(organizer_id));
create policy "admins" on public.organizer_members for all to authenticated using (public.works_for(organizer_id, 'admin'));

create policy "team" on public.venues for all to authenticated using (public.works_for(organizer_id));

create policy "the programme" on public.events for select to anon, authenticated using (state = 'published');
create policy "team" on public.events for all to authenticated using (public.works_for(organizer_id));

create policy "team" on public.attendees for all to authenticated using (public.works_for(organizer_id));
create policy "on duty" on public.attendees for select to authenticated using (
  exists (
    select 1 from public.shifts s
    where s.event_id = attendees.event_id and s.user_id = (select auth.uid()) and s.starts_at <= now()
  )
);

create policy "team" on public.tickets for all to authenticated using (public.works_for(organizer_id));
create policy "on duty" on public.tickets for select to authenticated using (
  exists (
    select 1 from public.shifts s
    where s.event_id = tickets.event_id and s.user_id = (select auth.uid()) and now() between s.starts_at and s.ends_at
  )
);

create policy "team" on public.shifts for all to authenticated using (public.works_for(organizer_id));
create policy "mine" on public.shifts for select to authenticated using (user_id = (select auth.uid()));

create policy "team" on public.promo_codes for select to authenticated using (public.works_for(organizer_id));
create policy "admins" on public.promo_codes for all to authenticated using (public.works_for(organizer_id, 'admin'));
create policy "checkout" on public.promo_codes for select to anon, authenticated using (
  exists (select 1 from public.events e where e.id = promo_codes.event_id and e.state = 'published')
);

create policy "admins" on public.sponsors for all to authenticated using (public.works_for(organizer_id, 'admin'));

create policy "admins" on public.invitations for all to authenticated using (public.works_for(organizer_id, 'admin'));
create policy "invited" on public.invitations for select to authenticated using (
  lower(email) = lower(auth.jwt() ->> 'email') and accepted_at is null
);
