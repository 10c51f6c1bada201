-- The application that the Jobs system is added to: who belongs to which organisation.

create table public.organizations (
    id uuid not null default gen_random_uuid(),
    name text not null,
    created_at timestamptz not null default now(),
    constraint organizations_pkey primary key (id),
    constraint organizations_name_not_blank check (btrim(name) <> '')
);

create table public.organization_members (
    organization_id uuid not null,
    user_id uuid not null,
    role text not null default 'member',
    created_at timestamptz not null default now(),
    constraint organization_members_pkey primary key (organization_id, user_id),
    constraint organization_members_organization_fkey
    foreign key (organization_id) references public.organizations (id) on delete cascade,
    constraint organization_members_user_fkey
    foreign key (user_id) references auth.users (id) on delete cascade,
    constraint organization_members_role_known check (role in ('owner', 'admin', 'member'))
);

create index organization_members_by_user on public.organization_members (user_id, organization_id);

-- Supabase grants everything on a new table to the API roles. Membership is what all isolation rests on,
-- so nobody changes it through the API.
revoke all on public.organizations, public.organization_members from public, anon, authenticated, service_role;
grant select on public.organizations, public.organization_members to authenticated;
grant select, insert, update, delete on public.organizations, public.organization_members to service_role;

alter table public.organizations enable row level security;
alter table public.organization_members enable row level security;

create policy members_read_their_own_memberships on public.organization_members
for select to authenticated
using (user_id = (select auth.uid()));

create policy members_read_their_organisations on public.organizations
for select to authenticated
using (
    id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);
