-- usage charts are slow on the raw readings
create materialized view public.daily_usage as
  select account_id, meter_id, (taken_at at time zone 'Europe/Berlin')::date as day, max(kwh) - min(kwh) as kwh
  from public.readings
  group by 1, 2, 3;
create unique index on public.daily_usage (meter_id, day);
create index on public.daily_usage (account_id);

create function public.my_usage(p_account uuid)
returns setof public.daily_usage language sql stable security definer set search_path = '' as $$
  select d.* from public.daily_usage d where d.account_id = p_account and public.has_account(p_account);
$$;
