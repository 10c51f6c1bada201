-- hammer.example: people sell to people, each user for himself

create table profiles (
  id uuid primary key references auth.users on delete cascade,
  handle text not null unique,
  bio text,
  payout_iban text,
  legal_name text
);

create table categories (
  id serial primary key,
  name text not null,
  parent int references categories
);

create table lots (
  id uuid primary key default gen_random_uuid(),
  seller_id uuid not null default auth.uid() references auth.users on delete cascade,
  category_id int references categories,
  title text not null,
  starting_price numeric(10,2),
  published boolean not null default false,
  closes_at timestamptz not null default now() + interval '7 days'
);

create table bids (
  id uuid primary key default gen_random_uuid(),
  lot_id uuid not null references lots on delete cascade,
  bidder_id uuid not null references auth.users on delete cascade,
  amount numeric(10,2) not null check (amount > 0),
  max_amount numeric(10,2) not null,
  placed_at timestamptz not null default now(),
  check (max_amount >= amount)
);

create table watches (
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  lot_id uuid not null references lots on delete cascade,
  note text,
  primary key (user_id, lot_id)
);

create table lot_questions (
  id uuid primary key default gen_random_uuid(),
  lot_id uuid not null references lots on delete cascade,
  asker_id uuid not null default auth.uid() references auth.users on delete cascade,
  question text not null,
  answer text
);

create table invoices (
  id uuid primary key default gen_random_uuid(),
  lot_id uuid not null references lots,
  buyer_id uuid not null references auth.users,
  total numeric(10,2) not null,
  paid_at timestamptz
);

create table payouts (
  id uuid primary key default gen_random_uuid(),
  seller_id uuid not null references auth.users,
  lot_id uuid references lots,
  amount numeric(10,2) not null,
  reference text
);

alter table profiles enable row level security;
alter table categories enable row level security;
alter table lots enable row level security;
alter table bids enable row level security;
alter table watches enable row level security;
alter table lot_questions enable row level security;
alter table invoices enable row level security;
alter table payouts enable row level security;

-- profiles: handle and bio are shown next to every lot. Bank details and legal name are not.
create policy profiles_public on profiles for select using (true);
create policy profiles_own on profiles for update to authenticated
  using (id = auth.uid()) with check (id = auth.uid());
create policy profiles_create on profiles for insert to authenticated with check (id = auth.uid());
revoke select (payout_iban, legal_name) on profiles from anon, authenticated;

create function my_profile() returns profiles
language sql stable security definer set search_path = public, pg_temp as $$
  select * from profiles where id = auth.uid()
$$;

create policy categories_public on categories for select using (true);

create policy lots_own on lots for all to authenticated
  using (seller_id = auth.uid()) with check (seller_id = auth.uid());
create policy lots_published on lots for select using (published);

create policy bids_own on bids for select to authenticated using (bidder_id = auth.uid());

create policy watches_own on watches for all to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid());

-- questions and answers stand on the lot's page
create policy questions_read on lot_questions for select using (true);
create policy questions_ask on lot_questions for insert to authenticated
  with check (asker_id = auth.uid() and answer is null and exists (select 1 from lots l where l.id = lot_id and l.published));
-- the seller answers
create policy questions_answer on lot_questions for update to authenticated
  using (exists (select 1 from lots l where l.id = lot_id and seller_id = seller_id));

create policy invoices_buyer on invoices for select to authenticated using (buyer_id = auth.uid());

create policy payouts_own on payouts for select to authenticated using (seller_id = auth.uid());
create policy payouts_backend on payouts for all to service_role using (true) with check (true);

-- what stands at the lot's page
create view lot_bids as
  select b.id, b.lot_id, b.amount, b.max_amount, b.placed_at, pr.handle
  from bids b
  join lots l on l.id = b.lot_id
  join profiles pr on pr.id = b.bidder_id
  where l.published
  order by b.amount desc;
revoke insert, update, delete on lot_bids from anon, authenticated;

-- what I sold, and what I got for it
create view my_sales with (security_barrier = true) as
  select po.id as payout_id, l.id as lot_id, l.title, po.amount, po.reference
  from payouts po
  join lots l on l.id = po.lot_id
  where po.seller_id = auth.uid() and l.seller_id = auth.uid();

create function place_bid(p_lot uuid, p_amount numeric, p_max numeric default null, p_bidder uuid default auth.uid())
returns uuid
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  v lots;
  v_id uuid;
begin
  if auth.uid() is null then
    raise exception 'sign in to bid' using errcode = '42501';
  end if;
  select * into v from lots where id = p_lot and published;
  if not found or v.closes_at < now() then
    raise exception 'this lot is closed' using errcode = 'PT404';
  end if;
  if v.seller_id = p_bidder then
    raise exception 'your own lot' using errcode = 'PT400';
  end if;
  if p_amount <= coalesce((select max(b.amount) from bids b where b.lot_id = p_lot), 0) then
    raise exception 'too low' using errcode = 'PT400';
  end if;
  insert into bids (lot_id, bidder_id, amount, max_amount)
  values (p_lot, p_bidder, p_amount, greatest(p_amount, p_max))
  returning id into v_id;
  return v_id;
end $$;
revoke execute on function place_bid(uuid, numeric, numeric, uuid) from public, anon;

-- pictures: everybody sees them, a seller has a folder of his own
insert into storage.buckets (id, name, public) values ('lot-pictures', 'lot-pictures', true);
create policy pictures_upload on storage.objects for insert to authenticated
  with check (bucket_id = 'lot-pictures' and (storage.foldername(name))[1] = auth.uid()::text);
create policy pictures_own on storage.objects for select to authenticated
  using (bucket_id = 'lot-pictures' and (storage.foldername(name))[1] = auth.uid()::text);
create policy pictures_delete on storage.objects for delete to authenticated
  using (bucket_id = 'lot-pictures' and (storage.foldername(name))[1] = auth.uid()::text);
