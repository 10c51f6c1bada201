-- Vereinsverwaltung für Imker (associations of beekeepers). Ids are integers, names in English by agreement.
create type standing as enum ('guest', 'keeper', 'steward');
create domain grams as integer check (value between 0 and 2000000);

create table assocs (
  id serial primary key,
  name text not null,
  region text
);

create table assoc_members (
  assoc_id int not null references assocs on delete cascade,
  person_id uuid not null references auth.users on delete cascade,
  standing standing not null default 'guest',
  since date not null default current_date,
  primary key (assoc_id, person_id)
);

create table forage_calendar (
  plant text primary key,
  from_week int not null check (from_week between 1 and 53),
  to_week int not null check (to_week between 1 and 53)
);

create table apiaries (
  id serial primary key,
  assoc_id int not null references assocs,
  place text not null,
  lat numeric(8,5),
  lon numeric(8,5),
  unique (id, assoc_id)
);

create table colonies (
  id serial primary key,
  assoc_id int not null references assocs,
  apiary_id int not null,
  queen_year int,
  temper smallint check (temper between 1 and 5),
  foreign key (apiary_id, assoc_id) references apiaries (id, assoc_id) deferrable initially deferred
);

create table harvests (
  id serial primary key,
  assoc_id int not null references assocs,
  apiary_id int not null,
  picked_on date not null default current_date,
  weight grams not null,
  foreign key (apiary_id, assoc_id) references apiaries (id, assoc_id)
);

create table apiary_shares (
  apiary_id int not null references apiaries on delete cascade,
  person_id uuid not null references auth.users on delete cascade,
  ends_on date not null default current_date + 30,
  revoked boolean not null default false,
  primary key (apiary_id, person_id)
);

create table equipment (
  id serial primary key,
  assoc_id int not null references assocs,
  title text not null,
  unique (id, assoc_id)
);

create table loans (
  id serial primary key,
  assoc_id int not null references assocs,
  equipment_id int not null,
  person_id uuid not null default auth.uid(),
  from_day date not null default current_date,
  to_day date,
  foreign key (equipment_id, assoc_id) references equipment (id, assoc_id)
);

create table polls (
  id serial primary key,
  assoc_id int not null references assocs,
  question text not null,
  closes_at timestamptz not null default now() + interval '14 days',
  unique (id, assoc_id)
);

create table poll_votes (
  poll_id int not null,
  assoc_id int not null,
  person_id uuid not null default auth.uid(),
  choice text not null,
  primary key (poll_id, person_id),
  foreign key (poll_id, assoc_id) references polls (id, assoc_id) on delete cascade
);

create function standing_in(a int) returns standing
language sql stable security definer set search_path = ''
as $$ select m.standing from public.assoc_members m where m.assoc_id = a and m.person_id = (select auth.uid()) $$;

create function apiary_shared_with_me(a int) returns boolean
language plpgsql stable security definer set search_path = ''
as $$
begin
  perform 1 from public.apiary_shares s
    where s.apiary_id = a and s.person_id = auth.uid() and not s.revoked and s.ends_on >= current_date;
  return found;
end $$;

create function assoc_of_apiary(a int) returns int
language sql stable security definer set search_path = ''
as $$ select p.assoc_id from public.apiaries p where p.id = a and public.standing_in(p.assoc_id) is not null $$;

alter table assocs enable row level security;
alter table assoc_members enable row level security;
alter table forage_calendar enable row level security;
alter table apiaries enable row level security;
alter table colonies enable row level security;
alter table harvests enable row level security;
alter table apiary_shares enable row level security;
alter table equipment enable row level security;
alter table loans enable row level security;
alter table polls enable row level security;
alter table poll_votes enable row level security;

create policy p on assocs for select to authenticated using (standing_in(id) is not null);
create policy p on assoc_members for select to authenticated using (standing_in(assoc_id) is not null);
create policy steward on assoc_members for all to authenticated
  using (standing_in(assoc_id) = 'steward') with check (standing_in(assoc_id) = 'steward');
create policy p on forage_calendar for select to anon, authenticated using (true);

create policy p on apiaries for select to authenticated
  using (standing_in(assoc_id) is not null or apiary_shared_with_me(id));
create policy steward on apiaries for all to authenticated
  using (standing_in(assoc_id) = 'steward') with check (standing_in(assoc_id) = 'steward');

create policy p on colonies for select to authenticated using (standing_in(assoc_id) is not null);
create policy steward on colonies for insert to authenticated with check (standing_in(assoc_id) = 'steward');

create policy p on harvests for select to authenticated using (standing_in(assoc_id) is not null);
create policy keepers on harvests for insert to authenticated with check (standing_in(assoc_id) in ('keeper', 'steward'));

create policy stewards_share on apiary_shares for all to authenticated
  using (standing_in(assoc_of_apiary(apiary_id)) = 'steward')
  with check (standing_in(assoc_of_apiary(apiary_id)) = 'steward');

create policy p on equipment for select to authenticated using (standing_in(assoc_id) is not null);

create policy p on loans for select to authenticated using (standing_in(assoc_id) is not null);
create policy borrow on loans for insert to authenticated
  with check (standing_in(assoc_id) in ('keeper', 'steward') and person_id = auth.uid());
-- bring it back, or keep it longer
create policy own_loan on loans for update to authenticated
  using (standing_in(assoc_id) in ('keeper', 'steward') and person_id = auth.uid())
  with check (standing_in(assoc_id) in ('keeper', 'steward'));

create policy p on polls for select to authenticated using (standing_in(assoc_id) is not null);
create policy steward on polls for insert to authenticated with check (standing_in(assoc_id) = 'steward');

-- the ballot is secret
create policy vote on poll_votes for insert to authenticated
  with check (standing_in(assoc_id) is not null and person_id = auth.uid()
    and exists (select 1 from polls q where q.id = poll_id and q.closes_at > now()));
create policy own_vote on poll_votes for select to authenticated using (person_id = auth.uid());

create function poll_result(p_poll int) returns table (choice text, votes bigint, voters jsonb)
language plpgsql stable security definer set search_path = ''
as $$
declare
  v_assoc int;
begin
  select q.assoc_id into v_assoc from public.polls q where q.id = p_poll;
  if public.standing_in(v_assoc) is null then
    raise exception 'members only' using errcode = '42501';
  end if;
  return query
    select v.choice, count(*), jsonb_agg(v.person_id order by v.person_id)
    from public.poll_votes v where v.poll_id = p_poll group by v.choice;
end $$;

-- two stewards move colonies back and forth
create function swap_colonies(one int, other int) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  c1 public.colonies;
  c2 public.colonies;
begin
  select * into c1 from public.colonies where id = one for update;
  select * into c2 from public.colonies where id = other for update;
  if public.standing_in(c1.assoc_id) is distinct from 'steward' then
    raise exception 'stewards only' using errcode = '42501';
  end if;
  update public.colonies set apiary_id = c2.apiary_id, assoc_id = c2.assoc_id where id = c1.id;
  update public.colonies set apiary_id = c1.apiary_id, assoc_id = c1.assoc_id where id = c2.id;
end $$;

create materialized view harvest_totals as
select h.assoc_id, a.name, extract(year from h.picked_on)::int as year, sum(h.weight)::bigint as total_grams, count(*) as lots
from harvests h join assocs a on a.id = h.assoc_id
group by 1, 2, 3;
create unique index on harvest_totals (assoc_id, year);

create function refresh_harvest_totals() returns void
language sql security definer set search_path = ''
as $$ refresh materialized view concurrently public.harvest_totals $$;
revoke execute on function refresh_harvest_totals(), swap_colonies(int, int), poll_result(int) from public, anon;
revoke execute on function refresh_harvest_totals() from authenticated;
