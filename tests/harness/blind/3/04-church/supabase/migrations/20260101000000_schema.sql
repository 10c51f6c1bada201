-- Parish Desk. The parish of a user is in her token: app_metadata.parish_id, set by our back end when an account is
-- made. There are no members without an account.

create table parishes (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  town text
);

create table parishioners (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  user_id uuid references auth.users on delete set null,
  full_name text not null,
  born date,
  is_treasurer boolean not null default false,
  is_clergy boolean not null default false,
  unique (parish_id, user_id)
);

create table households (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  street text,
  pledged numeric(10,2) not null default 0
);

create table gifts (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  household_id uuid not null references households,
  amount numeric(10,2) not null check (amount > 0),
  given_on date not null default current_date
);

create table prayer_requests (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  author uuid not null default auth.uid() references auth.users on delete cascade,
  body text not null,
  clergy_only boolean not null default false,
  deleted_at timestamptz
);

create table prayer_answers (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  request_id uuid not null references prayer_requests on delete cascade,
  author uuid not null default auth.uid() references auth.users on delete cascade,
  body text not null
);

create table services (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  starts_at timestamptz not null,
  title text not null,
  is_public boolean not null default true
);

create table readings (
  sunday text primary key,
  passage text not null
);
insert into readings values ('Advent 1', 'Mt 21,1-9'), ('Advent 2', 'Lk 21,25-33');

create table rota (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  service_id uuid not null references services on delete cascade,
  duty text not null,
  parishioner_id uuid references parishioners on delete set null
);

create function my_parish() returns uuid language sql stable as $$
  select (auth.jwt() -> 'app_metadata' ->> 'parish_id')::uuid
$$;

create function i_am(flag text) returns boolean language plpgsql stable security definer set search_path = public as $$
begin
  return exists (
    select 1 from parishioners p
    where p.user_id = auth.uid() and p.parish_id = my_parish()
      and case flag when 'treasurer' then p.is_treasurer when 'clergy' then p.is_clergy else false end);
end $$;

alter table parishes enable row level security;
alter table parishioners enable row level security;
alter table households enable row level security;
alter table gifts enable row level security;
alter table prayer_requests enable row level security;
alter table prayer_answers enable row level security;
alter table services enable row level security;
alter table readings enable row level security;
alter table rota enable row level security;

create policy parishes_mine on parishes for select using (id = my_parish());

create policy parishioners_read on parishioners for select using (parish_id = my_parish());
create policy parishioners_clergy on parishioners for all to authenticated
  using (parish_id = my_parish() and i_am('clergy'))
  with check (parish_id = my_parish() and i_am('clergy'));

create policy households_treasurer on households for all to authenticated
  using (parish_id = my_parish() and i_am('treasurer'))
  with check (parish_id = my_parish() and i_am('treasurer'));

create policy gifts_treasurer on gifts for all to authenticated
  using (parish_id = my_parish() and i_am('treasurer'))
  with check (
    parish_id = my_parish() and i_am('treasurer')
    and exists (select 1 from households h where h.id = household_id and h.parish_id = my_parish()));

create policy requests_read on prayer_requests for select to authenticated
  using (parish_id = my_parish() and deleted_at is null and (not clergy_only or author = auth.uid() or i_am('clergy')));
create policy requests_write on prayer_requests for insert to authenticated
  with check (parish_id = my_parish() and author = auth.uid());
create policy requests_edit on prayer_requests for update to authenticated
  using (parish_id = my_parish() and author = auth.uid() and deleted_at is null)
  with check (parish_id = my_parish() and author = auth.uid());

create policy answers_read on prayer_answers for select to authenticated
  using (parish_id = my_parish());
create policy answers_write on prayer_answers for insert to authenticated
  with check (
    parish_id = my_parish() and author = auth.uid()
    and exists (select 1 from prayer_requests r where r.id = request_id and r.parish_id = my_parish()));

create policy services_public on services for select using (is_public or parish_id = my_parish());
create policy services_clergy on services for all to authenticated
  using (parish_id = my_parish() and i_am('clergy'))
  with check (parish_id = my_parish() and i_am('clergy'));

create policy readings_all on readings for select using (true);

create policy rota_read on rota for select to authenticated using (parish_id = my_parish());
create policy rota_clergy on rota for all to authenticated
  using (i_am('clergy') and parish_id = my_parish())
  with check (
    i_am('clergy') and parish_id = my_parish()
    and exists (select 1 from services s where s.id = service_id and s.parish_id = my_parish())
    and (parishioner_id is null or exists (select 1 from parishioners p where p.id = parishioner_id and p.parish_id = my_parish())));

-- "the Millers gave 340 this year": statement for the tax office
create function giving_statement(household uuid, year int) returns numeric
language sql stable security definer set search_path = public as $$
  select coalesce(sum(g.amount), 0) from gifts g
  where g.household_id = household and extract(year from g.given_on) = year
$$;
revoke execute on function giving_statement(uuid, int) from public;

-- thermometer on the treasurer's page
create function campaign_total(parish uuid, since date) returns numeric
language plpgsql stable security definer set search_path = public as $$
begin
  if parish is distinct from my_parish() or not i_am('treasurer') then
    return null;
  end if;
  return (select coalesce(sum(amount), 0) from gifts where parish_id = parish and given_on >= since);
end $$;

-- sign up for a duty
create function take_duty(duty_id uuid) returns void
language plpgsql security definer set search_path = public as $$
declare me parishioners;
begin
  select * into me from parishioners where user_id = auth.uid();
  if me.id is null then
    raise exception 'no parishioner' using errcode = '42501';
  end if;
  update rota set parishioner_id = me.id where id = duty_id;
end $$;

-- the web master exports the calendar of a parish
create function export_services(filter text default 'true') returns setof services
language plpgsql stable security invoker set search_path = public as $$
begin
  return query execute 'select * from services where ' || filter;
end $$;
