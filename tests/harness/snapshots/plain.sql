create schema shop;
create type shop.state as enum ('new', 'paid', 'sent');
create domain shop.code as text check (value ~ '^[A-Z]+$');
create table shop.customers (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id),
    name text not null check (name <> ''),
    unique (user_id)
);
create table shop.orders (
    id bigint generated always as identity primary key,
    customer_id uuid not null references shop.customers (id) on delete cascade,
    state shop.state not null default 'new',
    code shop.code,
    total numeric(10, 2) not null default 0,
    placed_at timestamp with time zone not null default now(),
    note character varying(200),
    check (total >= 0),
    check (total < 100000)
);
create index on shop.orders (customer_id);
create index orders_open on shop.orders (placed_at desc) where state in ('new', 'paid');
create sequence shop.numbers;
create table shop.numbered (number integer not null default nextval('shop.numbers'), label text);
alter sequence shop.numbers as integer owned by shop.numbered.number;
create function shop.is_mine(customer uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from shop.customers as c where c.id = customer and c.user_id = (select auth.uid())
    );
$$;
create function shop.stamp() returns trigger
language plpgsql
as $$
begin
    if new.note is null then
        new.note := 'none';
    end if;
    return new;
end;
$$;
create trigger orders_stamp before insert on shop.orders for each row execute function shop.stamp();
alter table shop.customers enable row level security;
alter table shop.orders enable row level security;
create policy mine on shop.customers for select to authenticated using (user_id = (select auth.uid()));
create policy mine on shop.orders for all to authenticated
using (shop.is_mine(customer_id)) with check (shop.is_mine(customer_id) and state = 'new');
create view shop.open_orders with (security_invoker = true) as
select o.id, o.total from shop.orders as o where o.state = any (array['new', 'paid']::shop.state[]);
comment on table shop.orders is 'What was ordered.';
comment on column shop.orders.total is 'With tax.';
grant usage on schema shop to authenticated;
grant select, insert on shop.orders to authenticated;
grant update (note, code) on shop.orders to authenticated;
grant all on shop.customers to service_role;
