-- A wiki. A space is known by its name, as in wiki.example.com/<space>/<page>

create domain public.handle as text check (value ~ '^[a-z0-9][a-z0-9-]{1,38}$');

create table public.spaces (
  name public.handle primary key,
  title text not null,
  theme jsonb not null default '{}',
  created_at timestamptz not null default now()
);

create table public.space_members (
  space public.handle not null references public.spaces on update cascade on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role text not null default 'viewer' check (role in ('viewer', 'editor', 'owner')),
  primary key (space, user_id)
);
create index space_members_user_id on public.space_members (user_id);

create table public.pages (
  id uuid primary key default gen_random_uuid(),
  space public.handle not null references public.spaces on update cascade,
  slug text not null,
  title text not null,
  body text not null default '',
  is_public boolean not null default false,
  updated_by uuid default auth.uid(),
  updated_at timestamptz not null default now(),
  unique (space, slug)
);

create table public.page_versions (
  id bigint generated always as identity primary key,
  page_id uuid not null references public.pages on delete cascade,
  title text not null,
  body text not null,
  saved_at timestamptz not null default now()
);
create index page_versions_page_id on public.page_versions (page_id);

create table public.comments (
  id uuid primary key default gen_random_uuid(),
  page_id uuid not null references public.pages on delete cascade,
  author_id uuid not null default auth.uid() references auth.users on delete cascade,
  body text not null,
  created_at timestamptz not null default now()
);
create index comments_page_id on public.comments (page_id);
create index comments_author_id on public.comments (author_id);

create table public.page_tags (
  page_id uuid not null references public.pages on delete cascade,
  tag text not null,
  primary key (page_id, tag)
);

create table public.share_links (
  token uuid primary key default gen_random_uuid(),
  page_id uuid not null references public.pages on delete cascade,
  created_by uuid default auth.uid() references auth.users on delete set null,
  expires_at timestamptz not null default now() + interval '14 days'
);
create index share_links_page_id on public.share_links (page_id);
create index share_links_created_by on public.share_links (created_by);

-- <space>/<page>/<file>
insert into storage.buckets (id, name, public) values ('wiki', 'wiki', false) on conflict (id) do nothing;
