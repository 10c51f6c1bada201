-- Inkwell — back office of print shops
set check_function_bodies = off;

create type shop_role as enum ('operator', 'manager', 'owner');

create table shops (
  shop_id serial primary key, shop_name text not null, vat_no text
);
create table shop_staff (
  shop_id int not null references shops, user_id uuid not null references auth.users,
  shop_role shop_role not null default 'operator',
  display_name text, locale text not null default 'en', email_digest boolean not null default true,
  primary key (shop_id, user_id)
);
create table paper_stocks (
  code text primary key, grams int not null, finish text not null
);
create table customers (
  customer_id serial primary key, shop_id int not null references shops,
  full_name text not null, email text, notes text
);
create table print_orders (
  order_id serial primary key, shop_id int not null references shops,
  customer_id int not null references customers, stock text references paper_stocks,
  copies int not null default 1, price numeric(10,2) not null default 0, discount numeric(10,2) not null default 0,
  created_at timestamptz not null default now()
);
create table order_files (
  file_id serial primary key, shop_id int not null references shops,
  order_id int not null references print_orders on delete cascade,
  uploaded_by uuid not null default auth.uid() references auth.users,
  file_name text not null, checksum text, deleted_at timestamptz
);
create table proof_links (
  link_id serial primary key, shop_id int not null references shops,
  order_id int not null references print_orders on delete cascade,
  token text not null unique default encode(extensions.gen_random_bytes(20), 'base64'),
  expires_at timestamptz not null default now() + interval '14 days', approved_at timestamptz
);
create table coupons (
  coupon_id serial primary key, shop_id int not null references shops,
  code text not null, amount numeric(10,2) not null check (amount > 0), uses_left int not null default 1 check (uses_left >= 0),
  unique (shop_id, code)
);
create table showcase (
  showcase_id serial primary key, shop_id int not null references shops,
  headline text not null, visible boolean not null default false
);

alter table shops enable row level security;
alter table shop_staff enable row level security;
alter table paper_stocks enable row level security;
alter table customers enable row level security;
alter table print_orders enable row level security;
alter table order_files enable row level security;
alter table proof_links enable row level security;
alter table coupons enable row level security;
alter table showcase enable row level security;

create function staff_of(at_least shop_role default 'operator') returns setof int
language sql stable security definer set search_path to ''
as $$
  select s.shop_id from public.shop_staff s where s.user_id = auth.uid() and s.shop_role >= at_least
$$;

create policy p on shops for select to authenticated using (shop_id in (select staff_of()));
create policy p_owner on shops for update to authenticated using (shop_id in (select staff_of('owner')));

create policy p on shop_staff for select to authenticated using (shop_id in (select staff_of()));
create policy p_owner on shop_staff for all to authenticated using (shop_id in (select staff_of('owner')));

create policy p on paper_stocks for select to authenticated using (true);

create policy p on customers for all to authenticated using (shop_id in (select staff_of()));

create policy p on print_orders for select to authenticated using (shop_id in (select staff_of()));
create policy p_ins on print_orders for insert to authenticated with check (
  shop_id in (select staff_of())
  and exists (select from customers c where c.customer_id = print_orders.customer_id and c.shop_id = print_orders.shop_id)
);
create policy p_upd on print_orders for update to authenticated using (shop_id in (select staff_of('manager')))
with check (
  shop_id in (select staff_of('manager'))
  and exists (select from customers c where c.customer_id = print_orders.customer_id and c.shop_id = print_orders.shop_id)
);

create policy p on order_files for select to authenticated using (shop_id in (select staff_of()) and deleted_at is null);
create policy p_ins on order_files for insert to authenticated with check (
  uploaded_by = auth.uid() and deleted_at is null
  and exists (select from print_orders o where o.order_id = order_files.order_id and o.shop_id = order_files.shop_id)
);
create policy p_mine on order_files for all to authenticated using (uploaded_by = auth.uid() and shop_id in (select staff_of()))
with check (
  uploaded_by = auth.uid()
  and exists (select from print_orders o where o.order_id = order_files.order_id and o.shop_id = order_files.shop_id)
);

create policy p on proof_links for all to authenticated using (shop_id in (select staff_of()))
with check (exists (select from print_orders o where o.order_id = proof_links.order_id and o.shop_id = proof_links.shop_id));
create policy p_customer on proof_links for select to anon using (expires_at > now() and approved_at is null);

create policy p on coupons for all to authenticated using (shop_id in (select staff_of('manager')));

create policy p on showcase for all to authenticated using (shop_id in (select staff_of('manager')));
create policy p_web on showcase for select to anon, authenticated using (visible);

-- customers come with the link of the mail
create function view_proof(link_token text) returns table (shop text, copies int, price numeric)
language sql stable security definer set search_path to ''
as $$
  select s.shop_name, o.copies, o.price - o.discount
  from public.proof_links l
  join public.print_orders o on o.order_id = l.order_id
  join public.shops s on s.shop_id = o.shop_id
  where l.token = link_token and l.expires_at > now()
$$;

create function redeem_coupon(coupon text, for_order int) returns numeric
language plpgsql security definer set search_path to ''
as $$
declare
  c public.coupons;
begin
  select * into c from public.coupons k
  where k.code = coupon and k.uses_left > 0 and k.shop_id in (select public.staff_of())
  for update;
  if not found then
    raise exception 'coupon is not valid' using errcode = 'PT404';
  end if;
  update public.print_orders o set discount = least(o.price, o.discount + c.amount) where o.order_id = for_order;
  update public.coupons k set uses_left = k.uses_left - 1 where k.coupon_id = c.coupon_id;
  return c.amount;
end $$;

-- settings dialog: name, language, mails
create function save_my_settings(shop int, settings jsonb) returns void
language plpgsql security definer set search_path to ''
as $$
declare
  s public.shop_staff;
begin
  select * into s from public.shop_staff x where x.shop_id = shop and x.user_id = auth.uid();
  if not found then
    raise exception 'not your shop' using errcode = '42501';
  end if;
  s := jsonb_populate_record(s, settings - 'user_id' - 'shop_id');
  update public.shop_staff x
  set display_name = s.display_name, locale = s.locale, email_digest = s.email_digest, shop_role = s.shop_role
  where x.shop_id = shop and x.user_id = auth.uid();
end $$;

-- list of orders, sorted as the user clicked
create function order_list(shop int, sort_by text default 'created_at', term text default '') returns setof print_orders
language plpgsql stable security definer set search_path to ''
as $$
begin
  if shop is null or shop not in (select public.staff_of()) then
    raise exception 'not your shop' using errcode = '42501';
  end if;
  return query execute format(
    'select o.* from public.print_orders o join public.customers c on c.customer_id = o.customer_id
     where o.shop_id = $1 and c.full_name ilike %L order by o.%I', '%' || term || '%', sort_by
  ) using shop;
end $$;

-- managers may correct a customer's address everywhere it is stored
create function correct_email(customer int, new_email text) returns boolean
language plpgsql security definer set search_path to ''
as $$
begin
  update public.customers c set email = new_email
  where c.customer_id = customer and c.shop_id in (select public.staff_of('manager'));
  return found;
end $$;
