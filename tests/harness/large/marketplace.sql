-- A marketplace: shops sell, everybody buys. What is published is for all, an order is for its buyer and its shop.
create schema internal;
grant usage on schema internal to anon, authenticated, service_role;

create type public.listing_state as enum ('draft', 'active', 'sold_out', 'removed');
create type public.order_state as enum ('pending', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded');
create type public.money_amount as (cents bigint, currency text);

create table public.categories (
    id integer generated always as identity primary key,
    parent_id integer references public.categories (id),
    slug text not null unique,
    title text not null
);
create index categories_parent on public.categories (parent_id);
insert into public.categories (slug, title) values ('home', 'Home'), ('garden', 'Garden');
create table public.shipping_zones (id smallint primary key, title text not null);
insert into public.shipping_zones values (1, 'Domestic'), (2, 'Europe');
create table public.fee_schedules (
    id smallint primary key, percent numeric(4, 2) not null check (percent >= 0), since date not null default current_date
);
insert into public.fee_schedules values (1, 6.5, '2024-01-01');

create table public.profiles (
    id uuid primary key references auth.users (id) on delete cascade,
    handle text not null unique default 'u' || replace(gen_random_uuid()::text, '-', ''),
    bio text,
    newsletter boolean not null default false
);
create table public.shops (
    id uuid primary key default gen_random_uuid(),
    slug text not null unique default replace(gen_random_uuid()::text, '-', ''),
    name text not null,
    fee_id smallint not null default 1 references public.fee_schedules (id),
    vacation daterange,
    sales_count integer not null default 0,
    created_at timestamptz not null default now()
);
create table public.shop_staff (
    shop_id uuid not null references public.shops (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    permissions text[] not null default '{}' check (permissions <@ array['listings', 'orders', 'finance', 'admin']),
    primary key (shop_id, user_id)
);
create index shop_staff_user on public.shop_staff (user_id);

create function internal.shops_with(permission text) returns setof uuid
language sql stable security definer set search_path = ''
as $$
    select s.shop_id from public.shop_staff s
    where s.user_id = auth.uid() and (permission = any (s.permissions) or 'admin' = any (s.permissions))
$$;
create function internal.my_shops() returns setof uuid
language sql stable security definer set search_path = ''
begin atomic
    select s.shop_id from public.shop_staff s where s.user_id = auth.uid();
end;

create table public.shop_payout_accounts (
    shop_id uuid primary key references public.shops (id) on delete cascade,
    iban text not null check (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'),
    verified_at timestamptz
);
create table public.shop_policies (
    shop_id uuid not null references public.shops (id) on delete cascade,
    kind text not null check (kind in ('returns', 'privacy', 'imprint')),
    body text not null,
    published boolean not null default false,
    primary key (shop_id, kind)
);
create table public.shipping_rates (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id) on delete cascade,
    zone_id smallint not null references public.shipping_zones (id),
    grams int4range not null,
    cents integer not null check (cents >= 0),
    unique (shop_id, zone_id, grams)
);
create index shipping_rates_shop on public.shipping_rates (shop_id);
create index shipping_rates_zone on public.shipping_rates (zone_id);
create table public.listings (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id) on delete cascade,
    category_id integer references public.categories (id),
    title text not null check (length(title) between 3 and 140),
    price public.money_amount not null default row(100, 'EUR'),
    state public.listing_state not null default 'draft',
    publish_at timestamptz,
    attributes jsonb not null default '{}',
    favourites integer not null default 0,
    unique (shop_id, id)
);
create index listings_category on public.listings (category_id);
create table public.listing_images (
    listing_id uuid not null references public.listings (id) on delete cascade,
    position smallint not null check (position between 1 and 10),
    path text not null,
    primary key (listing_id, position)
);
create table public.listing_variants (
    id uuid primary key default gen_random_uuid(),
    listing_id uuid not null references public.listings (id) on delete cascade,
    sku text not null,
    options jsonb not null default '{}',
    stock integer not null default 0 check (stock >= 0),
    unique (listing_id, sku)
);
create table public.stock_movements (
    id bigint generated always as identity primary key,
    variant_id uuid not null references public.listing_variants (id) on delete cascade,
    delta integer not null check (delta <> 0),
    reason text not null default 'manual' check (reason in ('manual', 'sale', 'return')),
    by_user uuid default auth.uid()
);
create index stock_movements_variant on public.stock_movements (variant_id);
create table public.discounts (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id) on delete cascade,
    code text not null check (code = upper(code)),
    percent smallint not null check (percent between 1 and 90),
    valid tstzrange not null default tstzrange(now(), now() + interval '7 days'),
    unique (shop_id, code)
);
create table public.favourites (
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    listing_id uuid not null references public.listings (id) on delete cascade,
    added_at timestamptz not null default now(),
    primary key (user_id, listing_id)
);
create index favourites_listing on public.favourites (listing_id);
create function internal.count_favourites() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    update public.listings l set favourites = (select count(*) from public.favourites f where f.listing_id = l.id)
    where l.id = coalesce(new.listing_id, old.listing_id);
    return null;
end
$$;
create trigger count_favourites after insert or delete on public.favourites
for each row execute function internal.count_favourites();
create table public.addresses (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    lines text[] not null check (cardinality(lines) between 1 and 5),
    zone_id smallint not null default 1 references public.shipping_zones (id),
    is_default boolean not null default false
);
create index addresses_user on public.addresses (user_id);
create index addresses_zone on public.addresses (zone_id);
create unique index addresses_default on public.addresses (user_id) where is_default;
create table public.carts (
    user_id uuid primary key default auth.uid() references auth.users (id) on delete cascade,
    updated_at timestamptz not null default now()
);
create table public.cart_items (
    user_id uuid not null default auth.uid() references public.carts (user_id) on delete cascade,
    variant_id uuid not null references public.listing_variants (id) on delete cascade,
    quantity smallint not null default 1 check (quantity between 1 and 99),
    primary key (user_id, variant_id)
);
create index cart_items_variant on public.cart_items (variant_id);

create table public.orders (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id),
    buyer_id uuid not null references auth.users (id),
    state public.order_state not null default 'pending',
    ship_to jsonb not null default '{}',
    placed_at timestamptz not null default now(),
    cancelled_reason text,
    unique (shop_id, id),
    check (state <> 'cancelled' or cancelled_reason is not null)
);
create index orders_buyer on public.orders (buyer_id);
create table public.order_items (
    order_id uuid not null references public.orders (id) on delete cascade,
    line smallint not null,
    variant_id uuid references public.listing_variants (id) on delete set null,
    title text not null,
    quantity smallint not null check (quantity > 0),
    cents bigint not null,
    primary key (order_id, line)
);
create index order_items_variant on public.order_items (variant_id);
create table public.order_events (
    id bigint generated always as identity primary key,
    order_id uuid not null references public.orders (id) on delete cascade,
    state public.order_state not null,
    note text,
    internal boolean not null default false,
    at timestamptz not null default now()
);
create index order_events_order on public.order_events (order_id);
create function internal.log_order() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.order_events (order_id, state) values (new.id, new.state);
    if new.state = 'paid' then
        update public.shops set sales_count = sales_count + 1 where id = new.shop_id;
    end if;
    return new;
end
$$;
create trigger log_order after insert or update of state on public.orders for each row execute function internal.log_order();
create table public.shipments (
    id uuid primary key default gen_random_uuid(),
    order_id uuid not null references public.orders (id) on delete cascade,
    carrier text not null,
    tracking_code text,
    shipped_on date
);
create index shipments_order on public.shipments (order_id);
create table public.refunds (
    id uuid primary key default gen_random_uuid(),
    order_id uuid not null references public.orders (id),
    cents bigint not null check (cents > 0),
    approved_by uuid,
    approved_at timestamptz,
    check ((approved_by is null) = (approved_at is null))
);
create index refunds_order on public.refunds (order_id);
create table public.payouts (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id),
    period daterange not null,
    cents bigint not null,
    paid_at timestamptz
);
create index payouts_shop on public.payouts (shop_id);
create table public.reviews (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null,
    order_id uuid not null unique,
    author_id uuid not null default auth.uid(),
    stars smallint not null check (stars in (1, 2, 3, 4, 5)),
    body text,
    is_published boolean not null default false,
    foreign key (shop_id, order_id) references public.orders (shop_id, id) on delete cascade
);
create index reviews_order on public.reviews (shop_id, order_id);
create table public.review_replies (
    review_id uuid primary key references public.reviews (id) on delete cascade,
    body text not null,
    replied_at timestamptz not null default now()
);
create table public.questions (
    id uuid primary key default gen_random_uuid(),
    listing_id uuid not null references public.listings (id) on delete cascade,
    asker_id uuid not null default auth.uid(),
    body text not null,
    answer text
);
create index questions_listing on public.questions (listing_id);
create table public.conversations (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id) on delete cascade,
    buyer_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    archived boolean not null default false,
    unique (shop_id, buyer_id)
);
create index conversations_buyer on public.conversations (buyer_id);
create table public.conversation_messages (
    id bigint generated always as identity primary key,
    conversation_id uuid not null references public.conversations (id) on delete cascade,
    sender_id uuid not null default auth.uid(),
    from_shop boolean not null,
    body text not null,
    sent_at timestamptz not null default now()
);
create index conversation_messages_conversation on public.conversation_messages (conversation_id);
create table public.notifications (
    id bigint generated always as identity primary key,
    user_id uuid not null references auth.users (id) on delete cascade,
    kind text not null,
    payload jsonb not null default '{}',
    seen_at timestamptz
);
create index notifications_user on public.notifications (user_id);
create table public.disputes (
    id uuid primary key default gen_random_uuid(),
    order_id uuid not null unique references public.orders (id) on delete cascade,
    opened_by uuid not null default auth.uid(),
    status text not null default 'open' check (status in ('open', 'escalated', 'resolved')),
    resolution text,
    check (status <> 'resolved' or resolution is not null)
);
create table public.shop_invitations (
    id uuid primary key default gen_random_uuid(),
    shop_id uuid not null references public.shops (id) on delete cascade,
    email text not null check (email = lower(email)),
    permissions text[] not null default '{orders}' check (not permissions @> '{admin}'),
    accepted boolean not null default false,
    expires_at timestamptz not null default now() + interval '3 days',
    unique (shop_id, email)
);
create table public.saved_searches (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null default auth.uid() references auth.users (id) on delete cascade,
    query jsonb not null check (query ? 'text'),
    notify boolean not null default true
);
create index saved_searches_user on public.saved_searches (user_id);

create function internal.is_buyer_of(o uuid) returns boolean
language sql stable security definer set search_path = ''
as $$ select exists (select 1 from public.orders where id = o and buyer_id = auth.uid()) $$;
create function internal.sells(o uuid, permission text default 'orders') returns boolean
language sql stable security definer set search_path = ''
as $$ select exists (select 1 from public.orders x where x.id = o and x.shop_id in (select internal.shops_with(permission))) $$;
create function internal.listing_shop(l uuid) returns uuid
language sql stable security definer set search_path = ''
as $$ select shop_id from public.listings where id = l $$;
create function internal.is_live(l public.listings) returns boolean
language sql stable set search_path = ''
as $$ select l.state in ('active', 'sold_out') and coalesce(l.publish_at, '-infinity') <= now() $$;

do $$
declare
    t regclass;
begin
    for t in select c.oid from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' loop
        execute 'alter table ' || t || ' enable row level security';
    end loop;
end
$$;
create policy all_read on public.categories for select to anon, authenticated using (true);
create policy all_read on public.shipping_zones for select to anon, authenticated using (true);
create policy all_read on public.fee_schedules for select to authenticated using (since <= current_date);
create policy own on public.profiles for all to authenticated using (id = (select auth.uid())) with check (id = (select auth.uid()));
create policy staff_read on public.shops for select to authenticated using (id in (select internal.my_shops()));
create policy admin_update on public.shops for update to authenticated
using (id in (select internal.shops_with('admin'))) with check (id in (select internal.shops_with('admin')));
revoke update on public.shops from anon, authenticated;
grant update (name, vacation) on public.shops to authenticated;
create policy staff_read on public.shop_staff for select to authenticated using (shop_id in (select internal.my_shops()));
create policy admin_remove on public.shop_staff for delete to authenticated
using (shop_id in (select internal.shops_with('admin')) and user_id <> (select auth.uid()));
create policy leave on public.shop_staff for delete to authenticated using (user_id = (select auth.uid()) and not 'admin' = any (permissions));
create policy finance on public.shop_payout_accounts for select to authenticated using (shop_id in (select internal.shops_with('finance')));
create policy finance_change on public.shop_payout_accounts for update to authenticated
using (shop_id in (select internal.shops_with('finance')) and verified_at is null)
with check (shop_id in (select internal.shops_with('finance')) and verified_at is null);
create policy published on public.shop_policies for select to anon, authenticated using (published);
create policy staff on public.shop_policies for all to authenticated
using (shop_id in (select internal.shops_with('admin'))) with check (shop_id in (select internal.shops_with('admin')));
create policy staff on public.shipping_rates for all to authenticated
using (shop_id in (select internal.shops_with('listings'))) with check (shop_id in (select internal.shops_with('listings')));
create policy live on public.listings for select to anon, authenticated
using (state in ('active', 'sold_out') and (publish_at is null or publish_at <= now()));
create policy staff on public.listings for all to authenticated
using (shop_id in (select internal.shops_with('listings')))
with check (shop_id in (select internal.shops_with('listings')) and state <> 'removed');
create policy live on public.listing_images for select to anon, authenticated using (exists (
    select 1 from public.listings l where l.id = listing_id and internal.is_live(l)
));
create policy staff on public.listing_images for all to authenticated
using (internal.listing_shop(listing_id) in (select internal.shops_with('listings')))
with check (internal.listing_shop(listing_id) in (select internal.shops_with('listings')));
create policy live on public.listing_variants for select to anon, authenticated using (exists (
    select 1 from public.listings l where l.id = listing_id and internal.is_live(l)
));
create policy staff on public.listing_variants for all to authenticated
using (internal.listing_shop(listing_id) in (select internal.shops_with('listings')))
with check (internal.listing_shop(listing_id) in (select internal.shops_with('listings')));
create policy staff on public.stock_movements for select to authenticated using (exists (
    select 1 from public.listing_variants v join public.listings l on l.id = v.listing_id
    where v.id = variant_id and l.shop_id in (select internal.shops_with('listings'))
));
create policy staff_write on public.stock_movements for insert to authenticated with check (by_user = (select auth.uid()) and exists (
    select 1 from public.listing_variants v join public.listings l on l.id = v.listing_id
    where v.id = variant_id and l.shop_id in (select internal.shops_with('listings'))
));
create policy staff on public.discounts for all to authenticated
using (shop_id in (select internal.shops_with('listings'))) with check (shop_id in (select internal.shops_with('listings')));
create policy own on public.favourites for select to authenticated using (user_id = (select auth.uid()));
create policy own_add on public.favourites for insert to authenticated with check (user_id = (select auth.uid()) and exists (
    select 1 from public.listings l where l.id = listing_id
));
create policy own_remove on public.favourites for delete to authenticated using (user_id = (select auth.uid()));
create policy own on public.addresses for all to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy own on public.carts for all to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy own on public.cart_items for all to authenticated using (user_id = (select auth.uid())) with check (
    user_id = (select auth.uid()) and exists (select 1 from public.listing_variants v where v.id = variant_id and v.stock >= quantity)
);
create policy buyer on public.orders for select to authenticated using (buyer_id = (select auth.uid()));
create policy shop on public.orders for select to authenticated using (shop_id in (select internal.shops_with('orders')));
create policy shop_works on public.orders for update to authenticated
using (shop_id in (select internal.shops_with('orders')) and state in ('paid', 'shipped'))
with check (shop_id in (select internal.shops_with('orders')) and state in ('shipped', 'delivered', 'cancelled'));
revoke update on public.orders from anon, authenticated;
grant update (state, cancelled_reason) on public.orders to authenticated;
create policy parties on public.order_items for select to authenticated using (internal.is_buyer_of(order_id) or internal.sells(order_id));
create policy parties on public.order_events for select to authenticated
using ((not internal and internal.is_buyer_of(order_id)) or internal.sells(order_id));
create policy shop_notes on public.order_events for insert to authenticated with check (internal.sells(order_id) and internal and note is not null);
create policy parties on public.shipments for select to authenticated using (exists (select 1 from public.orders o where o.id = shipments.order_id));
create policy shop on public.shipments for all to authenticated using (internal.sells(order_id)) with check (internal.sells(order_id));
create policy parties on public.refunds for select to authenticated
using (internal.sells(order_id, 'finance') or (internal.is_buyer_of(order_id) and approved_at is not null));
create policy finance on public.refunds for insert to authenticated
with check (internal.sells(order_id, 'finance') and approved_by = (select auth.uid()));
create policy finance on public.payouts for select to authenticated using (shop_id in (select internal.shops_with('finance')));
create policy published on public.reviews for select to anon, authenticated using (is_published);
create policy own on public.reviews for select to authenticated using (author_id = (select auth.uid()));
create policy shop on public.reviews for select to authenticated using (shop_id in (select internal.my_shops()));
create policy buyers_write on public.reviews for insert to authenticated
with check (author_id = (select auth.uid()) and internal.is_buyer_of(order_id) and not is_published);
create policy published on public.review_replies for select to anon, authenticated using (exists (
    select 1 from public.reviews r where r.id = review_id and r.is_published
));
create policy shop on public.review_replies for insert to authenticated with check (exists (
    select 1 from public.reviews r where r.id = review_id and r.shop_id in (select internal.shops_with('orders'))
));
create policy parties on public.questions for select to authenticated
using (asker_id = (select auth.uid()) or internal.listing_shop(listing_id) in (select internal.my_shops()));
create policy ask on public.questions for insert to authenticated
with check (asker_id = (select auth.uid()) and answer is null and exists (select 1 from public.listings l where l.id = listing_id));
create policy parties on public.conversations for select to authenticated
using (buyer_id = (select auth.uid()) or shop_id in (select internal.shops_with('orders')));
create policy buyer_starts on public.conversations for insert to authenticated with check (buyer_id = (select auth.uid()) and not archived);
create policy shop_archives on public.conversations for update to authenticated
using (shop_id in (select internal.shops_with('orders'))) with check (shop_id in (select internal.shops_with('orders')));
revoke update on public.conversations from anon, authenticated;
grant update (archived) on public.conversations to authenticated;
create policy parties on public.conversation_messages for select to authenticated using (exists (
    select 1 from public.conversations c where c.id = conversation_id
));
create policy parties_write on public.conversation_messages for insert to authenticated with check (
    sender_id = (select auth.uid()) and exists (
        select 1 from public.conversations c where c.id = conversation_id and not c.archived
        and ((from_shop and c.shop_id in (select internal.shops_with('orders'))) or (not from_shop and c.buyer_id = (select auth.uid())))
    )
);
create policy own on public.notifications for select to authenticated using (user_id = (select auth.uid()));
create policy own_mark on public.notifications for update to authenticated
using (user_id = (select auth.uid()) and seen_at is null) with check (user_id = (select auth.uid()));
create policy parties on public.disputes for select to authenticated using (internal.is_buyer_of(order_id) or internal.sells(order_id));
create policy buyer_opens on public.disputes for insert to authenticated
with check (internal.is_buyer_of(order_id) and opened_by = (select auth.uid()) and status = 'open');
create policy admins on public.shop_invitations for all to authenticated
using (shop_id in (select internal.shops_with('admin'))) with check (shop_id in (select internal.shops_with('admin')) and not accepted);
create policy own on public.saved_searches for all to authenticated using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));

create view public.my_orders with (security_invoker = true) as
select o.id, o.state, o.placed_at, sum(i.cents * i.quantity) as total from public.orders o
join public.order_items i on i.order_id = o.id where o.buyer_id = (select auth.uid()) group by o.id;
create view public.shop_queue with (security_invoker = true) as
select o.shop_id, o.id, o.placed_at, count(s.id) as shipments from public.orders o left join public.shipments s on s.order_id = o.id
where o.state = 'paid' group by o.id;
create materialized view internal.shop_ratings as
select r.shop_id, avg(r.stars) as stars, count(*) as reviews from public.reviews r where r.is_published group by r.shop_id;
create function public.shop_rating(shop uuid) returns numeric
language sql stable security definer set search_path = ''
as $$ select r.stars from internal.shop_ratings r where r.shop_id = shop and shop in (select internal.my_shops()) $$;
create function public.place_order(shop uuid, items jsonb, address uuid) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
    made uuid;
    ship public.addresses;
begin
    select * into ship from public.addresses a where a.id = address and a.user_id = auth.uid();
    if not found then
        raise exception 'unknown address' using errcode = '42501';
    end if;
    insert into public.orders (shop_id, buyer_id, ship_to) values (shop, auth.uid(), to_jsonb(ship) - 'user_id') returning id into made;
    insert into public.order_items (order_id, line, variant_id, title, quantity, cents)
    select made, row_number() over (), v.id, l.title, (i ->> 'quantity')::smallint, (l.price).cents
    from jsonb_array_elements(items) i
    join public.listing_variants v on v.id = (i ->> 'variant_id')::uuid
    join public.listings l on l.id = v.listing_id and l.shop_id = shop and l.state = 'active'
    and (l.publish_at is null or l.publish_at <= now());
    return made;
end
$$;
create function public.cancel_order(o uuid, why text) returns boolean
language plpgsql security definer set search_path = ''
as $$
begin
    update public.orders set state = 'cancelled', cancelled_reason = why
    where id = o and buyer_id = auth.uid() and state in ('pending', 'paid');
    return found;
end
$$;
create function public.open_shop(name text) returns uuid
language plpgsql security definer set search_path = ''
as $$
declare
    made uuid;
begin
    if auth.uid() is null then
        raise exception 'sign in' using errcode = '42501';
    end if;
    insert into public.shops (name) values (open_shop.name) returning id into made;
    insert into public.shop_staff values (made, auth.uid(), '{admin}');
    return made;
end
$$;
create function public.accept_shop_invitation(invitation uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
    i public.shop_invitations;
begin
    update public.shop_invitations s set accepted = true
    where s.id = invitation and s.email = lower(auth.jwt() ->> 'email') and not s.accepted and s.expires_at > now()
    returning * into i;
    if i.id is null then
        raise exception 'this invitation is not for you' using errcode = '42501';
    end if;
    insert into public.shop_staff (shop_id, user_id, permissions) values (i.shop_id, auth.uid(), i.permissions) on conflict do nothing;
end
$$;
create function public.answer_question(question uuid, answer text) returns public.questions
language sql security definer set search_path = ''
as $$
    update public.questions q set answer = answer_question.answer
    where q.id = question and internal.listing_shop(q.listing_id) in (select internal.shops_with('listings')) returning *
$$;
create function public.set_stock(levels jsonb) returns integer
language plpgsql set search_path = ''
as $$
declare
    n integer := 0;
    level record;
begin
    for level in select * from jsonb_to_recordset(levels) as x (variant uuid, stock integer) loop
        update public.listing_variants set stock = level.stock where id = level.variant;
        if found then
            n := n + 1;
        end if;
    end loop;
    return n;
end
$$;
revoke execute on function public.shop_rating(uuid), public.place_order(uuid, jsonb, uuid), public.cancel_order(uuid, text),
    public.open_shop(text), public.accept_shop_invitation(uuid), public.answer_question(uuid, text), public.set_stock(jsonb)
from public, anon;

insert into storage.buckets (id, name, public) values ('listing-images', 'listing-images', true), ('invoices', 'invoices', false);
create policy "shops write images" on storage.objects for all to authenticated
using (bucket_id = 'listing-images' and (storage.foldername(name))[1] in (select s::text from internal.shops_with('listings') s))
with check (bucket_id = 'listing-images' and (storage.foldername(name))[1] in (select s::text from internal.shops_with('listings') s));
create policy "parties read invoices" on storage.objects for select to authenticated
using (bucket_id = 'invoices' and exists (
    select 1 from public.orders o where o.id::text = (storage.foldername(name))[2] and o.shop_id::text = (storage.foldername(name))[1]
));
