-- Supabase Storage: buckets, objects, the parts of a name. Leaves out uploads and search.

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

create function storage.operation() returns text
language sql stable
as $$
select nullif(current_setting('storage.operation', true), '')
$$;

create function storage.get_size_by_bucket() returns table (size bigint, bucket_id text)
language sql stable
set search_path = ''
as $$
select sum((o.metadata ->> 'size')::bigint)::bigint as size, o.bucket_id
from storage.objects as o
group by o.bucket_id
$$;

create function storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb) returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into storage.objects (bucket_id, name, owner, metadata)
    values (bucketid, can_insert_object.name, can_insert_object.owner, can_insert_object.metadata);

    raise sqlstate 'PT200' using message = 'ROLLBACK', detail = 'rollback successful insert';
end;
$$;

create function storage.update_updated_at_column() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    new.updated_at = now();

    return new;
end;
$$;

create trigger update_objects_updated_at before update on storage.objects
for each row execute function storage.update_updated_at_column();

grant execute on function
storage.foldername(text),
storage.filename(text),
storage.extension(text),
storage.operation(),
storage.get_size_by_bucket(),
storage.can_insert_object(text, text, uuid, jsonb)
to anon, authenticated, service_role;
