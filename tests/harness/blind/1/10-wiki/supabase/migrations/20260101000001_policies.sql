create schema internal;
revoke all on schema internal from public;

create function internal.role_of(p_space text) returns text
language sql stable security definer set search_path = ''
as $$ select m.role from public.space_members m where m.space = p_space and m.user_id = auth.uid() $$;

create function internal.spaces_of_caller(p_roles text[]) returns text[]
language sql stable security definer set search_path = ''
as $$ select coalesce(array_agg(m.space::text), '{}') from public.space_members m where m.user_id = auth.uid() and m.role = any (p_roles) $$;

alter table public.spaces enable row level security;
alter table public.space_members enable row level security;
alter table public.pages enable row level security;
alter table public.page_versions enable row level security;
alter table public.comments enable row level security;
alter table public.page_tags enable row level security;
alter table public.share_links enable row level security;

create policy "members" on public.spaces for select to authenticated
  using (internal.role_of(name) is not null);
create policy "owners change" on public.spaces for update to authenticated
  using (internal.role_of(name) = 'owner');

create policy "members" on public.space_members for select to authenticated
  using (internal.role_of(space) is not null);
create policy "owners" on public.space_members for all to authenticated
  using (internal.role_of(space) = 'owner');

create policy "public pages" on public.pages for select to anon, authenticated
  using (is_public);
create policy "members read" on public.pages for select to authenticated
  using (space = any (internal.spaces_of_caller('{viewer,editor,owner}')));
create policy "editors write" on public.pages for all to authenticated
  using (space = any (internal.spaces_of_caller('{editor,owner}')));

create policy "members read" on public.page_versions for select to authenticated
  using (exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) is not null));

create policy "members read" on public.comments for select to authenticated
  using (exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) is not null));
create policy "members comment" on public.comments for insert to authenticated
  with check (
    author_id = auth.uid()
    and exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) is not null)
  );
create policy "authors take back" on public.comments for delete to authenticated
  using (
    author_id = auth.uid()
    and exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) is not null)
  );

create policy "members read" on public.page_tags for select to authenticated
  using (exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) is not null));
create policy "editors tag" on public.page_tags for all to authenticated
  using (exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) in ('editor', 'owner')));

-- the page behind a link asks for its token
create policy "link is valid" on public.share_links for select to anon, authenticated
  using (expires_at > now());
create policy "editors share" on public.share_links for insert to authenticated
  with check (exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) in ('editor', 'owner')));
create policy "editors unshare" on public.share_links for delete to authenticated
  using (exists (select from public.pages p where p.id = page_id and internal.role_of(p.space) in ('editor', 'owner')));

create policy "wiki files read" on storage.objects for select to authenticated
  using (
    bucket_id = 'wiki'
    and exists (
      select 1
      from public.spaces
      join public.space_members m on m.space = spaces.name
      where m.user_id = (select auth.uid()) and spaces.name = split_part(name, '/', 1)
    )
  );
create policy "wiki files add" on storage.objects for insert to authenticated
  with check (bucket_id = 'wiki' and path_tokens[1] = any (internal.spaces_of_caller('{editor,owner}')));
create policy "wiki files remove" on storage.objects for delete to authenticated
  using (bucket_id = 'wiki' and path_tokens[1] = any (internal.spaces_of_caller('{editor,owner}')));
