-- The application that the Jobs system is added to: contacts, the cards of its board, and the runs of its agents.

create table public.contacts (
    id uuid not null default gen_random_uuid(),
    org_id uuid not null,
    email text not null,
    first_name text,
    last_name text,
    company text,
    target_group text,
    created_at timestamptz not null default now(),
    constraint contacts_pkey primary key (id),
    constraint contacts_org_id_id_key unique (org_id, id),
    constraint contacts_organization_fkey
    foreign key (org_id) references public.organizations (id) on delete cascade
);

create index contacts_by_target_group on public.contacts (org_id, target_group, id);

create table public.kanban_cards (
    id uuid not null default gen_random_uuid(),
    org_id uuid not null,
    type text not null,
    title text not null,
    state text not null default 'suggested',
    priority integer not null default 0,
    payload jsonb not null default '{}',
    contact_id uuid,
    created_at timestamptz not null default now(),
    constraint kanban_cards_pkey primary key (id),
    constraint kanban_cards_organization_fkey
    foreign key (org_id) references public.organizations (id) on delete cascade,
    constraint kanban_cards_contact_in_same_organisation
    foreign key (org_id, contact_id) references public.contacts (org_id, id) on delete set null (contact_id),
    constraint kanban_cards_type_known check (
        type in ('send_email', 'create_task', 'schedule_call', 'research', 'follow_up', 'create_deal')
    ),
    constraint kanban_cards_state_known check (
        state in ('suggested', 'in_review', 'approved', 'executing', 'done', 'blocked', 'rejected')
    )
);

create index kanban_cards_by_contact on public.kanban_cards (org_id, contact_id);

create table public.agent_runs (
    id uuid not null default gen_random_uuid(),
    org_id uuid not null,
    mode text not null,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    constraint agent_runs_pkey primary key (id),
    constraint agent_runs_organization_fkey
    foreign key (org_id) references public.organizations (id) on delete cascade
);

create index agent_runs_by_organisation on public.agent_runs (org_id, started_at);

revoke all on public.contacts, public.kanban_cards, public.agent_runs from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.contacts, public.kanban_cards, public.agent_runs
to authenticated, service_role;

alter table public.contacts enable row level security;
alter table public.kanban_cards enable row level security;
alter table public.agent_runs enable row level security;

create policy members_work_with_their_organisations_contacts on public.contacts
for all to authenticated
using (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
)
with check (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);

create policy members_work_with_their_organisations_cards on public.kanban_cards
for all to authenticated
using (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
)
with check (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);

create policy members_work_with_their_organisations_runs on public.agent_runs
for all to authenticated
using (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
)
with check (
    org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);
