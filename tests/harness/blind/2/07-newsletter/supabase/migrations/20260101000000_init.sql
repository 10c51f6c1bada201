-- my newsletter platform :)
create table publications (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  reply_to text
);
alter table publications enable row level security;

create table writers (
  id uuid primary key default gen_random_uuid(),
  publication_id uuid not null references publications(id) on delete cascade,
  user_id uuid not null references auth.users(id) on delete cascade,
  role text not null default 'contributor' check (role in ('contributor', 'editor')),
  unique (publication_id, user_id)
);
alter table writers enable row level security;
create index on writers(user_id);

create table posts (
  id uuid primary key default gen_random_uuid(),
  publication_id uuid not null references publications(id) on delete cascade,
  author_id uuid not null default auth.uid() references auth.users(id),
  title text not null,
  body text not null default '',
  status text not null default 'draft' check (status in ('draft', 'scheduled', 'published')),
  pinned boolean not null default false
);
alter table posts enable row level security;
create index on posts(publication_id);
create index on posts(author_id);

create table subscribers (
  id uuid primary key default gen_random_uuid(),
  publication_id uuid not null references publications(id) on delete cascade,
  email text not null,
  token uuid not null default gen_random_uuid() unique,
  confirmed boolean not null default false,
  active boolean not null default true,
  unique (publication_id, email)
);
alter table subscribers enable row level security;

create table templates (
  id uuid primary key default gen_random_uuid(),
  publication_id uuid not null references publications(id) on delete cascade,
  html text not null
);
alter table templates enable row level security;
create index on templates(publication_id);

create or replace function is_writer(pub uuid) returns boolean
language sql security definer stable set search_path = public as $$
  select exists (select 1 from writers where publication_id = pub and user_id = auth.uid());
$$;
create or replace function is_editor(pub uuid) returns boolean
language sql security definer stable set search_path = public as $$
  select exists (select 1 from writers where publication_id = pub and user_id = auth.uid() and role = 'editor');
$$;

create policy "writers can view their publications" on publications for select using (is_writer(id));
create policy "editors can update publication" on publications for update using (is_editor(id));

create policy "writers can view writers" on writers for select using (is_writer(publication_id));
create policy "editors can manage writers" on writers for all using (is_editor(publication_id));

create policy "published posts are public" on posts for select using (status = 'published');
create policy "writers can view posts" on posts for select using (is_writer(publication_id));
create policy "writers can write posts" on posts for insert with check (author_id = auth.uid() and is_writer(publication_id));
create policy "authors can edit posts" on posts for update using (author_id = auth.uid() and is_writer(publication_id));
create policy "editors can edit posts" on posts for update using (is_editor(publication_id));
create policy "editors can delete posts" on posts for delete using (is_editor(publication_id));

create policy "editors can manage subscribers" on subscribers for all using (is_editor(publication_id));

create policy "writers can use templates" on templates for select using (is_writer(publication_id));
create policy "editors can manage templates" on templates for all using (is_editor(publication_id));

insert into storage.buckets (id, name, public) values ('images', 'images', false);
create policy "writers can view images" on storage.objects for select to authenticated
  using (bucket_id = 'images' and exists (
    select 1 from public.writers w where w.user_id = auth.uid() and w.publication_id::text = (storage.foldername(storage.objects.name))[1]
  ));
create policy "writers can upload images" on storage.objects for insert to authenticated
  with check (bucket_id = 'images' and exists (
    select 1 from public.writers w where w.user_id = auth.uid() and storage.objects.name like '%' || w.publication_id || '%'
  ));

-- link in the welcome mail
create or replace function confirm_subscription(t uuid) returns text
language plpgsql security definer set search_path = public as $$
declare pub text;
begin
  update subscribers set confirmed = true where token = t;
  select p.title into pub from publications p join subscribers s on s.publication_id = p.id where s.token = t;
  return pub;
end $$;
