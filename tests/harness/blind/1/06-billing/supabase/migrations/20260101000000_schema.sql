create table plans (
  key text primary key,
  title text not null,
  monthly_cents int not null
);
insert into plans values ('free', 'Free', 0), ('pro', 'Pro', 1900);

create table accounts (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  plan text not null default 'free' references plans (key),
  vat_id text,
  created_at timestamptz not null default now()
);
create index on accounts (plan);

create table account_users (
  account_id uuid not null references accounts on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role text not null default 'viewer' check (role in ('viewer', 'billing', 'owner')),
  primary key (account_id, user_id)
);
create index on account_users (user_id);

create table customers (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  name text not null,
  email text,
  unique (account_id, id)
);

create table invoices (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  customer_id uuid not null,
  number text not null,
  pay_token uuid not null default gen_random_uuid() unique,
  status text not null default 'draft' check (status in ('draft', 'open', 'paid', 'void')),
  total_cents bigint not null default 0,
  issued_on date not null default current_date,
  unique (account_id, number),
  unique (account_id, id),
  foreign key (account_id, customer_id) references customers (account_id, id)
);
create index on invoices (account_id, customer_id);

create table invoice_lines (
  id bigint generated always as identity primary key,
  account_id uuid not null,
  invoice_id uuid not null,
  description text not null,
  amount_cents bigint not null,
  foreign key (account_id, invoice_id) references invoices (account_id, id)
);
create index on invoice_lines (account_id, invoice_id);

create table payments (
  id bigint generated always as identity primary key,
  account_id uuid not null,
  invoice_id uuid not null,
  amount_cents bigint not null check (amount_cents > 0),
  received_at timestamptz not null default now(),
  foreign key (account_id, invoice_id) references invoices (account_id, id)
);
create index on payments (account_id, invoice_id);

create table api_keys (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  label text not null,
  prefix text not null,
  secret_hash text not null,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);
create index on api_keys (account_id);

create table webhooks (
  id uuid primary key default gen_random_uuid(),
  account_id uuid not null references accounts on delete cascade,
  url text not null check (url like 'https://%'),
  signing_secret text not null default encode(extensions.gen_random_bytes(32), 'hex')
);
create index on webhooks (account_id);
