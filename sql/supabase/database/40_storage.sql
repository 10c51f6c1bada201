-- Supabase Storage: buckets, objects, the parts of a name. Leaves out uploads, search and the service's own triggers.

create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');

create table storage.buckets (
    id text not null,
    name text not null,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    owner_id text,
    type storage.buckettype not null default 'STANDARD',
    constraint buckets_pkey primary key (id)
);

create unique index bname on storage.buckets (name);

create table storage.objects (
    id uuid not null default gen_random_uuid(),
    bucket_id text,
    name text,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata jsonb,
    path_tokens text[] generated always as (string_to_array(name, '/')) stored,
    version text,
    owner_id text,
    user_metadata jsonb,
    constraint objects_pkey primary key (id),
    constraint "objects_bucketId_fkey" foreign key (bucket_id) references storage.buckets (id)
);

create unique index bucketid_objname on storage.objects (bucket_id, name);

alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;

grant all on storage.buckets, storage.objects to anon, authenticated, service_role;

create function storage.foldername(name text) returns text[]
language sql immutable
set search_path = ''
as $$
select p.parts[1:array_length(p.parts, 1) - 1]
from (select string_to_array(name, '/')) as p (parts)
$$;

create function storage.filename(name text) returns text
language sql immutable
set search_path = ''
as $$
select p.parts[array_length(p.parts, 1)]
from (select string_to_array(name, '/')) as p (parts)
$$;

create function storage.extension(name text) returns text
language sql immutable
set search_path = ''
as $$
select reverse(split_part(reverse(storage.filename(name)), '.', 1))
$$;
