-- Supabase Vault, as a stub that keeps its secrets in plain text. Leaves out encryption, keys and nonces.

create table vault.secrets (
    id uuid not null default gen_random_uuid(),
    name text,
    description text not null default '',
    secret text not null,
    key_id uuid,
    nonce bytea,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint secrets_pkey primary key (id)
);

create unique index secrets_name_idx on vault.secrets (name) where name is not null;

create view vault.decrypted_secrets as
select
    s.id,
    s.name,
    s.description,
    s.secret,
    s.secret as decrypted_secret,
    s.key_id,
    s.nonce,
    s.created_at,
    s.updated_at
from vault.secrets as s;

create function vault.create_secret(
    new_secret text,
    new_name text default null,
    new_description text default '',
    new_key_id uuid default null
) returns uuid
language sql
security definer
set search_path = ''
as $$
insert into vault.secrets (secret, name, description, key_id)
values (new_secret, new_name, new_description, new_key_id)
returning id
$$;

create function vault.update_secret(
    secret_id uuid,
    new_secret text default null,
    new_name text default null,
    new_description text default null,
    new_key_id uuid default null
) returns void
language sql
security definer
set search_path = ''
as $$
update vault.secrets as s
set
    secret = coalesce(new_secret, s.secret),
    name = coalesce(new_name, s.name),
    description = coalesce(new_description, s.description),
    key_id = coalesce(new_key_id, s.key_id),
    updated_at = now()
where s.id = secret_id
$$;

comment on table vault.secrets is 'Stub: secrets are kept in plain text.';
comment on function vault.create_secret(text, text, text, uuid) is 'Stub: keeps the secret in plain text.';
comment on function vault.update_secret(uuid, text, text, text, uuid) is 'Stub: keeps the secret in plain text.';

revoke all on function
vault.create_secret(text, text, text, uuid),
vault.update_secret(uuid, text, text, text, uuid)
from public;

grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
grant execute on function
vault.create_secret(text, text, text, uuid),
vault.update_secret(uuid, text, text, text, uuid)
to service_role;
