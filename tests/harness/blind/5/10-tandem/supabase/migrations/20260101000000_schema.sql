-- Tandem: people who teach each other their languages. There are no organisations, each user is on their own.
create schema tandem;
grant usage on schema tandem to anon, authenticated, service_role;

create type tandem.level as enum ('A1', 'A2', 'B1', 'B2', 'C1', 'C2', 'native');

create table tandem.languages (
  code char(2) primary key,
  title text not null
);

create table tandem.profiles (
  user_id uuid primary key references auth.users on delete cascade,
  nickname text not null,
  about text,
  visible boolean not null default false
);

create table tandem.contact_details (
  user_id uuid primary key references auth.users on delete cascade,
  email text not null,
  phone text,
  birth_date date
);

create table tandem.skills (
  user_id uuid not null references auth.users on delete cascade,
  code char(2) not null references tandem.languages,
  level tandem.level not null,
  primary key (user_id, code)
);

create table tandem.pairs (
  id bigint generated always as identity primary key,
  asker uuid not null references auth.users on delete cascade,
  partner uuid not null references auth.users on delete cascade,
  agreed boolean not null default false,
  unique (asker, partner),
  check (asker <> partner)
);

create table tandem.messages (
  id bigint generated always as identity primary key,
  pair_id bigint not null references tandem.pairs on delete cascade,
  sender uuid not null default auth.uid() references auth.users on delete cascade,
  body text not null,
  sent_at timestamptz not null default now()
);

create table tandem.free_slots (
  user_id uuid not null references auth.users on delete cascade,
  weekday smallint not null check (weekday between 1 and 7),
  from_hour smallint not null check (from_hour between 0 and 23),
  note text,
  primary key (user_id, weekday, from_hour)
);

create table tandem.blocks (
  user_id uuid not null references auth.users on delete cascade,
  blocked uuid not null references auth.users on delete cascade,
  primary key (user_id, blocked)
);

create table tandem.complaints (
  id bigint generated always as identity primary key,
  reporter uuid not null default auth.uid() references auth.users on delete cascade,
  accused uuid not null references auth.users on delete cascade,
  reason text not null,
  handled boolean not null default false
);

grant select on tandem.languages to anon, authenticated;
grant select on tandem.profiles to anon;
grant select, insert, update on tandem.profiles, tandem.contact_details to authenticated;
grant select, insert, update, delete on tandem.skills, tandem.free_slots, tandem.messages, tandem.blocks to authenticated;
grant select, insert, delete on tandem.pairs to authenticated;
grant select, insert on tandem.complaints to authenticated;
grant all on all tables in schema tandem to service_role;

alter table tandem.languages enable row level security;
alter table tandem.profiles enable row level security;
alter table tandem.contact_details enable row level security;
alter table tandem.skills enable row level security;
alter table tandem.pairs enable row level security;
alter table tandem.messages enable row level security;
alter table tandem.free_slots enable row level security;
alter table tandem.blocks enable row level security;
alter table tandem.complaints enable row level security;

create policy languages on tandem.languages for select using (true);

create policy visible_profiles on tandem.profiles for select using (visible);
create policy own_profile on tandem.profiles for select to authenticated using (user_id = (select auth.uid()));
create policy make_profile on tandem.profiles for insert to authenticated with check (user_id = (select auth.uid()));
create policy edit_profile on tandem.profiles for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create policy own_details on tandem.contact_details for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy own_skills on tandem.skills for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy own_slots on tandem.free_slots for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy own_blocks on tandem.blocks for all to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create policy both_see_pair on tandem.pairs for select to authenticated
  using ((select auth.uid()) in (asker, partner));
create policy ask on tandem.pairs for insert to authenticated
  with check (asker = (select auth.uid()) and not agreed);
create policy part on tandem.pairs for delete to authenticated
  using ((select auth.uid()) in (asker, partner));

create policy both_read on tandem.messages for select to authenticated
  using (sender = (select auth.uid()) or pair_id in (select p.id from tandem.pairs p where p.agreed));
create policy write on tandem.messages for insert to authenticated
  with check (sender = (select auth.uid()) and pair_id in (select p.id from tandem.pairs p where p.agreed));
create policy correct_own on tandem.messages for update to authenticated
  using (sender = (select auth.uid())) with check (sender = (select auth.uid()));
create policy withdraw_own on tandem.messages for delete to authenticated
  using (sender = (select auth.uid()));

create policy complain on tandem.complaints for insert to authenticated
  with check (reporter = (select auth.uid()) and not handled);
create policy involved on tandem.complaints for select to authenticated
  using ((select auth.uid()) in (reporter, accused));

create function tandem.agree(p_pair bigint) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
  update tandem.pairs p set agreed = true
  where p.id = p_pair and p.partner = auth.uid()
    and not exists (select from tandem.blocks b where b.user_id = p.partner and b.blocked = p.asker);
  return found;
end $$;

create function tandem.find_partners(p_code text, p_least tandem.level default 'B2')
returns table (user_id uuid, nickname text, about text, level tandem.level)
language sql stable security definer set search_path = ''
as $$
  select s.user_id, p.nickname, p.about, s.level
  from tandem.skills s
  join tandem.profiles p on p.user_id = s.user_id
  where s.code = p_code and s.level >= p_least and s.user_id <> auth.uid()
    and not exists (select from tandem.blocks b where b.user_id = s.user_id and b.blocked = auth.uid())
$$;

create function tandem.put_slots(p_slots jsonb, p_user uuid default auth.uid()) returns int
language plpgsql security definer set search_path = ''
as $$
declare
  v_count int;
begin
  if auth.uid() is null then
    raise exception 'sign in first' using errcode = '42501';
  end if;
  delete from tandem.free_slots where user_id = p_user;
  insert into tandem.free_slots (user_id, weekday, from_hour, note)
  select distinct on (x.weekday, x.from_hour) p_user, x.weekday, x.from_hour, x.note
  from jsonb_to_recordset(p_slots) as x (weekday smallint, from_hour smallint, note text);
  get diagnostics v_count = row_count;
  return v_count;
end $$;

revoke execute on all functions in schema tandem from public;
grant execute on function tandem.agree(bigint), tandem.find_partners(text, tandem.level), tandem.put_slots(jsonb, uuid)
  to authenticated;
