-- LexFile: matters, documents and time for law firms
-- Every table carries firm_id; foreign keys carry it along.

create table public.firm (
  firm_id uuid primary key default gen_random_uuid(),
  firm_name text not null
);

create table public.firm_role (role_code text primary key, sort int not null);
insert into public.firm_role values ('clerk', 1), ('associate', 2), ('partner', 3);

create table public.firm_user (
  firm_id uuid not null references public.firm on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role_code text not null default 'clerk' references public.firm_role,
  primary key (firm_id, user_id)
);
create index on public.firm_user (user_id);
create index on public.firm_user (role_code);

create table public.court (
  court_code text primary key,
  court_name text not null
);
insert into public.court values ('LG-B', 'Landgericht Berlin'), ('TJ-P', 'Tribunal judiciaire de Paris');

create table public.client (
  client_id uuid primary key default gen_random_uuid(),
  firm_id uuid not null references public.firm on delete cascade,
  client_name text not null,
  conflict_notes text,
  unique (client_id, firm_id)
);
create index on public.client (firm_id);

create table public.matter (
  matter_id uuid primary key default gen_random_uuid(),
  firm_id uuid not null references public.firm on delete cascade,
  client_id uuid not null,
  court_code text references public.court,
  caption text not null,
  unique (matter_id, firm_id),
  foreign key (client_id, firm_id) references public.client (client_id, firm_id)
);
create index on public.matter (firm_id);
create index on public.matter (client_id, firm_id);
create index on public.matter (court_code);

-- ethical walls: who is kept out of a matter
create table public.matter_wall (
  matter_id uuid not null,
  firm_id uuid not null,
  user_id uuid not null references auth.users on delete cascade,
  primary key (matter_id, user_id),
  foreign key (matter_id, firm_id) references public.matter (matter_id, firm_id) on delete cascade
);
create index on public.matter_wall (user_id);
create index on public.matter_wall (matter_id, firm_id);

create table public.document (
  document_id uuid primary key default gen_random_uuid(),
  firm_id uuid not null,
  matter_id uuid not null,
  title text not null,
  body text not null default '',
  unique (document_id, matter_id),
  foreign key (matter_id, firm_id) references public.matter (matter_id, firm_id) on delete cascade
);
create index on public.document (matter_id, firm_id);

create table public.document_version (
  version_id uuid primary key default gen_random_uuid(),
  document_id uuid not null,
  matter_id uuid not null,
  body text not null,
  saved_at timestamptz not null default now(),
  foreign key (document_id, matter_id) references public.document (document_id, matter_id) on delete cascade
);
create index on public.document_version (document_id, matter_id);

create table public.time_entry (
  entry_id uuid primary key default gen_random_uuid(),
  firm_id uuid not null,
  matter_id uuid not null,
  user_id uuid not null default auth.uid() references auth.users,
  work_date date not null default current_date,
  minutes int not null check (minutes > 0),
  narrative text,
  foreign key (matter_id, firm_id) references public.matter (matter_id, firm_id) on delete cascade
);
create index on public.time_entry (matter_id, firm_id);
create index on public.time_entry (user_id);

create table public.invoice (
  invoice_id uuid primary key default gen_random_uuid(),
  firm_id uuid not null,
  client_id uuid not null,
  total numeric(12, 2) not null,
  foreign key (client_id, firm_id) references public.client (client_id, firm_id)
);
create index on public.invoice (client_id, firm_id);

-- the client reads her documents by a link
create table public.portal_link (
  link_id uuid primary key default gen_random_uuid(),
  firm_id uuid not null,
  matter_id uuid not null,
  secret_sha text not null unique,
  expires_at timestamptz not null default now() + interval '14 days',
  foreign key (matter_id, firm_id) references public.matter (matter_id, firm_id) on delete cascade
);
create index on public.portal_link (matter_id, firm_id);
