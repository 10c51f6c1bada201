create schema league;
grant usage on schema league to anon, authenticated, service_role;

create table league.seasons (
  year int primary key,
  title text not null
);

create table league.clubs (
  code text primary key check (code ~ '^[a-z]{2,12}$'),
  name text not null,
  founded int
);

create table league.members (
  club_code text not null references league.clubs on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  duty text not null default 'player' check (duty in ('player', 'coach', 'treasurer', 'president')),
  mobile text,
  primary key (club_code, user_id)
);

create table league.players (
  club_code text not null references league.clubs on delete cascade,
  licence int not null,
  full_name text not null,
  birth_date date,
  primary key (club_code, licence)
);

create table league.matches (
  id int generated always as identity primary key,
  year int not null references league.seasons,
  home text not null references league.clubs,
  away text not null references league.clubs,
  kick_off timestamptz not null,
  goals_home int,
  goals_away int,
  check (home <> away)
);

create table league.lineups (
  match_id int not null references league.matches on delete cascade,
  club_code text not null,
  licence int not null,
  shirt int,
  primary key (match_id, club_code, licence),
  foreign key (club_code, licence) references league.players (club_code, licence) on update cascade
);

create table league.fees (
  club_code text not null references league.clubs,
  user_id uuid not null,
  year int not null references league.seasons,
  euros numeric(8,2) not null,
  paid_on date,
  primary key (club_code, user_id, year),
  foreign key (club_code, user_id) references league.members (club_code, user_id)
);

create table league.injuries (
  id int generated always as identity primary key,
  club_code text not null,
  licence int not null,
  diagnosis text not null,
  back_on date,
  foreign key (club_code, licence) references league.players (club_code, licence) on update cascade
);

create table league.transfers (
  id int generated always as identity primary key,
  from_club text not null references league.clubs,
  licence int not null,
  to_club text not null references league.clubs,
  state text not null default 'asked' check (state in ('asked', 'done', 'refused')),
  asked_at timestamptz not null default now(),
  check (from_club <> to_club)
);

create table league.news (
  id int generated always as identity primary key,
  club_code text not null references league.clubs,
  title text not null,
  body text,
  is_public boolean not null default false
);

-- who is who --------------------------------------------------------------
create function league.my_clubs() returns setof text
language sql stable security definer set search_path = ''
as $$ select club_code from league.members where user_id = auth.uid() $$;

create function league.my_clubs_as(variadic duties text[]) returns setof text
language sql stable security definer set search_path = ''
as $$ select club_code from league.members where user_id = auth.uid() and duty = any (duties) $$;

-- rights ------------------------------------------------------------------
grant select on league.seasons, league.clubs, league.matches, league.news to anon, authenticated;
grant select on league.members, league.players, league.transfers to authenticated;
grant select, insert, update, delete on league.lineups, league.fees, league.injuries to authenticated;
grant insert, update, delete on league.news, league.players to authenticated;
grant all on all tables in schema league to service_role;

alter table league.seasons enable row level security;
alter table league.clubs enable row level security;
alter table league.members enable row level security;
alter table league.players enable row level security;
alter table league.matches enable row level security;
alter table league.lineups enable row level security;
alter table league.fees enable row level security;
alter table league.injuries enable row level security;
alter table league.transfers enable row level security;
alter table league.news enable row level security;

create policy all_read on league.seasons for select using (true);
create policy all_read on league.clubs for select using (true);
create policy all_read on league.matches for select using (true);

create policy team_reads on league.members for select to authenticated
  using (club_code in (select league.my_clubs()));

create policy team_reads on league.players for select to authenticated
  using (club_code in (select league.my_clubs()));
create policy president_writes on league.players to authenticated
  using (club_code in (select league.my_clubs_as('president')));

create policy own_lineup on league.lineups to authenticated
  using (club_code in (select league.my_clubs_as('coach', 'president')));
create policy team_sees_lineup on league.lineups for select to authenticated
  using (club_code in (select league.my_clubs()));

create policy team_sees_fees on league.fees for select to authenticated
  using (club_code in (select league.my_clubs()));
create policy treasurers_book on league.fees to authenticated
  using (
    club_code in (select league.my_clubs())
    and exists (select 1 from league.members t where t.user_id = auth.uid() and t.duty = 'treasurer')
  );

create policy staff_of_club on league.injuries to authenticated
  using (exists (
    select 1 from league.members m
    where m.club_code = club_code and m.user_id = auth.uid() and m.duty in ('coach', 'president')
  ));

create policy both_clubs on league.transfers for select to authenticated
  using (from_club in (select league.my_clubs()) or to_club in (select league.my_clubs()));

create policy public_news on league.news for select using (is_public);
create policy team_news on league.news for select to authenticated
  using (club_code in (select league.my_clubs()));
create policy president_news on league.news to authenticated
  using (club_code in (select league.my_clubs_as('president')));

-- calls of the app ----------------------------------------------------------
create function league.phone_list(p_club text)
returns table (user_id uuid, duty text, mobile text)
language sql stable security definer set search_path = ''
as $$
  select m.user_id, m.duty, m.mobile from league.members m where m.club_code = p_club order by m.duty
$$;
revoke execute on function league.phone_list(text) from anon, authenticated;

create function league.ask_transfer(p_from text, p_licence int, p_to text) returns int
language plpgsql security definer set search_path = ''
as $$
declare
  v_id int;
begin
  if p_to not in (select league.my_clubs_as('president')) then
    raise exception 'president only' using errcode = '42501';
  end if;
  insert into league.transfers (from_club, licence, to_club) values (p_from, p_licence, p_to) returning id into v_id;
  return v_id;
end $$;

create function league.close_transfer(p_id int, p_agree boolean) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  t league.transfers;
begin
  select * into t from league.transfers where id = p_id and state = 'asked' for update;
  if not found or not exists (
    select 1 from league.my_clubs_as('president') c where c in (t.from_club, t.to_club)
  ) then
    raise exception 'no such transfer' using errcode = 'P0002';
  end if;
  if p_agree then
    update league.players set club_code = t.to_club where club_code = t.from_club and licence = t.licence;
  end if;
  update league.transfers set state = case when p_agree then 'done' else 'refused' end where id = p_id;
end $$;

revoke execute on function league.ask_transfer(text, int, text), league.close_transfer(int, boolean) from public;
grant execute on function league.ask_transfer(text, int, text), league.close_transfer(int, boolean) to authenticated;

create view league.table_of_season with (security_invoker = true) as
select year, club, count(*) as played, sum(pts) as points
from (
  select year, home as club, case when goals_home > goals_away then 3 when goals_home = goals_away then 1 else 0 end as pts
  from league.matches where goals_home is not null
  union all
  select year, away, case when goals_away > goals_home then 3 when goals_home = goals_away then 1 else 0 end
  from league.matches where goals_away is not null
) s group by year, club;
grant select on league.table_of_season to anon, authenticated;
