-- LiftLog. One person, one log; coaches may be let in.

create table public.profiles (
  id uuid primary key references auth.users on delete cascade,
  nickname text,
  birth_year int
);

create function public.handle_new_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, nickname) values (new.id, new.raw_user_meta_data ->> 'nickname')
  on conflict (id) do nothing;
  return new;
end;
$$;
create trigger on_auth_user_created after insert on auth.users
  for each row execute procedure public.handle_new_user();

-- user_id null: comes with the app
create table public.exercises (
  id bigint primary key generated always as identity,
  user_id uuid references auth.users on delete cascade,
  name text not null,
  muscle text
);
insert into public.exercises (name, muscle) values ('Squat', 'legs'), ('Bench press', 'chest'), ('Deadlift', 'back');

create table public.workouts (
  id bigint primary key generated always as identity,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null,
  done_on date not null default current_date,
  is_public boolean not null default false
);

create table public.workout_sets (
  id bigint primary key generated always as identity,
  workout_id bigint not null references public.workouts on delete cascade,
  exercise text not null,
  reps int not null,
  kg numeric(6, 2) not null
);

create table public.body_metrics (
  id bigint primary key generated always as identity,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  measured_on date not null default current_date,
  weight_kg numeric(5, 2),
  fat_percent numeric(4, 1)
);

create type public.coaching_status as enum ('requested', 'active');

create table public.coach_links (
  client_id uuid not null references auth.users on delete cascade,
  coach_id uuid not null references auth.users on delete cascade,
  status public.coaching_status not null default 'requested',
  revoked_at timestamptz,
  primary key (client_id, coach_id)
);

create table public.coach_notes (
  id bigint primary key generated always as identity,
  client_id uuid not null references auth.users on delete cascade,
  coach_id uuid not null default auth.uid() references auth.users on delete cascade,
  note text not null
);

create table public.challenges (
  id bigint primary key generated always as identity,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  title text not null
);

create table public.challenge_entries (
  challenge_id bigint not null references public.challenges on delete cascade,
  athlete_id uuid not null references auth.users on delete cascade,
  total_kg numeric(10, 2) not null default 0,
  primary key (challenge_id, athlete_id)
);

create index on public.exercises (user_id);
create index on public.workouts (user_id);
create index on public.workout_sets (workout_id);
create index on public.body_metrics (user_id);
create index on public.coach_links (coach_id);
create index on public.coach_notes (client_id);
create index on public.coach_notes (coach_id);
create index on public.challenges (user_id);
create index on public.challenge_entries (athlete_id);

alter table public.profiles enable row level security;
alter table public.exercises enable row level security;
alter table public.workouts enable row level security;
alter table public.workout_sets enable row level security;
alter table public.body_metrics enable row level security;
alter table public.coach_links enable row level security;
alter table public.coach_notes enable row level security;
alter table public.challenges enable row level security;
alter table public.challenge_entries enable row level security;

create function public.coaches(client uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from public.coach_links l
    where l.client_id = client and l.coach_id = (select auth.uid())
      and l.status = 'active' and l.revoked_at is null
  );
$$;

create policy "Own profile" on public.profiles for all to authenticated
  using ((select auth.uid()) = id) with check ((select auth.uid()) = id);
create policy "Coach reads profile" on public.profiles for select to authenticated
  using (public.coaches(id));

create policy "Built-in and own exercises" on public.exercises for select to authenticated
  using (user_id is null or user_id = (select auth.uid()));
create policy "Add own exercises" on public.exercises for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy "Edit own exercises" on public.exercises for update to authenticated
  using (user_id = (select auth.uid()));
create policy "Delete own exercises" on public.exercises for delete to authenticated
  using (user_id = (select auth.uid()));

create policy "Own workouts" on public.workouts for all to authenticated
  using ((select auth.uid()) = user_id);
create policy "Public workouts" on public.workouts for select to authenticated
  using (is_public);

create policy "Sets go with their workout" on public.workout_sets for all to authenticated
  using (exists (select 1 from public.workouts w where w.id = workout_sets.workout_id));

create policy "Own metrics" on public.body_metrics for all to authenticated
  using ((select auth.uid()) = user_id);
create policy "Coach reads metrics" on public.body_metrics for select to authenticated
  using (public.coaches(user_id));

create policy "Both see the link" on public.coach_links for select to authenticated
  using ((select auth.uid()) in (client_id, coach_id));
create policy "Ask for coaching, or offer it" on public.coach_links for insert to authenticated
  with check ((select auth.uid()) in (client_id, coach_id));
create policy "The client decides" on public.coach_links for update to authenticated
  using ((select auth.uid()) = client_id);

create policy "Client reads notes" on public.coach_notes for select to authenticated
  using ((select auth.uid()) = client_id);
create policy "Coach writes notes" on public.coach_notes for all to authenticated
  using (coach_id = (select auth.uid()) and public.coaches(client_id));

create policy "Own challenges" on public.challenges for all to authenticated
  using ((select auth.uid()) = user_id);

create policy "Athletes see their own entry" on public.challenge_entries for select to authenticated
  using ((select auth.uid()) = athlete_id);
create function public.challenge_board(challenge bigint)
returns table (place bigint, nickname text, birth_year int, total_kg numeric)
language sql stable security definer set search_path = '' as $$
  select rank() over (order by e.total_kg desc), p.nickname, p.birth_year, e.total_kg
  from public.challenge_entries e join public.profiles p on p.id = e.athlete_id
  where e.challenge_id = challenge;
$$;

-- progress photos: <user id>/2026-01-01.jpg
insert into storage.buckets (id, name, public) values ('progress', 'progress', false);

create policy "Own photos" on storage.objects for all to authenticated
  using (bucket_id = 'progress' and (storage.foldername(name))[1] = (select auth.uid())::text)
  with check (bucket_id = 'progress' and (storage.foldername(name))[1] = (select auth.uid())::text);
create policy "Coach looks at photos" on storage.objects for select to authenticated
  using (
    bucket_id = 'progress'
    and exists (
      select 1 from public.coach_links l
      where l.client_id::text = (storage.foldername(objects.name))[1]
        and l.coach_id = (select auth.uid()) and l.status = 'active'
    )
  );
