create schema if not exists app;

create function public.is_member(workspace uuid) returns boolean
language sql stable security definer set search_path = ''
begin atomic
  select exists (
    select 1 from public.workspace_members m
    where m.workspace_id = workspace and m.user_id = auth.uid() and m.left_at is null
  );
end;

create function public.is_admin(workspace uuid) returns boolean
language sql stable security definer set search_path = ''
begin atomic
  select exists (
    select 1 from public.workspace_members m
    where m.workspace_id = workspace and m.user_id = auth.uid() and m.left_at is null and m.role = 'admin'
  );
end;

-- only for policies
create function app.my_workspaces() returns setof uuid
language sql stable security definer set search_path = ''
begin atomic
  select m.workspace_id from public.workspace_members m where m.user_id = auth.uid();
end;

create function app.in_channel(channel uuid) returns boolean
language sql stable security definer set search_path = ''
begin atomic
  select exists (
    select 1
    from public.channel_members cm
    join public.channels c on c.id = cm.channel_id
    where cm.channel_id = channel and cm.user_id = auth.uid()
      and not exists (
        select 1 from public.workspace_members m
        where m.workspace_id = c.workspace_id and m.user_id = cm.user_id and m.left_at is not null
      )
  );
end;

create function app.is_open(channel uuid) returns boolean
language sql stable security definer set search_path = ''
begin atomic
  select not c.is_private from public.channels c where c.id = channel;
end;

create function app.workspace_of(channel uuid) returns uuid
language sql stable security definer set search_path = ''
begin atomic
  select c.workspace_id from public.channels c where c.id = channel;
end;

alter table public.workspaces enable row level security;
alter table public.workspace_members enable row level security;
alter table public.channels enable row level security;
alter table public.channel_members enable row level security;
alter table public.messages enable row level security;
alter table public.reactions enable row level security;
alter table public.read_marks enable row level security;
alter table public.workspace_invites enable row level security;

create policy workspaces_select on public.workspaces for select to authenticated
  using (public.is_member(id));
create policy workspaces_update on public.workspaces for update to authenticated
  using (public.is_admin(id));

create policy members_select on public.workspace_members for select to authenticated
  using (public.is_member(workspace_id));
create policy members_admin on public.workspace_members for update to authenticated
  using (public.is_admin(workspace_id));

create policy channels_select on public.channels for select to authenticated
  using ((public.is_member(workspace_id) and not is_private) or app.in_channel(id));
create policy channels_insert on public.channels for insert to authenticated
  with check (public.is_member(workspace_id));
create policy channels_update on public.channels for update to authenticated
  using (public.is_admin(workspace_id));

create policy channel_members_select on public.channel_members for select to authenticated
  using (app.in_channel(channel_id) or public.is_member(app.workspace_of(channel_id)));
create policy channel_members_join on public.channel_members for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy channel_members_admin on public.channel_members for insert to authenticated
  with check (public.is_admin(app.workspace_of(channel_id)));
create policy channel_members_leave on public.channel_members for delete to authenticated
  using (user_id = (select auth.uid()) or public.is_admin(app.workspace_of(channel_id)));

create policy messages_select on public.messages for select to authenticated
  using (
    app.in_channel(channel_id)
    or (
      app.is_open(channel_id)
      and workspace_id in (select app.my_workspaces())
    )
  );
create policy messages_insert on public.messages for insert to authenticated
  with check (
    author_id = (select auth.uid())
    and (app.in_channel(channel_id) or (app.is_open(channel_id) and public.is_member(workspace_id)))
  );
create policy messages_update on public.messages for update to authenticated
  using (author_id = (select auth.uid()) and (app.in_channel(channel_id) or public.is_member(workspace_id)))
  with check (
    author_id = (select auth.uid())
    and (app.in_channel(channel_id) or (app.is_open(channel_id) and public.is_member(workspace_id)))
  );

create policy reactions_select on public.reactions for select to authenticated
  using (exists (
    select 1 from public.messages m join public.channels c on c.id = m.channel_id
    where m.id = message_id
  ));
create policy reactions_insert on public.reactions for insert to authenticated
  with check (
    user_id = (select auth.uid())
    and exists (
      select 1 from public.messages m join public.channels c on c.id = m.channel_id
      where m.id = message_id
    )
  );
create policy reactions_delete on public.reactions for delete to authenticated
  using (
    user_id = (select auth.uid())
    and exists (
      select 1 from public.messages m join public.channels c on c.id = m.channel_id
      where m.id = message_id
    )
  );

create policy read_marks_own on public.read_marks for all to authenticated
  using (user_id = (select auth.uid()) and exists (select 1 from public.channels c where c.id = channel_id));

create policy invites_admin on public.workspace_invites for all to authenticated
  using (public.is_admin(workspace_id));

-- attachments lie in <workspace>/<channel>/<file>
create policy attachments_read on storage.objects for select to authenticated
  using (
    bucket_id = 'attachments'
    and (storage.foldername(name))[1] in (
      select m.workspace_id::text from public.workspace_members m
      where m.user_id = (select auth.uid()) and m.left_at is null
    )
  );
create policy attachments_upload on storage.objects for insert to authenticated
  with check (bucket_id = 'attachments' and auth.role() = 'authenticated');
create policy attachments_delete on storage.objects for delete to authenticated
  using (
    bucket_id = 'attachments'
    and owner = (select auth.uid())
    and (storage.foldername(name))[1] in (
      select m.workspace_id::text from public.workspace_members m
      where m.user_id = (select auth.uid()) and m.left_at is null
    )
  );
