/* GiveWell-ish: charities run campaigns, donors give. */

create table charity (
  id uuid default gen_random_uuid() primary key,
  slug text unique not null,
  name text not null,
  iban text,
  created timestamptz default now()
);

create table charity_team (
  charity_id uuid not null references charity on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role text not null check (role in ('volunteer', 'treasurer', 'admin')) default 'volunteer',
  primary key (charity_id, user_id)
);
create index on charity_team (user_id);

create table campaign (
  id uuid default gen_random_uuid() primary key,
  charity_id uuid not null references charity on delete cascade,
  title text not null,
  story text,
  goal_cents bigint not null default 100000,
  raised_cents bigint not null default 0,
  status text not null default 'draft' check (status in ('draft', 'live', 'closed'))
);
create index on campaign (charity_id);

create table donation (
  id uuid default gen_random_uuid() primary key,
  campaign_id uuid not null references campaign on delete cascade,
  donor_name text not null,
  donor_email text not null,
  cents bigint not null check (cents > 0),
  anonymous boolean not null default false,
  paid boolean not null default false,
  manage_token uuid not null default gen_random_uuid() unique,
  created timestamptz default now()
);
create index on donation (campaign_id);

create table receipt (
  number bigint generated always as identity (start with 1000) primary key,
  donation_id uuid not null unique references donation on delete cascade,
  postal_address text not null,
  issued date not null default current_date
);

create table payout_account (
  id uuid default gen_random_uuid() primary key,
  charity_id uuid not null references charity on delete cascade,
  holder text not null,
  iban text not null
);
create index on payout_account (charity_id);

create table thank_you_note (
  id uuid default gen_random_uuid() primary key,
  charity_id uuid not null references charity on delete cascade,
  body text not null
);
create index on thank_you_note (charity_id);

-- ---- security
create schema app;
grant usage on schema app to anon, authenticated;

create function app.is_team(c uuid, roles text[] default '{volunteer,treasurer,admin}') returns boolean
language sql stable security definer set search_path = public, pg_temp as
$$ select exists (select 1 from charity_team t where t.charity_id = c and t.user_id = auth.uid() and t.role = any (roles)) $$;

create function app.charity_of(c uuid) returns uuid
language sql stable security definer set search_path = public, pg_temp as
$$ select charity_id from campaign where id = c $$;

alter table charity enable row level security;
alter table charity_team enable row level security;
alter table campaign enable row level security;
alter table donation enable row level security;
alter table receipt enable row level security;
alter table payout_account enable row level security;
alter table thank_you_note enable row level security;

create policy charity_read on charity for select using (app.is_team(id));
create policy charity_write on charity for update using (app.is_team(id, '{admin}'));

create policy team_read on charity_team for select using (app.is_team(charity_id));
create policy team_write on charity_team for all using (app.is_team(charity_id, '{admin}'));

create policy campaign_read on campaign for select using (status = 'live' or app.is_team(charity_id));
create policy campaign_write on campaign for all using (app.is_team(charity_id, '{admin}'));

create policy donation_read on donation for select using (app.is_team(app.charity_of(campaign_id), '{treasurer,admin}'));

create policy receipt_read on receipt for select using (exists (select 1 from donation d where d.id = donation_id));

create policy payout_all on payout_account for all using (app.is_team(charity_id));

create policy note_all on thank_you_note for all using (app.is_team(charity_id));

-- ---- api

-- the wall under each campaign
create view donor_wall as
select d.campaign_id, d.created::date as given_on, d.cents,
       case when d.anonymous then 'Somebody' else d.donor_name end as donor
from donation d join campaign c on c.id = d.campaign_id
where d.paid and c.status = 'live';
revoke all on donor_wall from anon, authenticated;
grant select on donor_wall to anon, authenticated;

-- the link in the donor's mail
create function donation_by_token(p_token uuid) returns table (campaign text, cents bigint, paid boolean)
language sql stable security definer set search_path = public, pg_temp as
$$ select c.title, d.cents, d.paid from donation d join campaign c on c.id = d.campaign_id where d.manage_token = p_token $$;

-- printable receipt
create function get_receipt(p_number bigint) returns table (number bigint, issued date, donor text, postal_address text, cents bigint)
language sql stable security definer set search_path = public, pg_temp as
$$ select r.number, r.issued, d.donor_name, r.postal_address, d.cents
   from receipt r join donation d on d.id = r.donation_id where r.number = p_number $$;

-- charities merge now and then, and bring their campaigns along
create function move_campaign(p_campaign uuid, p_to uuid) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  if not app.is_team(p_to, '{admin}') then
    raise exception 'you are not an admin of that charity' using errcode = '42501';
  end if;
  update campaign set charity_id = p_to where id = p_campaign;
end $$;

-- csv export for the treasurer, with the filter of the grid
create function export_donations(p_charity uuid, p_where text default 'true')
returns table (id uuid, donor_name text, donor_email text, cents bigint)
language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
  if not app.is_team(p_charity, '{treasurer,admin}') then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  return query execute
    'select d.id, d.donor_name, d.donor_email, d.cents from donation d join campaign c on c.id = d.campaign_id
     where c.charity_id = $1 and ' || p_where
    using p_charity;
end $$;
