-- Team chat: workspaces, channels, messages. Guests from outside are invited to single channels.

create table public.workspaces (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(name) between 1 and 80),
  created_at timestamptz not null default now()
);

create table public.workspace_members (
  workspace_id uuid not null references public.workspaces on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role text not null default 'member' check (role in ('member', 'admin')),
  joined_at timestamptz not null default now(),
  left_at timestamptz,
  primary key (workspace_id, user_id)
);
create index on public.workspace_members (user_id);

create table public.channels (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references public.workspaces on delete cascade,
  title text not null,
  is_private boolean not null default false,
  unique (workspace_id, id)
);

create table public.channel_members (
  channel_id uuid not null references public.channels on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  added_at timestamptz not null default now(),
  primary key (channel_id, user_id)
);
create index on public.channel_members (user_id);

create table public.messages (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null,
  channel_id uuid not null,
  author_id uuid not null default auth.uid() references auth.users,
  body text not null,
  sent_at timestamptz not null default now(),
  edited_at timestamptz,
  foreign key (workspace_id, channel_id) references public.channels (workspace_id, id) on delete cascade
);
create index on public.messages (workspace_id, channel_id, sent_at);
create index on public.messages (author_id);

create table public.reactions (
  message_id uuid not null references public.messages on delete cascade,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  emoji text not null,
  primary key (message_id, user_id, emoji)
);
create index on public.reactions (user_id);

create table public.read_marks (
  channel_id uuid not null references public.channels on delete cascade,
  user_id uuid not null default auth.uid() references auth.users on delete cascade,
  read_until timestamptz not null default now(),
  primary key (channel_id, user_id)
);
create index on public.read_marks (user_id);

create table public.workspace_invites (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references public.workspaces on delete cascade,
  token text not null unique default encode(extensions.gen_random_bytes(24), 'hex'),
  created_by uuid default auth.uid() references auth.users on delete set null,
  expires_at timestamptz not null default now() + interval '7 days',
  used_at timestamptz
);
create index on public.workspace_invites (workspace_id);
create index on public.workspace_invites (created_by);

insert into storage.buckets (id, name, public) values ('attachments', 'attachments', false)
on conflict (id) do nothing;
