create table public.organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null
);

create table public.members (
    org_id uuid not null references public.organizations (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    primary key (org_id, user_id)
);

create index members_by_user on public.members (user_id);

alter table public.organizations enable row level security;
alter table public.members enable row level security;

create policy members_see_themselves on public.members
for select to authenticated
using (user_id = (select auth.uid()));

create policy members_see_their_organization on public.organizations
for select to authenticated
using (id in (select m.org_id from public.members as m));
