create table public.customers (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.organizations (id) on delete cascade,
    name text not null
);

create table public.invoices (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references public.organizations (id) on delete cascade,
    number text not null,
    amount numeric not null default 0
);

create index customers_by_organization on public.customers (org_id);
create index invoices_by_organization on public.invoices (org_id);

-- The first hole: customers have a policy, and nobody has enabled it.
create policy members_see_their_customers on public.customers
to authenticated
using (org_id in (select m.org_id from public.members as m));

alter table public.invoices enable row level security;

create policy members_read_invoices on public.invoices
for select to authenticated
using (org_id in (select m.org_id from public.members as m));

create policy members_write_invoices on public.invoices
for insert to authenticated
with check (org_id in (select m.org_id from public.members as m));

-- The second hole: the new row may be anybody's.
create policy members_change_invoices on public.invoices
for update to authenticated
using (org_id in (select m.org_id from public.members as m))
with check (true);
