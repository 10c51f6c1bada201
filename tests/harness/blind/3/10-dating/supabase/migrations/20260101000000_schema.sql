-- Lantern: everyone here is on her own; no organisations, no teams.

create table public.profile (
  user_id uuid primary key default auth.uid() references auth.users on delete cascade,
  display_name text not null,
  bio text,
  visible boolean not null default true,
  push_token text
);

create table public.private_detail (
  user_id uuid primary key default auth.uid() references auth.users on delete cascade,
  phone text,
  born date,
  lat double precision,
  lon double precision
);

create table public.prompt (
  id smallint primary key,
  question text not null
);
insert into public.prompt values (1, 'A perfect Sunday'), (2, 'I will never…');

create table public.prompt_answer (
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  prompt_id smallint not null references public.prompt,
  answer text not null,
  primary key (user_id, prompt_id)
);

create table public.album (
  id uuid primary key default gen_random_uuid(),
  owner_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null
);

create table public.photo (
  id uuid primary key default gen_random_uuid(),
  album_id uuid not null references public.album on delete cascade,
  path text not null,
  caption text
);

create table public.album_access (
  id uuid primary key default gen_random_uuid(),
  album_id uuid not null references public.album on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  until timestamptz not null default now() + interval '30 days',
  seen_at timestamptz
);

create table public.likes (
  from_user uuid not null default auth.uid() references auth.users on delete cascade,
  to_user uuid not null references auth.users on delete cascade,
  liked_at timestamptz not null default now(),
  primary key (from_user, to_user),
  check (from_user <> to_user)
);

create table public.block (
  blocker_id uuid not null default auth.uid() references auth.users on delete cascade,
  blocked_id uuid not null references auth.users on delete cascade,
  why text,
  primary key (blocker_id, blocked_id)
);

create table public.report (
  id bigint generated always as identity primary key,
  reporter_id uuid not null default auth.uid() references auth.users on delete cascade,
  reported_id uuid not null references auth.users on delete cascade,
  body text not null
);

alter table public.profile enable row level security;
alter table public.private_detail enable row level security;
alter table public.prompt enable row level security;
alter table public.prompt_answer enable row level security;
alter table public.album enable row level security;
alter table public.photo enable row level security;
alter table public.album_access enable row level security;
alter table public.likes enable row level security;
alter table public.block enable row level security;
alter table public.report enable row level security;

-- the push token is for our sender alone: it can be set, and not be read
revoke all on public.profile from anon, authenticated;
grant select (user_id, display_name, bio, visible) on public.profile to authenticated;
grant insert (user_id, display_name, bio, visible, push_token), update (display_name, bio, visible, push_token) on public.profile to authenticated;
grant delete on public.profile to authenticated;

create policy "profile: shown, or mine" on public.profile for select to authenticated
  using (visible or user_id = (select auth.uid()));
create policy "profile: write mine" on public.profile for all to authenticated
  using (user_id = (select auth.uid()));

create policy "detail: mine" on public.private_detail for all to authenticated
  using (user_id = (select auth.uid()));

create policy "prompt: read" on public.prompt for select to authenticated using (true);

create policy "answer: with the profile" on public.prompt_answer for select to authenticated
  using (exists (select 1 from public.profile p where p.user_id = prompt_answer.user_id and p.visible));
create policy "answer: mine" on public.prompt_answer for all to authenticated
  using (user_id = (select auth.uid()));

create schema lantern;
grant usage on schema lantern to authenticated;
create function lantern.owns(album uuid) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (select 1 from public.album a where a.id = album and a.owner_id = auth.uid())
$$;
create function lantern.let_in(album uuid) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (select 1 from public.album_access x where x.album_id = album and x.user_id = auth.uid() and x.until > now())
$$;

create policy "album: mine" on public.album for all to authenticated
  using (owner_id = (select auth.uid()));
create policy "album: let in" on public.album for select to authenticated
  using (lantern.let_in(id));

create policy "photo: mine" on public.photo for all to authenticated
  using (lantern.owns(album_id));
create policy "photo: let in" on public.photo for select to authenticated
  using (lantern.let_in(album_id));

create policy "access: of my albums" on public.album_access for all to authenticated
  using (lantern.owns(album_id));
create policy "access: to me" on public.album_access for select to authenticated
  using (user_id = (select auth.uid()));
create policy "access: seen" on public.album_access for update to authenticated
  using (user_id = (select auth.uid()) and until > now())
  with check (user_id = (select auth.uid()));

create policy "likes: mine" on public.likes for all to authenticated
  using (from_user = (select auth.uid()));

create policy "block: read" on public.block for select to authenticated
  using ((select auth.uid()) in (blocker_id, blocked_id));
create policy "block: set" on public.block for insert to authenticated
  with check (blocker_id = (select auth.uid()));
create policy "block: lift" on public.block for delete to authenticated
  using (blocker_id = (select auth.uid()));

create policy "report: send" on public.report for insert to authenticated
  with check (reporter_id = (select auth.uid()));
create policy "report: mine" on public.report for select to authenticated
  using (reporter_id = (select auth.uid()));

-- two who like each other
create function public.my_matches() returns table (user_id uuid, display_name text, since timestamptz)
language sql stable security definer set search_path = '' as $$
  select p.user_id, p.display_name, greatest(mine.liked_at, theirs.liked_at)
  from public.likes mine
  join public.likes theirs on theirs.from_user = mine.to_user and theirs.to_user = mine.from_user
  join public.profile p on p.user_id = mine.to_user
  where mine.from_user = auth.uid() and p.visible
    and not exists (select 1 from public.block b where b.blocker_id = p.user_id and b.blocked_id = auth.uid())
$$;
revoke execute on function public.my_matches() from public, anon;

-- who is near: places never leave the server, only kilometres do
create function public.nearby(km double precision default 25)
returns table (user_id uuid, display_name text, bio text, distance int)
language plpgsql stable security definer set search_path = '' as $$
declare
  me public.private_detail;
begin
  select * into me from public.private_detail d where d.user_id = auth.uid();
  if not found then
    raise exception 'tell us where you are first' using errcode = 'P0002';
  end if;
  return query
    select n.* from (
      select p.user_id, p.display_name, p.bio,
        round(111.2 * sqrt((d.lat - me.lat) ^ 2 + ((d.lon - me.lon) * cos(radians(me.lat))) ^ 2))::int as distance
      from public.private_detail d
      join public.profile p on p.user_id = d.user_id
      where d.user_id <> me.user_id
        and not exists (select 1 from public.block b where b.blocker_id = d.user_id and b.blocked_id = me.user_id)
    ) n
    where n.distance <= km
    order by n.distance;
end $$;
revoke execute on function public.nearby(double precision) from public, anon;

insert into storage.buckets (id, name, public) values ('albums', 'albums', false) on conflict do nothing;
create policy "albums: read mine" on storage.objects for select to authenticated
  using (bucket_id = 'albums' and (storage.foldername(name))[1] = (select auth.uid())::text);
create policy "albums: add mine" on storage.objects for insert to authenticated
  with check (bucket_id = 'albums' and (storage.foldername(name))[1] = (select auth.uid())::text);
create policy "albums: move mine" on storage.objects for update to authenticated
  using (bucket_id = 'albums' and (storage.foldername(name))[1] = (select auth.uid())::text)
  with check (bucket_id = 'albums');
create policy "albums: remove mine" on storage.objects for delete to authenticated
  using (bucket_id = 'albums' and (storage.foldername(name))[1] = (select auth.uid())::text);
