-- Orchestra office
create schema private;
grant usage on schema private to authenticated;

create table orchestras (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  calendar_token text not null default encode(extensions.gen_random_bytes(24), 'hex')
);

create table players (
  id uuid primary key default gen_random_uuid(),
  orchestra_id uuid not null references orchestras on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  instrument text not null default 'violin',
  is_librarian boolean not null default false,
  is_manager boolean not null default false,
  is_treasurer boolean not null default false,
  unique (orchestra_id, user_id)
);

create table substitutes (
  id uuid primary key default gen_random_uuid(),
  orchestra_id uuid not null references orchestras on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  instrument text not null,
  valid_from timestamptz not null default now(),
  valid_until timestamptz not null default now() + interval '7 days'
);

create table pieces (
  id uuid primary key default gen_random_uuid(),
  orchestra_id uuid not null references orchestras on delete cascade,
  composer text not null,
  title text not null
);

create table parts (
  id uuid primary key default gen_random_uuid(),
  piece_id uuid not null references pieces on delete cascade,
  instrument text not null,
  bowings text,
  downloads integer not null default 0
);

create table concerts (
  id uuid primary key default gen_random_uuid(),
  orchestra_id uuid not null references orchestras on delete cascade,
  title text not null,
  venue text,
  starts_at timestamptz not null,
  is_public boolean not null default false
);

create table rehearsals (
  id uuid primary key default gen_random_uuid(),
  orchestra_id uuid not null references orchestras on delete cascade,
  starts_at timestamptz not null,
  room text,
  remarks text
);

create table attendance (
  rehearsal_id uuid not null references rehearsals on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  comes boolean not null default true,
  excuse text,
  primary key (rehearsal_id, user_id)
);

create table fees (
  id uuid primary key default gen_random_uuid(),
  orchestra_id uuid not null references orchestras on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  amount numeric(8,2) not null,
  due_on date not null default current_date,
  paid boolean not null default false
);

create index on players (user_id);
create index on substitutes (orchestra_id);
create index on substitutes (user_id);
create index on pieces (orchestra_id);
create index on parts (piece_id);
create index on concerts (orchestra_id);
create index on rehearsals (orchestra_id);
create index on attendance (user_id);
create index on fees (orchestra_id);
create index on fees (user_id);

create function private.my_orchestras() returns setof uuid
language sql stable security definer set search_path = ''
as $$ select orchestra_id from public.players where user_id = (select auth.uid()) $$;

create function private.my_orchestras_as(flag text) returns setof uuid
language sql stable security definer set search_path = ''
as $$
  select orchestra_id from public.players
  where user_id = (select auth.uid())
    and case flag when 'librarian' then is_librarian when 'manager' then is_manager when 'treasurer' then is_treasurer else false end
$$;

-- substitutes: while they are booked they see what they are to play
create function private.booked_at() returns setof uuid
language sql stable security definer set search_path = ''
as $$
  select orchestra_id from public.substitutes
  where user_id = (select auth.uid()) and now() between valid_from and valid_until
$$;

create function private.piece_orchestra(piece uuid) returns uuid
language sql stable security definer set search_path = ''
as $$ select orchestra_id from public.pieces where id = piece $$;

create function private.rehearsal_orchestra(rehearsal uuid) returns uuid
language sql stable security definer set search_path = ''
as $$ select orchestra_id from public.rehearsals where id = rehearsal $$;

alter table orchestras enable row level security;
alter table players enable row level security;
alter table substitutes enable row level security;
alter table pieces enable row level security;
alter table parts enable row level security;
alter table concerts enable row level security;
alter table rehearsals enable row level security;
alter table attendance enable row level security;
alter table fees enable row level security;

create policy "read own" on orchestras for select to authenticated using (id in (select private.my_orchestras()));

create policy "read colleagues" on players for select to authenticated using (orchestra_id in (select private.my_orchestras()));
create policy "manager keeps the list" on players for all to authenticated
  using (orchestra_id in (select private.my_orchestras_as('manager')))
  with check (orchestra_id in (select private.my_orchestras_as('manager')));

create policy "read bookings" on substitutes for select to authenticated
  using (user_id = (select auth.uid()) or orchestra_id in (select private.my_orchestras()));
create policy "manager books" on substitutes for all to authenticated
  using (orchestra_id in (select private.my_orchestras_as('manager')))
  with check (orchestra_id in (select private.my_orchestras_as('manager')));

create policy "read pieces" on pieces for select to authenticated
  using (orchestra_id in (select private.my_orchestras()) or orchestra_id in (select private.booked_at()));
create policy "librarian keeps pieces" on pieces for all to authenticated
  using (orchestra_id in (select private.my_orchestras_as('librarian')))
  with check (orchestra_id in (select private.my_orchestras_as('librarian')));

create policy "read parts" on parts for select to authenticated
  using (private.piece_orchestra(piece_id) in (select private.my_orchestras()));
create policy "substitutes read parts" on parts for select to authenticated
  using (exists (
    select 1 from substitutes s
    where s.user_id = (select auth.uid())
      and s.orchestra_id = private.piece_orchestra(parts.piece_id)
      and s.instrument = parts.instrument
      and s.valid_from <= now()
  ));
create policy "librarian keeps parts" on parts for all to authenticated
  using (private.piece_orchestra(piece_id) in (select private.my_orchestras_as('librarian')))
  with check (private.piece_orchestra(piece_id) in (select private.my_orchestras_as('librarian')));

create policy "concert calendar" on concerts for select to anon, authenticated using (is_public);
create policy "read concerts" on concerts for select to authenticated using (orchestra_id in (select private.my_orchestras()));
create policy "manager plans concerts" on concerts for all to authenticated
  using (orchestra_id in (select private.my_orchestras_as('manager')))
  with check (orchestra_id in (select private.my_orchestras_as('manager')));

create policy "read rehearsals" on rehearsals for select to authenticated using (orchestra_id in (select private.my_orchestras()));
create policy "manager plans rehearsals" on rehearsals for all to authenticated
  using (orchestra_id in (select private.my_orchestras_as('manager')))
  with check (orchestra_id in (select private.my_orchestras_as('manager')));

create policy "read attendance" on attendance for select to authenticated
  using (private.rehearsal_orchestra(rehearsal_id) in (select private.my_orchestras()));
create policy "say whether one comes" on attendance for insert to authenticated
  with check (user_id = (select auth.uid()) and private.rehearsal_orchestra(rehearsal_id) in (select private.my_orchestras()));
create policy "change one's mind" on attendance for update to authenticated
  using (user_id = (select auth.uid()) and private.rehearsal_orchestra(rehearsal_id) in (select private.my_orchestras()))
  with check (user_id = (select auth.uid()) and private.rehearsal_orchestra(rehearsal_id) in (select private.my_orchestras()));

create policy "read fees" on fees for select to authenticated
  using (
    orchestra_id in (select private.my_orchestras_as('treasurer'))
    or orchestra_id in (select private.my_orchestras_as('manager'))
  );
create policy "treasurer adds fees" on fees for insert to authenticated
  with check (orchestra_id in (select private.my_orchestras_as('treasurer')));
create policy "treasurer changes fees" on fees for update to authenticated
  using (
    orchestra_id in (select private.my_orchestras_as('treasurer'))
    or orchestra_id in (select private.my_orchestras_as('manager'))
  )
  with check (
    orchestra_id in (select private.my_orchestras_as('treasurer'))
    or orchestra_id in (select private.my_orchestras_as('manager'))
  );
create policy "treasurer deletes fees" on fees for delete to authenticated
  using (orchestra_id in (select private.my_orchestras_as('treasurer')));

-- download counter, called by the player page
create function count_download(part uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update public.parts p set downloads = downloads + 1
  from public.pieces i
  where p.id = part and i.id = p.piece_id
    and i.orchestra_id in (select private.my_orchestras());
end;
$$;

-- calendar feed: phones subscribe to it without signing in
create function calendar_feed(orchestra uuid, token text default null)
returns table (starts_at timestamptz, room text, remarks text)
language sql stable security definer set search_path = ''
as $$
  select r.starts_at, r.room, r.remarks
  from public.rehearsals r
  join public.orchestras o on o.id = r.orchestra_id
  where o.id = orchestra
    and o.calendar_token = coalesce(token, o.calendar_token)
  order by 1
$$;

-- files: scores/<orchestra>/<file>
insert into storage.buckets (id, name, public) values ('scores', 'scores', false) on conflict do nothing;

create policy "scores read" on storage.objects for select to authenticated
  using (
    bucket_id = 'scores'
    and (storage.foldername(name))[1] in (select o::text from private.my_orchestras() o)
  );
create policy "scores upload" on storage.objects for insert to authenticated
  with check (
    bucket_id = 'scores'
    and exists (select 1 from public.players p where p.user_id = (select auth.uid()) and p.is_librarian)
  );
create policy "scores remove" on storage.objects for delete to authenticated
  using (
    bucket_id = 'scores'
    and (storage.foldername(name))[1] in (select o::text from private.my_orchestras_as('librarian') o)
  );
