-- Research funding: agencies publish calls, applicants hand in proposals, reviewers judge them.
-- naming: tables singular, every key "<table>_id"

create domain email_address as text check (value like '%@%');

create table agency (
    agency_id   uuid default gen_random_uuid() primary key,
    name        text not null
);

create table agency_member (
    agency_id   uuid not null references agency,
    user_id     uuid not null references auth.users,
    role        text not null check (role in ('clerk', 'officer', 'director')),
    primary key (agency_id, user_id)
);

create table call (
    call_id     uuid default gen_random_uuid() primary key,
    agency_id   uuid not null references agency,
    title       text not null,
    deadline    timestamptz not null,
    published   boolean not null default false
);

create table proposal (
    proposal_id uuid default gen_random_uuid() primary key,
    agency_id   uuid not null references agency,
    call_id     uuid not null references call,
    contact     email_address not null,
    title       text not null,
    abstract    text not null default '',
    requested   numeric(12, 2) not null default 0,
    deleted_at  timestamptz
);

create table budget_line (
    budget_line_id uuid default gen_random_uuid() primary key,
    agency_id   uuid not null references agency,
    proposal_id uuid not null references proposal on delete cascade,
    label       text not null,
    amount      numeric(12, 2) not null check (amount >= 0)
);

create table assignment (
    proposal_id uuid not null references proposal on delete cascade,
    user_id     uuid not null references auth.users,
    due_at      timestamptz not null default now() + interval '21 days',
    declined_at timestamptz,
    primary key (proposal_id, user_id)
);

create table review (
    review_id   uuid default gen_random_uuid() primary key,
    agency_id   uuid not null references agency,
    proposal_id uuid not null references proposal on delete cascade,
    user_id     uuid not null default auth.uid() references auth.users,
    score       smallint not null check (score between 1 and 6),
    remarks     text
);

create table decision (
    decision_id uuid default gen_random_uuid() primary key,
    agency_id   uuid not null references agency,
    proposal_id uuid not null unique references proposal on delete cascade,
    outcome     text not null default 'open' check (outcome in ('open', 'funded', 'rejected')),
    reason      text
);

create table audit_log (
    audit_log_id bigint generated always as identity primary key,
    agency_id   uuid not null references agency,
    actor       uuid,
    what        text not null,
    at          timestamptz not null default now()
);

alter table agency enable row level security;
alter table agency_member enable row level security;
alter table call enable row level security;
alter table proposal enable row level security;
alter table budget_line enable row level security;
alter table assignment enable row level security;
alter table review enable row level security;
alter table decision enable row level security;
alter table audit_log enable row level security;

create function member_of() returns uuid[]
language sql stable security definer set search_path = ''
return array(select m.agency_id from public.agency_member as m where m.user_id = auth.uid());

create function agency_role(agency uuid) returns text
language sql stable security definer set search_path = ''
return (select m.role from public.agency_member as m where m.user_id = auth.uid() and m.agency_id = agency);

-- highest role that the caller has, for the menu of the application
create function my_role() returns text
language sql stable security definer set search_path = ''
return (
    select m.role from public.agency_member as m where m.user_id = auth.uid()
    order by array_position(array['director', 'officer', 'clerk'], m.role) limit 1
);

create function assigned(proposal uuid) returns boolean
language sql stable security definer set search_path = ''
return exists (
    select from public.assignment as a
    where a.proposal_id = proposal and a.user_id = auth.uid() and a.declined_at is null
);

create policy agency_member on agency for select to authenticated
using (agency_id = any (member_of()));

create policy agency_member on agency_member for select to authenticated
using (agency_id = any (member_of()));
create policy director on agency_member for all to authenticated
using (agency_role(agency_id) = 'director')
with check (agency_role(agency_id) = 'director');

create policy published on call for select to anon, authenticated using (published);
create policy agency_member on call for select to authenticated
using (agency_id = any (member_of()));
create policy officer on call for all to authenticated
using (agency_role(agency_id) in ('officer', 'director'))
with check (agency_role(agency_id) in ('officer', 'director'));

create policy not_deleted on proposal as restrictive for all to authenticated
using (deleted_at is null) with check (true);
create policy agency_member on proposal for select to authenticated
using (agency_id = any (member_of()));
create policy officer on proposal for update to authenticated
using (agency_role(agency_id) in ('officer', 'director'))
with check (
    agency_role(agency_id) in ('officer', 'director')
    and exists (select from call as c where c.call_id = proposal.call_id and c.agency_id = proposal.agency_id)
);
create policy reviewer on proposal for select to authenticated
using (assigned(proposal_id));

create policy agency_member on budget_line for select to authenticated
using (agency_id = any (member_of()));
create policy officer on budget_line for insert to authenticated
with check (agency_role(agency_id) in ('officer', 'director'));

create policy officer on assignment for all to authenticated
using (exists (
    select from proposal as p
    where p.proposal_id = assignment.proposal_id and agency_role(p.agency_id) in ('officer', 'director')
));

create policy agency_member on review for select to authenticated
using (agency_role(agency_id) in ('officer', 'director'));
create policy reviewer on review for insert to authenticated
with check (
    user_id = auth.uid() and assigned(proposal_id)
    and exists (select from proposal as p where p.proposal_id = review.proposal_id and p.agency_id = review.agency_id)
);

create policy agency_member on decision for select to authenticated
using (agency_id = any (member_of()));
create policy officer on decision for update to authenticated
using (agency_id = any (member_of()) and my_role() in ('officer', 'director'))
with check (
    agency_id = any (member_of()) and my_role() in ('officer', 'director')
    and exists (select from proposal as p where p.proposal_id = decision.proposal_id and p.agency_id = decision.agency_id)
);

create policy director on audit_log for select to authenticated
using (agency_role(agency_id) = 'director');

-- what is asked for is the sum of the lines
create function sum_budget() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    update public.proposal as p
    set requested = (select sum(b.amount) from public.budget_line as b where b.proposal_id = new.proposal_id)
    where p.proposal_id = new.proposal_id and p.deleted_at is null;
    return null;
end
$$;
create trigger sum_budget after insert on budget_line for each row execute function sum_budget();

create function log_decision() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.audit_log (agency_id, actor, what)
    values (new.agency_id, auth.uid(), 'decision: ' || new.outcome);
    return null;
end
$$;
create trigger log_decision after update on decision for each row execute function log_decision();

-- officers search the full text of their agency's proposals
create function search_proposals(agency uuid, term text)
returns table (proposal_id uuid, title text, abstract text, requested numeric)
language plpgsql stable security definer set search_path = ''
as $$
begin
    if public.agency_role(agency) not in ('officer', 'director') then
        raise exception 'only for officers' using errcode = '42501';
    end if;
    return query
        select p.proposal_id, p.title, p.abstract, p.requested
        from public.proposal as p
        where p.agency_id = agency and p.deleted_at is null
          and (p.title || ' ' || p.abstract) ilike '%' || term || '%';
end
$$;

-- mean of the scores; null unless the caller is an officer there
create function mean_score(proposal uuid) returns numeric
language sql stable security definer set search_path = ''
return (
    select avg(r.score) from public.review as r
    where r.proposal_id = proposal and public.agency_role(r.agency_id) in ('officer', 'director')
);

create view open_calls with (security_invoker = true) as
select call_id, title, deadline from call where published and deadline > now();
