-- A POST that is repeated with the same Idempotency-Key gives the job that the first one created.

create table public.job_requests (
    user_id uuid default auth.uid(),
    key text not null,
    org_id uuid not null,
    job_id uuid not null,
    fingerprint text not null,
    created_at timestamptz not null default now(),
    -- service_role has no user, and its keys are as unique as those of a user
    constraint job_requests_user_id_key_key unique nulls not distinct (user_id, key),
    constraint job_requests_user_fkey foreign key (user_id) references auth.users (id) on delete cascade,
    constraint job_requests_job_in_same_organisation
    foreign key (org_id, job_id) references public.jobs (org_id, id) on delete cascade on update cascade,
    constraint job_requests_key_has_1_to_255_characters check (char_length(key) between 1 and 255)
);

comment on table public.job_requests is
'Which job a user has created with which Idempotency-Key. A row is written once, together with its job.';
comment on column public.job_requests.fingerprint is
'The hash of the request. Another request with the same key is refused.';

create index job_requests_by_job on public.job_requests (org_id, job_id);

revoke all on public.job_requests from public, anon, authenticated, service_role;
grant select on public.job_requests to authenticated, service_role;
grant insert (key, org_id, job_id, fingerprint) on public.job_requests to authenticated, service_role;

alter table public.job_requests enable row level security;

create policy users_read_their_own_requests on public.job_requests
for select to authenticated
using (user_id = (select auth.uid()));

create policy members_note_their_own_requests on public.job_requests
for insert to authenticated
with check (
    user_id = (select auth.uid())
    and org_id = any(array(
        select m.organization_id
        from public.organization_members as m
        where m.user_id = (select auth.uid())
    ))
);
