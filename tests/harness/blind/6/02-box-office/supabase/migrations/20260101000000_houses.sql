create extension if not exists pgcrypto with schema extensions;

create table houses (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    city text,
    currency char(3) not null default 'EUR'
);

create table productions (
    id uuid primary key default gen_random_uuid(),
    house_id uuid not null references houses(id) on delete cascade,
    title text not null,
    synopsis text,
    on_sale boolean not null default false,
    unique (house_id, id)
);

create table performances (
    id uuid primary key default gen_random_uuid(),
    house_id uuid not null references houses(id) on delete cascade,
    production_id uuid not null references productions(id) on delete cascade,
    starts_at timestamptz not null,
    hall text
);

create table seats (
    house_id uuid not null references houses(id) on delete cascade,
    seat_row text not null,
    seat_no smallint not null,
    band text not null default 'A',
    primary key (house_id, seat_row, seat_no)
);

create table orders (
    id uuid primary key default gen_random_uuid(),
    house_id uuid not null references houses(id) on delete cascade,
    buyer_name text not null,
    buyer_email text not null,
    total_cents integer not null default 0,
    placed_at timestamptz not null default now(),
    purged_at timestamptz,
    unique (house_id, id)
);

create table tickets (
    id uuid primary key default gen_random_uuid(),
    house_id uuid not null,
    order_id uuid not null,
    performance_id uuid references performances(id) on delete set null,
    seat_row text not null,
    seat_no smallint not null,
    barcode uuid not null default gen_random_uuid(),
    foreign key (house_id, order_id) references orders(house_id, id) on delete cascade,
    foreign key (house_id, seat_row, seat_no) references seats(house_id, seat_row, seat_no)
);

create table vouchers (
    id uuid primary key default gen_random_uuid(),
    house_id uuid not null references houses(id) on delete cascade,
    code text not null default encode(extensions.gen_random_bytes(8), 'hex'),
    value_cents integer not null check (value_cents > 0),
    recipient text,
    used_at timestamptz
);

create table ticket_scans (
    id bigint generated always as identity primary key,
    house_id uuid not null references houses(id) on delete cascade,
    ticket_id uuid not null references tickets(id) on delete cascade,
    gate text,
    scanned_at timestamptz not null default now()
);

create table payment_events (
    id bigint generated always as identity primary key,
    house_id uuid not null,
    order_id uuid not null,
    provider text not null,
    payload jsonb not null default '{}',
    foreign key (house_id, order_id) references orders(house_id, id) on delete cascade
);
create index on productions (house_id);
create index on performances (house_id);
create index on performances (production_id);
create index on orders (house_id);
create index on tickets (house_id, order_id);
create index on tickets (house_id, seat_row, seat_no);
create index on tickets (performance_id);
create index on vouchers (house_id);
create index on ticket_scans (house_id);
create index on ticket_scans (ticket_id);
create index on payment_events (house_id, order_id);
