-- Workspaces with channels, threads, calls and bots. Policies are written as teams on Supabase write them first:
-- subqueries on membership tables, helpers only where a policy would ask itself.
create type workspace_role as enum ('guest', 'member', 'admin', 'owner');
create type channel_kind as enum ('public', 'private', 'dm');
create type presence as enum ('online', 'away', 'dnd', 'offline');

create table emojis (shortcode text primary key, glyph text not null);
insert into emojis values ('+1', '👍'), ('heart', '❤');
create table app_catalog (id uuid primary key default gen_random_uuid(), name text not null, scopes text[] not null default '{}');

create table workspaces (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  icon_url text,
  retention_days int check (retention_days is null or retention_days >= 7),
  created_at timestamptz not null default now(),
  archived_at timestamptz
);
create table workspace_members (
  workspace_id uuid not null references workspaces on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role workspace_role not null default 'member',
  nickname text,
  deactivated_at timestamptz,
  primary key (workspace_id, user_id)
);
create index on workspace_members (user_id);

create function is_workspace_member(_workspace_id uuid) returns boolean
language sql stable security definer set search_path = public as $$
  select exists (
    select 1 from workspace_members
    where workspace_id = _workspace_id and user_id = auth.uid() and deactivated_at is null
  );
$$;
create function workspace_role_of(_workspace_id uuid) returns workspace_role
language sql stable security definer set search_path = public as $$
  select role from workspace_members
  where workspace_id = _workspace_id and user_id = auth.uid() and deactivated_at is null;
$$;
create function is_workspace_admin(_workspace_id uuid) returns boolean
language sql stable as $$ select coalesce(public.workspace_role_of(_workspace_id) >= 'admin'::public.workspace_role, false); $$;

create table member_status (
  workspace_id uuid not null,
  user_id uuid not null default auth.uid(),
  state presence not null default 'offline',
  emoji text references emojis,
  message text check (char_length(message) <= 80),
  expires_at timestamptz,
  primary key (workspace_id, user_id),
  foreign key (workspace_id, user_id) references workspace_members on delete cascade
);
create table user_groups (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces on delete cascade,
  handle text not null check (handle ~ '^[a-z0-9_-]+$'),
  unique (workspace_id, handle),
  unique (workspace_id, id)
);
create table user_group_members (
  workspace_id uuid not null,
  group_id uuid not null,
  user_id uuid not null,
  primary key (group_id, user_id),
  foreign key (workspace_id, group_id) references user_groups (workspace_id, id) on delete cascade,
  foreign key (workspace_id, user_id) references workspace_members on delete cascade
);
create index on user_group_members (workspace_id, user_id);
create table invites (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces on delete cascade,
  code text not null unique default encode(sha256(gen_random_uuid()::text::bytea), 'hex'),
  role workspace_role not null default 'member' check (role in ('guest', 'member')),
  max_uses int not null default 1,
  used int not null default 0,
  expires_at timestamptz not null default now() + interval '1 week',
  invited_by uuid default auth.uid(),
  check (used <= max_uses)
);
create index on invites (workspace_id);

create table channels (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces on delete cascade,
  kind channel_kind not null default 'public',
  name text check (kind = 'dm' or name is not null),
  topic text,
  is_archived boolean not null default false,
  member_count int not null default 0,
  last_message_at timestamptz,
  created_by uuid default auth.uid(),
  unique (workspace_id, name),
  unique (workspace_id, id)
);
create table channel_members (
  channel_id uuid not null,
  workspace_id uuid not null,
  user_id uuid not null,
  is_moderator boolean not null default false,
  notify text not null default 'mentions' check (notify in ('all', 'mentions', 'none')),
  joined_at timestamptz not null default now(),
  primary key (channel_id, user_id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id) on delete cascade,
  foreign key (workspace_id, user_id) references workspace_members on delete cascade
);
create index on channel_members (workspace_id, channel_id);
create index on channel_members (workspace_id, user_id);
create function in_channel(_channel_id uuid) returns boolean
language sql stable security definer set search_path = public as $$
  select exists (
    select 1 from channel_members cm join workspace_members wm using (workspace_id, user_id)
    where cm.channel_id = _channel_id and cm.user_id = auth.uid() and wm.deactivated_at is null
  );
$$;
create function can_read_channel(_channel_id uuid) returns boolean
language plpgsql stable security definer set search_path = public as $$
declare
  c channels%rowtype;
begin
  select * into c from channels where id = _channel_id;
  if c.kind = 'public' then
    return coalesce(workspace_role_of(c.workspace_id) >= 'member', false) or in_channel(_channel_id);
  end if;
  return in_channel(_channel_id);
end;
$$;
create function moderates(_channel_id uuid) returns boolean
language sql stable security definer set search_path = public as $$
  select in_channel(_channel_id) and exists (
    select from channel_members where channel_id = _channel_id and user_id = auth.uid() and is_moderator
  );
$$;
create function bump_member_count() returns trigger
language plpgsql security definer set search_path = public as $$
begin
  if tg_op = 'INSERT' then
    update channels set member_count = member_count + 1 where id = new.channel_id;
  elsif tg_op = 'DELETE' then
    update channels set member_count = member_count - 1 where id = old.channel_id;
  end if;
  return null;
end;
$$;
create trigger bump_member_count after insert or delete on channel_members for each row execute function bump_member_count();

create table messages (
  id bigint generated always as identity,
  workspace_id uuid not null,
  channel_id uuid not null,
  author_id uuid not null default auth.uid(),
  parent_id bigint,
  body text not null check (char_length(body) between 1 and 8000),
  mentions uuid[] not null default '{}',
  edited_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (id, workspace_id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id) on delete cascade
) partition by hash (workspace_id);
create table messages_0 partition of messages for values with (modulus 3, remainder 0);
create table messages_1 partition of messages for values with (modulus 3, remainder 1);
create table messages_2 partition of messages for values with (modulus 3, remainder 2);
create index on messages (workspace_id, channel_id);
create function touch_channel() returns trigger
language plpgsql security definer set search_path = public as $$
begin
  update channels set last_message_at = greatest(last_message_at, new.created_at) where id = new.channel_id;
  return new;
end;
$$;
create trigger touch_channel after insert on messages for each row execute function touch_channel();
create table reactions (
  message_id bigint not null,
  workspace_id uuid not null,
  user_id uuid not null default auth.uid(),
  emoji text not null references emojis,
  primary key (message_id, workspace_id, user_id, emoji),
  foreign key (message_id, workspace_id) references messages (id, workspace_id) on delete cascade
);
create index on reactions (emoji);
create table attachments (
  id uuid primary key default gen_random_uuid(),
  message_id bigint not null,
  workspace_id uuid not null,
  object_name text not null,
  bytes bigint not null check (bytes > 0 and bytes < 104857600),
  foreign key (message_id, workspace_id) references messages (id, workspace_id) on delete cascade
);
create index on attachments (message_id, workspace_id);
create table pins (
  channel_id uuid not null references channels on delete cascade,
  message_id bigint not null,
  workspace_id uuid not null,
  primary key (channel_id, message_id),
  foreign key (message_id, workspace_id) references messages (id, workspace_id) on delete cascade,
  foreign key (workspace_id, channel_id) references channels (workspace_id, id) on delete cascade
);
create index on pins (message_id, workspace_id);
create index on pins (workspace_id, channel_id);
create table bookmarks (
  user_id uuid not null default auth.uid(),
  message_id bigint not null,
  workspace_id uuid not null,
  remind_at timestamptz,
  primary key (user_id, message_id, workspace_id),
  foreign key (message_id, workspace_id) references messages (id, workspace_id) on delete cascade,
  foreign key (workspace_id, user_id) references workspace_members on delete cascade
);
create index on bookmarks (message_id, workspace_id);
create index on bookmarks (workspace_id, user_id);
create table read_markers (
  channel_id uuid not null,
  user_id uuid not null default auth.uid(),
  last_read bigint not null default 0,
  primary key (channel_id, user_id),
  foreign key (channel_id, user_id) references channel_members on delete cascade
);
create table drafts (
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  channel_id uuid not null references channels on delete cascade,
  body text not null,
  primary key (user_id, channel_id)
);
create index on drafts (channel_id);
create table scheduled_messages (
  id uuid primary key default gen_random_uuid(),
  channel_id uuid not null references channels on delete cascade,
  author_id uuid not null default auth.uid(),
  body text not null,
  send_at timestamptz not null,
  sent boolean not null default false
);
create index on scheduled_messages (channel_id);
create table polls (
  id uuid primary key default gen_random_uuid(),
  channel_id uuid not null references channels on delete cascade,
  question text not null,
  options text[] not null check (array_length(options, 1) >= 2),
  closes_at timestamptz,
  anonymous boolean not null default false,
  created_by uuid not null default auth.uid()
);
create index on polls (channel_id);
create table poll_votes (
  poll_id uuid not null references polls on delete cascade,
  user_id uuid not null default auth.uid(),
  choice int not null check (choice > 0),
  primary key (poll_id, user_id)
);
create table calls (
  id uuid primary key default gen_random_uuid(),
  channel_id uuid not null references channels on delete cascade,
  started_by uuid not null default auth.uid(),
  during tstzrange not null default tstzrange(now(), null)
);
create index on calls (channel_id);
create table call_participants (
  call_id uuid not null references calls on delete cascade,
  user_id uuid not null default auth.uid(),
  muted boolean not null default true,
  primary key (call_id, user_id)
);
create table canvases (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces on delete cascade,
  title text not null,
  content jsonb not null default '{}',
  owner_id uuid not null default auth.uid(),
  access text not null default 'restricted' check (access in ('restricted', 'workspace'))
);
create index on canvases (workspace_id);
create table canvas_shares (
  canvas_id uuid not null references canvases on delete cascade,
  user_id uuid not null,
  workspace_id uuid not null,
  can_edit boolean not null default false,
  until timestamptz,
  primary key (canvas_id, user_id),
  foreign key (workspace_id, user_id) references workspace_members on delete cascade
);
create index on canvas_shares (workspace_id, user_id);
create function owns_canvas(_canvas_id uuid, _workspace_id uuid) returns boolean
language sql stable security definer set search_path = public as $$
  select exists (select from canvases where id = _canvas_id and workspace_id = _workspace_id and owner_id = auth.uid());
$$;
create table bots (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces on delete cascade,
  app_id uuid references app_catalog,
  name text not null,
  token_hash text not null,
  enabled boolean not null default true
);
create index on bots (workspace_id);
create index on bots (app_id);
create table slash_commands (
  bot_id uuid not null references bots on delete cascade,
  command text not null check (command like '/%'),
  url text not null,
  primary key (bot_id, command)
);
create table custom_emojis (
  workspace_id uuid not null references workspaces on delete cascade,
  shortcode text not null,
  object_name text not null,
  added_by uuid default auth.uid(),
  primary key (workspace_id, shortcode)
);
create table user_preferences (
  user_id uuid primary key default auth.uid() references auth.users on delete cascade,
  theme text not null default 'system' check (theme in ('light', 'dark', 'system')),
  muted_until timestamptz,
  shortcuts jsonb not null default '{}'
);
create table devices (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  push_token text not null,
  platform text not null check (platform in ('ios', 'android', 'web')),
  last_seen timestamptz not null default now()
);
create index on devices (user_id);
create table moderation_reports (
  id bigint generated always as identity primary key,
  workspace_id uuid not null references workspaces on delete cascade,
  reporter_id uuid not null default auth.uid(),
  reason text not null,
  status text not null default 'open' check (status in ('open', 'dismissed', 'actioned'))
);
create index on moderation_reports (workspace_id);
create table workspace_exports (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces on delete cascade,
  state text not null default 'queued' check (state in ('queued', 'running', 'ready', 'failed')),
  object_name text,
  requested_by uuid not null default auth.uid(),
  check (state <> 'ready' or object_name is not null)
);
create index on workspace_exports (workspace_id);

alter table emojis enable row level security;
alter table app_catalog enable row level security;
alter table workspaces enable row level security;
alter table workspace_members enable row level security;
alter table member_status enable row level security;
alter table user_groups enable row level security;
alter table user_group_members enable row level security;
alter table invites enable row level security;
alter table channels enable row level security;
alter table channel_members enable row level security;
alter table messages enable row level security;
alter table messages_0 enable row level security;
alter table messages_1 enable row level security;
alter table messages_2 enable row level security;
alter table reactions enable row level security;
alter table attachments enable row level security;
alter table pins enable row level security;
alter table bookmarks enable row level security;
alter table read_markers enable row level security;
alter table drafts enable row level security;
alter table scheduled_messages enable row level security;
alter table polls enable row level security;
alter table poll_votes enable row level security;
alter table calls enable row level security;
alter table call_participants enable row level security;
alter table canvases enable row level security;
alter table canvas_shares enable row level security;
alter table bots enable row level security;
alter table slash_commands enable row level security;
alter table custom_emojis enable row level security;
alter table user_preferences enable row level security;
alter table devices enable row level security;
alter table moderation_reports enable row level security;
alter table workspace_exports enable row level security;

create policy "Anyone can read emojis" on emojis for select to anon, authenticated using (true);
create policy "Users can browse apps" on app_catalog for select to authenticated using (true);
create policy "Members can view workspace" on workspaces for select to authenticated
  using (is_workspace_member(id) and archived_at is null);
create policy "Owners can view archived workspace" on workspaces for select to authenticated
  using (workspace_role_of(id) = 'owner' and archived_at is not null);
create policy "Admins can update workspace" on workspaces for update to authenticated
  using (is_workspace_admin(id)) with check (is_workspace_admin(id));
create policy "Members can view members" on workspace_members for select to authenticated using (is_workspace_member(workspace_id));
create policy "Admins can deactivate members" on workspace_members for update to authenticated
  using (is_workspace_admin(workspace_id) and role < 'admin')
  with check (is_workspace_admin(workspace_id) and role < 'admin');
create policy "Members can leave" on workspace_members for delete to authenticated
  using (user_id = auth.uid() and role <> 'owner');
revoke insert, update on workspace_members from anon, authenticated;
grant update (role, deactivated_at) on workspace_members to authenticated;
create policy "Members can view status" on member_status for select to authenticated using (is_workspace_member(workspace_id));
create policy "Users can set own status" on member_status for all to authenticated
  using (user_id = auth.uid() and is_workspace_member(workspace_id))
  with check (user_id = auth.uid() and is_workspace_member(workspace_id));
create policy "Members can view groups" on user_groups for select to authenticated using (is_workspace_member(workspace_id));
create policy "Admins can manage groups" on user_groups for all to authenticated
  using (is_workspace_admin(workspace_id)) with check (is_workspace_admin(workspace_id));
create policy "Members can view group members" on user_group_members for select to authenticated using (is_workspace_member(workspace_id));
create policy "Admins can manage group members" on user_group_members for all to authenticated
  using (is_workspace_admin(workspace_id)) with check (is_workspace_admin(workspace_id));
create policy "Admins can manage invites" on invites for all to authenticated
  using (is_workspace_admin(workspace_id)) with check (is_workspace_admin(workspace_id) and used = 0);

create policy "Members can view public channels" on channels for select to authenticated
  using (kind = 'public' and workspace_role_of(workspace_id) in ('member', 'admin', 'owner'));
create policy "Channel members can view channel" on channels for select to authenticated using (in_channel(id));
create policy "Members can create channels" on channels for insert to authenticated
  with check (created_by = auth.uid() and workspace_role_of(workspace_id) >= 'member' and kind <> 'dm' and member_count = 0);
create policy "Moderators can update channel" on channels for update to authenticated
  using (moderates(id) or (kind = 'public' and is_workspace_admin(workspace_id)))
  with check (moderates(id) or (kind = 'public' and is_workspace_admin(workspace_id)));
revoke update on channels from anon, authenticated;
grant update (name, topic, is_archived) on channels to authenticated;
create policy "Members can view channel members" on channel_members for select to authenticated using (can_read_channel(channel_id));
create policy "Members can join public channels" on channel_members for insert to authenticated
  with check (
    user_id = auth.uid() and not is_moderator
    and exists (
      select 1 from channels c
      where c.id = channel_members.channel_id and c.kind = 'public' and not c.is_archived
        and workspace_role_of(c.workspace_id) >= 'member'
    )
  );
create policy "Moderators can add members" on channel_members for insert to authenticated with check (moderates(channel_id));
create policy "Moderators can remove members" on channel_members for delete to authenticated
  using (moderates(channel_id) or user_id = auth.uid());
create policy "Users can change notifications" on channel_members for update to authenticated
  using (user_id = auth.uid() and in_channel(channel_id)) with check (user_id = auth.uid());
revoke update on channel_members from anon, authenticated;
grant update (notify) on channel_members to authenticated;

create policy "Readers can view messages" on messages for select to authenticated
  using (can_read_channel(channel_id) and deleted_at is null);
create policy "Authors can view own deleted messages" on messages for select to authenticated
  using (author_id = auth.uid() and in_channel(channel_id) and deleted_at > now() - interval '1 day');
create policy "Channel members can post" on messages for insert to authenticated
  with check (
    author_id = auth.uid() and in_channel(channel_id) and deleted_at is null
    and not exists (select 1 from channels c where c.id = messages.channel_id and c.is_archived)
  );
create policy "Authors can edit" on messages for update to authenticated
  using (author_id = auth.uid() and in_channel(channel_id) and created_at > now() - interval '15 minutes')
  with check (author_id = auth.uid() and in_channel(channel_id));
create policy "Moderators can delete" on messages for delete to authenticated using (moderates(channel_id));
create policy "Readers can view reactions" on reactions for select to authenticated
  using (exists (select 1 from messages m where m.id = reactions.message_id and m.workspace_id = reactions.workspace_id));
create policy "Users can react" on reactions for insert to authenticated
  with check (user_id = auth.uid() and exists (
    select 1 from messages m where m.id = reactions.message_id and m.workspace_id = reactions.workspace_id and in_channel(m.channel_id)
  ));
create policy "Users can remove reactions" on reactions for delete to authenticated
  using (user_id = auth.uid() and is_workspace_member(workspace_id));
create policy "Readers can view attachments" on attachments for select to authenticated
  using (exists (select 1 from messages m where m.id = attachments.message_id and m.workspace_id = attachments.workspace_id));
create policy "Authors can attach" on attachments for insert to authenticated
  with check (exists (
    select 1 from messages m
    where m.id = attachments.message_id and m.workspace_id = attachments.workspace_id and m.author_id = auth.uid()
  ));
create policy "Readers can view pins" on pins for select to authenticated using (can_read_channel(channel_id));
create policy "Members can pin" on pins for insert to authenticated
  with check (in_channel(channel_id) and exists (
    select 1 from messages m where m.id = pins.message_id and m.workspace_id = pins.workspace_id and m.channel_id = pins.channel_id
  ));
create policy "Members can unpin" on pins for delete to authenticated using (in_channel(channel_id));
create policy "Users manage own bookmarks" on bookmarks for all to authenticated
  using (user_id = auth.uid() and is_workspace_member(workspace_id))
  with check (user_id = auth.uid() and exists (
    select 1 from messages m where m.id = bookmarks.message_id and m.workspace_id = bookmarks.workspace_id
  ));
create policy "Users manage own read markers" on read_markers for all to authenticated
  using (user_id = auth.uid() and in_channel(channel_id)) with check (user_id = auth.uid() and in_channel(channel_id));
create policy "Users manage own drafts" on drafts for all to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid() and in_channel(channel_id));
create policy "Authors manage scheduled messages" on scheduled_messages for all to authenticated
  using (author_id = auth.uid() and in_channel(channel_id) and not sent)
  with check (author_id = auth.uid() and in_channel(channel_id) and not sent and send_at > now());
create policy "Readers can view polls" on polls for select to authenticated using (can_read_channel(channel_id));
create policy "Members can create polls" on polls for insert to authenticated
  with check (in_channel(channel_id) and created_by = auth.uid());
create policy "Votes are visible when not anonymous" on poll_votes for select to authenticated
  using (user_id = auth.uid() or exists (select 1 from polls p where p.id = poll_votes.poll_id and not p.anonymous));
create policy "Members can vote while open" on poll_votes for insert to authenticated
  with check (user_id = auth.uid() and exists (
    select 1 from polls p
    where p.id = poll_votes.poll_id and in_channel(p.channel_id) and (p.closes_at is null or p.closes_at > now())
      and poll_votes.choice <= array_length(p.options, 1)
  ));
create policy "Channel members can see calls" on calls for select to authenticated using (in_channel(channel_id));
create policy "Channel members can start calls" on calls for insert to authenticated
  with check (in_channel(channel_id) and started_by = auth.uid() and upper_inf(during));
create policy "Starter can end call" on calls for update to authenticated
  using (started_by = auth.uid() and in_channel(channel_id) and upper_inf(during))
  with check (started_by = auth.uid() and in_channel(channel_id));
create policy "Participants visible in channel" on call_participants for select to authenticated
  using (exists (select 1 from calls c where c.id = call_participants.call_id));
create policy "Members can join running call" on call_participants for insert to authenticated
  with check (user_id = auth.uid() and exists (
    select 1 from calls c where c.id = call_participants.call_id and c.during @> now()
  ));
create policy "Canvas visible to owner, shared or workspace" on canvases for select to authenticated
  using (
    is_workspace_member(workspace_id) and (
      owner_id = auth.uid()
      or access = 'workspace'
      or id in (select s.canvas_id from canvas_shares s where s.user_id = auth.uid() and (s.until is null or s.until > now()))
    )
  );
create policy "Members can create canvases" on canvases for insert to authenticated
  with check (is_workspace_member(workspace_id) and owner_id = auth.uid());
create policy "Editors can update canvases" on canvases for update to authenticated
  using (is_workspace_member(workspace_id) and (owner_id = auth.uid() or exists (
    select 1 from canvas_shares s
    where s.canvas_id = canvases.id and s.user_id = auth.uid() and s.can_edit and coalesce(s.until, 'infinity') > now()
  )))
  with check (is_workspace_member(workspace_id));
create policy "Owners can delete canvases" on canvases for delete to authenticated
  using (owner_id = auth.uid() and is_workspace_member(workspace_id));
create policy "Users see their shares" on canvas_shares for select to authenticated
  using (is_workspace_member(workspace_id) and (user_id = auth.uid() or owns_canvas(canvas_id, workspace_id)));
create policy "Owners can share" on canvas_shares for insert to authenticated
  with check (owns_canvas(canvas_id, workspace_id) and is_workspace_member(workspace_id));
create policy "Owners can unshare" on canvas_shares for delete to authenticated
  using (owns_canvas(canvas_id, workspace_id) and is_workspace_member(workspace_id));
create policy "Admins manage bots" on bots for all to authenticated
  using (is_workspace_admin(workspace_id)) with check (is_workspace_admin(workspace_id));
create policy "Members can view commands" on slash_commands for select to authenticated
  using (exists (select 1 from bots b where b.id = slash_commands.bot_id and b.enabled));
create policy "Admins manage commands" on slash_commands for insert to authenticated
  with check (exists (select 1 from bots b where b.id = slash_commands.bot_id and is_workspace_admin(b.workspace_id)));
create policy "Members can view custom emojis" on custom_emojis for select to authenticated using (is_workspace_member(workspace_id));
create policy "Members can add custom emojis" on custom_emojis for insert to authenticated
  with check (workspace_role_of(workspace_id) > 'guest' and added_by = auth.uid());
create policy "Adder or admin can remove emojis" on custom_emojis for delete to authenticated
  using ((added_by = auth.uid() and is_workspace_member(workspace_id)) or is_workspace_admin(workspace_id));
create policy "Users manage own preferences" on user_preferences for all to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid());
create policy "Users manage own devices" on devices for all to authenticated
  using (user_id = auth.uid()) with check (user_id = auth.uid());
create policy "Admins see reports" on moderation_reports for select to authenticated using (is_workspace_admin(workspace_id));
create policy "Members report" on moderation_reports for insert to authenticated
  with check (is_workspace_member(workspace_id) and reporter_id = auth.uid() and status = 'open');
create policy "Admins decide" on moderation_reports for update to authenticated
  using (is_workspace_admin(workspace_id) and status = 'open') with check (is_workspace_admin(workspace_id) and status <> 'open');
create policy "Owners see exports" on workspace_exports for select to authenticated using (workspace_role_of(workspace_id) = 'owner');
create policy "Owners request exports" on workspace_exports for insert to authenticated
  with check (workspace_role_of(workspace_id) = 'owner' and state = 'queued' and requested_by = auth.uid());

create view channel_overview with (security_invoker = true) as
  select c.workspace_id, c.id, c.name, c.member_count, c.last_message_at, cm.notify
  from channels c left join channel_members cm on cm.channel_id = c.id and cm.user_id = auth.uid()
  where not c.is_archived;
create view my_mentions with (security_invoker = true) as
  select m.workspace_id, m.channel_id, m.id, m.body from messages m where auth.uid() = any (m.mentions);

create function create_workspace(name text) returns uuid
language plpgsql security definer set search_path = public as $$
declare
  _id uuid;
begin
  if auth.uid() is null then raise exception 'not signed in' using errcode = '42501'; end if;
  insert into workspaces (name) values (create_workspace.name) returning id into _id;
  insert into workspace_members (workspace_id, user_id, role) values (_id, auth.uid(), 'owner');
  return _id;
end;
$$;
create function open_dm(_workspace_id uuid, _with uuid[]) returns uuid
language plpgsql security definer set search_path = public as $$
declare
  _id uuid;
begin
  if not is_workspace_member(_workspace_id) then
    raise exception 'not a member' using errcode = '42501';
  end if;
  insert into channels (workspace_id, kind) values (_workspace_id, 'dm') returning id into _id;
  insert into channel_members (channel_id, workspace_id, user_id)
    select _id, _workspace_id, u from (select distinct unnest(_with || auth.uid()) as u) x
    join workspace_members wm on wm.workspace_id = _workspace_id and wm.user_id = x.u and wm.deactivated_at is null;
  return _id;
end;
$$;
create function mark_read(_markers jsonb) returns void
language sql set search_path = public as $$
  insert into read_markers (channel_id, last_read)
  select key::uuid, value::bigint from jsonb_each_text(_markers)
  on conflict (channel_id, user_id) do update set last_read = excluded.last_read;
$$;
create function unread_counts(_workspace_id uuid) returns table (channel_id uuid, unread bigint)
language sql stable set search_path = public as $$
  select cm.channel_id, count(m.id) from channel_members cm
  left join read_markers r on r.channel_id = cm.channel_id and r.user_id = cm.user_id
  left join messages m on m.channel_id = cm.channel_id and m.id > coalesce(r.last_read, 0)
  where cm.user_id = auth.uid() and cm.workspace_id = _workspace_id group by cm.channel_id;
$$;
create function redeem_invite(_code text) returns uuid
language plpgsql security definer set search_path = public as $$
declare
  _invite invites;
begin
  if auth.uid() is null then raise exception 'not signed in' using errcode = '42501'; end if;
  update invites set used = used + 1 where code = _code and used < max_uses and expires_at > now() returning * into _invite;
  if not found then raise exception 'invalid invite'; end if;
  insert into workspace_members (workspace_id, user_id, role) values (_invite.workspace_id, auth.uid(), _invite.role)
    on conflict do nothing;
  return _invite.workspace_id;
end;
$$;
create function search_messages(_query text, _limit int default 20) returns setof messages
language sql stable set search_path = public as $$
  select * from messages where body ilike '%' || _query || '%' order by created_at desc limit least(_limit, 100);
$$;
revoke execute on function create_workspace(text), open_dm(uuid, uuid[]), mark_read(jsonb), unread_counts(uuid),
  redeem_invite(text), search_messages(text, int) from public, anon;

insert into storage.buckets (id, name) values ('files', 'files'), ('emoji', 'emoji');
create policy "Channel members read files" on storage.objects for select to authenticated
  using (bucket_id = 'files' and in_channel((storage.foldername(name))[2]::uuid) and exists (
    select 1 from channels c where c.id::text = (storage.foldername(objects.name))[2] and c.workspace_id::text = (storage.foldername(objects.name))[1]
  ));
create policy "Channel members upload files" on storage.objects for insert to authenticated
  with check (bucket_id = 'files' and in_channel((storage.foldername(name))[2]::uuid) and exists (
    select 1 from channels c where c.id::text = (storage.foldername(objects.name))[2] and c.workspace_id::text = (storage.foldername(objects.name))[1]
  ));
create policy "Members manage emoji" on storage.objects for all to authenticated
  using (bucket_id = 'emoji' and split_part(name, '/', 1) in (select wm.workspace_id::text from workspace_members wm where wm.user_id = auth.uid() and wm.deactivated_at is null))
  with check (bucket_id = 'emoji' and split_part(name, '/', 1) in (select wm.workspace_id::text from workspace_members wm where wm.user_id = auth.uid() and wm.deactivated_at is null));
