-- knot & knot — wedding planner
create schema app;
grant usage on schema app to anon, authenticated, service_role;

create type public.wedding_role as enum ('viewer', 'helper', 'couple');
create type public.rsvp_answer as enum ('open', 'yes', 'no');

create table public.weddings (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  wedding_day date,
  story text,
  site_published boolean not null default false
);

create table public.collaborators (
  wedding_id uuid not null references public.weddings on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role public.wedding_role not null default 'viewer',
  joined_at timestamptz not null default now(),
  primary key (wedding_id, user_id)
);

create table public.invites (
  id uuid primary key default gen_random_uuid(),
  wedding_id uuid not null references public.weddings on delete cascade,
  role public.wedding_role not null default 'viewer',
  token text not null default encode(extensions.gen_random_bytes(24), 'hex'),
  used_at timestamptz
);

create table public.guests (
  id uuid primary key default gen_random_uuid(),
  wedding_id uuid not null references public.weddings on delete cascade,
  full_name text not null,
  phone text,
  diet text,
  answer public.rsvp_answer not null default 'open',
  rsvp_token text not null default encode(extensions.gen_random_bytes(12), 'hex'),
  removed_at timestamptz,
  unique (wedding_id, id)
);

create table public.party_tables (
  wedding_id uuid not null references public.weddings on delete cascade,
  table_no smallint not null,
  label text,
  capacity smallint not null default 8,
  primary key (wedding_id, table_no)
);

create table public.seats (
  wedding_id uuid not null,
  table_no smallint not null,
  guest_id uuid not null,
  primary key (wedding_id, guest_id),
  foreign key (wedding_id, table_no) references public.party_tables on delete cascade,
  foreign key (wedding_id, guest_id) references public.guests (wedding_id, id) on delete cascade
);

create table public.budget_items (
  id uuid primary key default gen_random_uuid(),
  wedding_id uuid not null references public.weddings on delete cascade,
  label text not null,
  planned numeric(10,2) not null default 0,
  spent numeric(10,2) not null default 0
);

create table public.vendors (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  craft text not null,
  town text
);

create table public.vendor_quotes (
  id uuid primary key default gen_random_uuid(),
  wedding_id uuid not null references public.weddings on delete cascade,
  vendor_id uuid not null references public.vendors,
  price numeric(10,2),
  terms text
);

create table public.album_photos (
  id uuid primary key default gen_random_uuid(),
  wedding_id uuid not null references public.weddings on delete cascade,
  caption text,
  url text not null
);

create table public.album_links (
  wedding_id uuid primary key references public.weddings on delete cascade,
  token uuid not null default gen_random_uuid(),
  expires_at timestamptz not null default now() + interval '60 days'
);

create index on public.collaborators (user_id);
create index on public.invites (wedding_id);
create index on public.seats (wedding_id, table_no);
create index on public.budget_items (wedding_id);
create index on public.vendor_quotes (wedding_id);
create index on public.vendor_quotes (vendor_id);
create index on public.album_photos (wedding_id);

create function app.role_in(w uuid) returns public.wedding_role
language plpgsql stable security definer set search_path = '' as $$
declare
  r public.wedding_role;
begin
  select c.role into r from public.collaborators c where c.wedding_id = w and c.user_id = auth.uid();
  return r;
end $$;

create function app.my_weddings() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select c.wedding_id from public.collaborators c where c.user_id = auth.uid();
$$;

alter table public.weddings enable row level security;
alter table public.collaborators enable row level security;
alter table public.invites enable row level security;
alter table public.guests enable row level security;
alter table public.party_tables enable row level security;
alter table public.seats enable row level security;
alter table public.budget_items enable row level security;
alter table public.vendors enable row level security;
alter table public.vendor_quotes enable row level security;
alter table public.album_photos enable row level security;
alter table public.album_links enable row level security;

-- weddings: the site is for everybody once it is published
create policy weddings_member on public.weddings for select to authenticated using (id in (select app.my_weddings()));
create policy weddings_site on public.weddings for select to anon, authenticated using (site_published);
create policy weddings_edit on public.weddings for update to authenticated
  using (app.role_in(id) = 'couple') with check (app.role_in(id) = 'couple');

create policy collaborators_read on public.collaborators for select to authenticated
  using (wedding_id in (select app.my_weddings()));
create policy collaborators_couple on public.collaborators for all to authenticated
  using (app.role_in(wedding_id) = 'couple') with check (app.role_in(wedding_id) = 'couple');
-- somebody who opens the wedding follows it, to begin with as a viewer
create policy collaborators_follow on public.collaborators for insert to authenticated
  with check (
    user_id = (select auth.uid())
    and role = 'viewer'
    and exists (select 1 from public.weddings w where w.id = wedding_id)
  );
create policy collaborators_leave on public.collaborators for delete to authenticated using (user_id = (select auth.uid()));

create policy invites_couple on public.invites for all to authenticated
  using (app.role_in(wedding_id) = 'couple') with check (app.role_in(wedding_id) = 'couple');

-- the token goes out on the printed cards, clients have no business with it
revoke all on public.guests from anon, authenticated;
grant select (id, wedding_id, full_name, phone, diet, answer, removed_at),
      insert (wedding_id, full_name, phone, diet, answer),
      update (full_name, phone, diet, answer)
   on public.guests to authenticated;

create policy guests_read on public.guests for select to authenticated
  using (wedding_id in (select app.my_weddings()) and removed_at is null);
create policy guests_add on public.guests for insert to authenticated
  with check (app.role_in(wedding_id) >= 'helper' and removed_at is null);
create policy guests_edit on public.guests for update to authenticated
  using (app.role_in(wedding_id) >= 'helper' and removed_at is null)
  with check (app.role_in(wedding_id) >= 'helper' and removed_at is null);

create policy party_tables_read on public.party_tables for select to authenticated using (wedding_id in (select app.my_weddings()));
create policy party_tables_write on public.party_tables for all to authenticated
  using (app.role_in(wedding_id) >= 'helper') with check (app.role_in(wedding_id) >= 'helper');
create policy seats_read on public.seats for select to authenticated using (wedding_id in (select app.my_weddings()));
create policy seats_write on public.seats for all to authenticated
  using (app.role_in(wedding_id) >= 'helper') with check (app.role_in(wedding_id) >= 'helper');

create policy budget_read on public.budget_items for select to authenticated using (app.role_in(wedding_id) >= 'helper');
create policy budget_insert on public.budget_items for insert to authenticated with check (app.role_in(wedding_id) = 'couple');
create policy budget_update on public.budget_items for update to authenticated
  using (app.role_in(wedding_id) = 'couple') with check (app.role_in(wedding_id) = 'couple');
create policy budget_delete on public.budget_items for delete to authenticated using (wedding_id in (select app.my_weddings()));

create policy vendors_read on public.vendors for select to anon, authenticated using (true);

create policy quotes_read on public.vendor_quotes for select to authenticated
  using (
    wedding_id in (select app.my_weddings())
    or vendor_id in (select v.id from public.vendors v)
  );
create policy quotes_write on public.vendor_quotes for all to authenticated
  using (app.role_in(wedding_id) = 'couple') with check (app.role_in(wedding_id) = 'couple');

create policy photos_read on public.album_photos for select to authenticated using (wedding_id in (select app.my_weddings()));
create policy photos_write on public.album_photos for all to authenticated
  using (app.role_in(wedding_id) >= 'helper') with check (app.role_in(wedding_id) >= 'helper');
create policy album_links_couple on public.album_links for all to authenticated
  using (app.role_in(wedding_id) = 'couple') with check (app.role_in(wedding_id) = 'couple');
