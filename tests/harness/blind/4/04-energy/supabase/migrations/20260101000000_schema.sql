-- metering platform: accounts (households), their meters and readings
create type public.account_role as enum ('reader', 'payer', 'holder');

create table public.accounts (
  id uuid primary key default gen_random_uuid(),
  number text unique not null,
  address text not null
);

create table public.account_users (
  account_id uuid references public.accounts on delete cascade,
  user_id uuid references auth.users on delete cascade,
  role public.account_role not null default 'reader',
  primary key (account_id, user_id)
);

create table public.tariffs (
  code text primary key,
  ct_per_kwh numeric(8,3) not null,
  valid_from date not null
);

create table public.contracts (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts on delete cascade,
  tariff text not null references public.tariffs,
  starts date not null,
  ends date
);

create table public.meters (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts on delete cascade,
  serial text not null unique,
  kind text not null default 'electricity'
);

create table public.meter_keys (
  meter_id uuid primary key references public.meters on delete cascade,
  device_key text not null default encode(extensions.gen_random_bytes(32), 'hex')
);

create table public.readings (
  meter_id uuid not null references public.meters on delete cascade,
  account_id uuid not null references public.accounts on delete cascade,
  taken_at timestamptz not null default now(),
  kwh numeric(12,3) not null,
  primary key (meter_id, taken_at)
) partition by range (taken_at);

create table public.readings_old partition of public.readings for values from (minvalue) to ('2026-01-01');
create table public.readings_2026 partition of public.readings for values from ('2026-01-01') to ('2027-01-01');

create table public.bills (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references public.accounts on delete cascade,
  month date not null,
  total numeric(10,2) not null,
  paid boolean not null default false
);

create table public.outages (
  id uuid primary key default gen_random_uuid(),
  district text not null,
  from_ts timestamptz not null,
  until_ts timestamptz,
  note text
);

alter table public.accounts enable row level security;
alter table public.account_users enable row level security;
alter table public.tariffs enable row level security;
alter table public.contracts enable row level security;
alter table public.meters enable row level security;
alter table public.meter_keys enable row level security;
alter table public.readings enable row level security;
alter table public.readings_old enable row level security;
alter table public.readings_2026 enable row level security;
alter table public.bills enable row level security;
alter table public.outages enable row level security;

create or replace function public.has_account(p_account uuid, p_least public.account_role default 'reader')
returns boolean language sql stable security definer set search_path = '' as $$
  select exists (
    select from public.account_users u
    where u.account_id = p_account and u.user_id = (select auth.uid()) and u.role >= p_least
  );
$$;

create policy accounts_sel on public.accounts for select to authenticated using (public.has_account(id));
create policy accounts_upd on public.accounts for update to authenticated using (public.has_account(id, 'holder'));
create policy users_sel on public.account_users for select to authenticated using (public.has_account(account_id));
create policy users_del on public.account_users for delete to authenticated using (public.has_account(account_id, 'holder'));
create policy contracts_sel on public.contracts for select to authenticated using (public.has_account(account_id));
create policy meters_sel on public.meters for select to authenticated using (public.has_account(account_id));
create policy readings_sel on public.readings for select to authenticated using (public.has_account(account_id));
create policy bills_sel on public.bills for select to authenticated using (public.has_account(account_id, 'payer'));
create policy tariffs_sel on public.tariffs for select to anon, authenticated using (true);
create policy outages_sel on public.outages for select to anon, authenticated using (true);
create policy keys_backend on public.meter_keys for all to service_role using (true) with check (true);

-- devices in the field send with the anon key and their own device key
create or replace function public.ingest_reading(p_serial text, p_key text, p_kwh numeric, p_at timestamptz default now())
returns void language plpgsql security definer set search_path = '' as $$
declare
  m public.meters;
  k text;
begin
  select * into m from public.meters where serial = p_serial;
  if not found then
    raise exception 'unknown meter' using errcode = 'PT404';
  end if;
  select device_key into k from public.meter_keys where meter_id = m.id;
  if k <> p_key then
    raise exception 'wrong key' using errcode = 'PT403';
  end if;
  insert into public.readings (meter_id, account_id, taken_at, kwh) values (m.id, m.account_id, p_at, p_kwh)
  on conflict (meter_id, taken_at) do update set kwh = excluded.kwh;
end;
$$;

-- the device asks for what it sent last, to resume after an outage
create or replace function public.last_reading(p_serial text, p_key text)
returns numeric language sql stable security definer set search_path = '' as $$
  select r.kwh
  from public.meters m
  join public.meter_keys k on k.meter_id = m.id and k.device_key = p_key
  join public.readings r on r.meter_id = m.id
  where m.serial = p_serial
  order by r.taken_at desc
  limit 1;
$$;

-- somebody of the household shall have access as well
create or replace function public.grant_account_access(p_account uuid, p_user uuid, p_role public.account_role)
returns void language plpgsql security definer set search_path = '' as $$
begin
  if not public.has_account(p_account) then
    raise exception 'no such account' using errcode = 'PT404';
  end if;
  insert into public.account_users (account_id, user_id, role) values (p_account, p_user, p_role)
  on conflict (account_id, user_id) do update set role = excluded.role;
end;
$$;
revoke execute on function public.grant_account_access(uuid, uuid, public.account_role) from public, anon;
