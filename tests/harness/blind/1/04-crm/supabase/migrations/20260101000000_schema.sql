-- CRM. The organisation is in the token: app_metadata.org_id, which the back end sets on sign-up.

create or replace function public.current_org() returns uuid
language sql stable
as $$
  select nullif(auth.jwt() -> 'app_metadata' ->> 'org_id', '')::uuid
$$;

create table public.orgs (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  plan text not null default 'free',
  created_at timestamptz not null default now()
);

create table public.profiles (
  user_id uuid primary key references auth.users on delete cascade,
  org_id uuid references public.orgs on delete cascade,
  full_name text,
  avatar_url text
);
create index profiles_org_idx on public.profiles (org_id);

create table public.companies (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null default public.current_org() references public.orgs on delete cascade,
  name text not null,
  website text,
  unique (id, org_id)
);
create index companies_org_idx on public.companies (org_id);

create table public.contacts (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null default public.current_org() references public.orgs on delete cascade,
  company_id uuid,
  full_name text not null,
  email text,
  phone text,
  unique (id, org_id),
  foreign key (company_id, org_id) references public.companies (id, org_id)
);
create index contacts_org_idx on public.contacts (org_id);
create index contacts_company_idx on public.contacts (company_id, org_id);

create table public.deals (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null default public.current_org() references public.orgs on delete cascade,
  contact_id uuid,
  title text not null,
  stage text not null default 'lead' check (stage in ('lead', 'offer', 'won', 'lost')),
  amount numeric(12, 2) not null default 0,
  unique (id, org_id),
  foreign key (contact_id, org_id) references public.contacts (id, org_id)
);
create index deals_org_idx on public.deals (org_id);
create index deals_contact_idx on public.deals (contact_id, org_id);

create table public.deal_notes (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null default public.current_org(),
  deal_id uuid not null,
  author_id uuid default auth.uid(),
  body text not null,
  created_at timestamptz not null default now(),
  foreign key (deal_id, org_id) references public.deals (id, org_id) on delete cascade
);
create index deal_notes_deal_idx on public.deal_notes (deal_id, org_id);

create table public.activities (
  id bigint generated always as identity primary key,
  org_id uuid not null default public.current_org() references public.orgs on delete cascade,
  contact_id uuid,
  kind text not null check (kind in ('call', 'mail', 'meeting')),
  summary text,
  happened_at timestamptz not null default now(),
  foreign key (contact_id, org_id) references public.contacts (id, org_id) on delete cascade
);
create index activities_org_idx on public.activities (org_id);
create index activities_contact_idx on public.activities (contact_id, org_id);

create table public.imports (
  id bigint generated always as identity primary key,
  org_id uuid not null references public.orgs on delete cascade,
  file_name text not null,
  rows jsonb not null default '[]',
  error text,
  created_at timestamptz not null default now()
);
create index imports_org_idx on public.imports (org_id);

alter table public.orgs enable row level security;
alter table public.profiles enable row level security;
alter table public.companies enable row level security;
alter table public.contacts enable row level security;
alter table public.deals enable row level security;
alter table public.deal_notes enable row level security;
alter table public.activities enable row level security;
alter table public.imports enable row level security;

create policy "org: read" on public.orgs for select to authenticated
  using (id = (select public.current_org()));

create policy "profiles: org reads" on public.profiles for select to authenticated
  using (org_id = (select public.current_org()));
create policy "profiles: own" on public.profiles for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()) and org_id = (select public.current_org()));

create policy "companies: org" on public.companies for all to authenticated
  using (org_id = (select public.current_org()));

create policy "contacts: org" on public.contacts for all to authenticated
  using (org_id = (select public.current_org()));

create policy "deals: org" on public.deals for all to authenticated
  using (org_id = (select public.current_org()));

create policy "deal notes: org" on public.deal_notes for all to authenticated
  using (org_id::text = coalesce(
    auth.jwt() -> 'user_metadata' ->> 'org_id',
    auth.jwt() -> 'app_metadata' ->> 'org_id'
  ));

-- the token of the mail gateway has no organisation until the mail is matched
create policy "activities: org" on public.activities for select to authenticated
  using (org_id = coalesce((select public.current_org()), org_id));
create policy "activities: log" on public.activities for insert to authenticated
  with check (org_id = (select public.current_org()));

create policy "imports: worker" on public.imports for all to service_role
  using (true) with check (true);
