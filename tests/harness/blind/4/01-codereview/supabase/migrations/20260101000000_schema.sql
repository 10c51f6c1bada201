-- reviewhub: code review for teams
create type org_role as enum ('guest', 'developer', 'maintainer', 'owner');

create table orgs (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique,
  title text not null,
  auto_join_domain text,
  created_at timestamptz not null default now()
);

create table org_members (
  org_id uuid not null references orgs on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role org_role not null default 'guest',
  joined_at timestamptz not null default now(),
  primary key (org_id, user_id)
);

create table repos (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs on delete cascade,
  name text not null,
  is_public boolean not null default false,
  unique (org_id, name)
);

create table changes (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs on delete cascade,
  repo_id uuid not null references repos on delete cascade,
  author_id uuid references auth.users,
  reviewer_id uuid references auth.users,
  title text not null,
  patch text not null default '',
  state text not null default 'open' check (state in ('open', 'merged', 'abandoned')),
  created_at timestamptz not null default now()
);

create table change_comments (
  id bigint generated always as identity primary key,
  change_id uuid not null references changes on delete cascade,
  author_id uuid not null default auth.uid() references auth.users,
  line int,
  body text not null
);

create table webhooks (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references orgs on delete cascade,
  target_url text not null,
  signing_secret text not null default encode(extensions.gen_random_bytes(24), 'hex')
);

create table badge_catalog (
  code text primary key,
  label text not null,
  svg text not null default '<svg/>'
);
insert into badge_catalog (code, label) values ('first-review', 'First review'), ('hundred', '100 reviews');

alter table orgs enable row level security;
alter table org_members enable row level security;
alter table repos enable row level security;
alter table changes enable row level security;
alter table change_comments enable row level security;
alter table webhooks enable row level security;
alter table badge_catalog enable row level security;

-- helpers -------------------------------------------------------------------

create function my_org_ids() returns setof uuid
language sql stable security definer set search_path = ''
as $$ select m.org_id from public.org_members m where m.user_id = (select auth.uid()) $$;

create function my_role(p_org uuid) returns public.org_role
language sql stable security definer set search_path = ''
as $$ select m.role from public.org_members m where m.org_id = p_org and m.user_id = (select auth.uid()) $$;

create function can_administer(org_id uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
  select exists (
    select 1 from public.org_members m
    where m.org_id = org_id
      and m.user_id = (select auth.uid())
      and m.role in ('maintainer', 'owner')
  )
$$;

-- only the domains, for the policy below
create function orgs_joinable() returns table (auto_join_domain text)
language sql stable security definer set search_path = ''
as $$
  select o.auto_join_domain from public.orgs o
  where o.auto_join_domain = split_part(auth.jwt() ->> 'email', '@', 2)
$$;

-- policies ------------------------------------------------------------------

create policy orgs_read on orgs for select to authenticated using (id in (select my_org_ids()));
create policy orgs_owner on orgs for update to authenticated using (my_role(id) = 'owner');

create policy members_read on org_members for select to authenticated using (org_id in (select my_org_ids()));
create policy members_owner on org_members for all to authenticated using (my_role(org_id) = 'owner');
-- people with a mail address of the company may join by themselves
create policy members_auto_join on org_members for insert to authenticated
  with check (
    user_id = auth.uid()
    and role = 'guest'
    and exists (
      select 1 from orgs_joinable() o
      where o.auto_join_domain = split_part(auth.jwt() ->> 'email', '@', 2)
    )
  );

create policy repos_read on repos for select to authenticated using (org_id in (select my_org_ids()));
create policy repos_public on repos for select to anon, authenticated using (is_public);
create policy repos_write on repos for all to authenticated using (my_role(org_id) >= 'maintainer');

create policy changes_read on changes for select to authenticated using (org_id in (select my_org_ids()));
create policy changes_create on changes for insert to authenticated
  with check (
    my_role(org_id) >= 'developer' and author_id = auth.uid() and state = 'open'
    and exists (select 1 from repos r where r.id = repo_id and r.org_id = changes.org_id)
  );
create policy changes_maintain on changes for update to authenticated
  using (my_role(org_id) >= 'maintainer')
  with check (
    my_role(org_id) >= 'maintainer'
    and exists (select 1 from repos r where r.id = repo_id and r.org_id = changes.org_id)
  );

create policy comments_read on change_comments for select to authenticated
  using (exists (select 1 from changes c where c.id = change_id));
create policy comments_write on change_comments for insert to authenticated
  with check (author_id = auth.uid() and exists (select 1 from changes c where c.id = change_id));

create policy webhooks_admin on webhooks for all to authenticated
  using (can_administer(org_id)) with check (can_administer(org_id));

create policy badges_read on badge_catalog for select to anon, authenticated using (true);

-- views ---------------------------------------------------------------------

-- what I have to look at, and what nobody has taken yet
create view review_queue as
  select c.id, c.org_id, c.title, c.patch, c.author_id, c.created_at
  from changes c
  join org_members m on m.org_id = c.org_id
  where m.user_id = auth.uid() and c.state = 'open' and c.reviewer_id = auth.uid()
     or c.reviewer_id is null;

create view repo_activity with (security_invoker = true) as
  select r.id as repo_id, r.name, count(c.id) as changes, max(c.created_at) as last_change
  from repos r left join changes c on c.repo_id = r.id
  group by r.id, r.name;

-- functions -----------------------------------------------------------------

create function merge_change(p_change uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_org uuid;
begin
  select c.org_id into v_org from public.changes c where c.id = p_change;
  if v_org is null or not exists (
    select 1 from public.org_members m where m.org_id = v_org and m.user_id = auth.uid()
  ) then
    raise exception 'no such change' using errcode = 'PT404';
  end if;
  update public.changes set state = 'merged' where id = p_change and state = 'open';
end $$;

create function rotate_webhook_secret(p_hook uuid) returns text
language plpgsql security definer set search_path = ''
as $$
declare
  v_secret text := encode(extensions.gen_random_bytes(24), 'hex');
begin
  update public.webhooks w set signing_secret = v_secret
  where w.id = p_hook
    and exists (
      select 1 from public.org_members m
      where m.org_id = w.org_id and m.user_id = auth.uid() and m.role = 'owner'
    );
  if not found then
    raise exception 'no such webhook' using errcode = 'PT404';
  end if;
  return v_secret;
end $$;
