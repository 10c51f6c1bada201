-- partition for the new year
create table public.readings_2027 partition of public.readings for values from ('2027-01-01') to ('2028-01-01');
create index readings_2027_account on public.readings_2027 (account_id);
