-- pgsodium: its schema and the table of keys, without key material. Leaves out all cryptography.
-- schema: pgsodium

create schema if not exists pgsodium;

create type pgsodium.key_status as enum ('default', 'valid', 'invalid', 'expired');
create type pgsodium.key_type as enum (
    'aead-ietf', 'aead-det', 'hmacsha512', 'hmacsha256', 'auth', 'shorthash', 'generichash', 'kdf', 'secretbox',
    'secretstream', 'stream_xchacha20'
);

create table pgsodium.key (
    id uuid not null default gen_random_uuid(),
    status pgsodium.key_status default 'valid',
    created timestamptz not null default current_timestamp,
    expires timestamptz,
    key_type pgsodium.key_type,
    key_id bigserial,
    key_context bytea default '\x7067736f6469756d',
    name text,
    associated_data text default 'associated',
    raw_key bytea,
    raw_key_nonce bytea,
    parent_key uuid,
    comment text,
    user_data text,
    constraint key_pkey primary key (id),
    constraint pgsodium_key_unique_name unique (name)
);

create view pgsodium.valid_key as
select
    k.id,
    k.name,
    k.status,
    k.key_type,
    k.key_id,
    k.key_context,
    k.created,
    k.expires,
    k.associated_data
from pgsodium.key as k
where k.status in ('valid', 'default') and (k.expires is null or k.expires > now());

create function pgsodium.create_key(
    key_type pgsodium.key_type default 'aead-det',
    name text default null,
    raw_key bytea default null,
    raw_key_nonce bytea default null,
    parent_key uuid default null,
    key_context bytea default '\x7067736f6469756d',
    expires timestamptz default null,
    associated_data text default ''
) returns pgsodium.valid_key
language sql
security definer
set search_path = ''
as $$
insert into pgsodium.key (key_type, name, parent_key, key_context, expires, associated_data)
values (key_type, name, parent_key, key_context, expires, associated_data)
returning id, name, status, key_type, key_id, key_context, created, expires, associated_data
$$;

revoke all on function pgsodium.create_key(pgsodium.key_type, text, bytea, bytea, uuid, bytea, timestamptz, text)
from public;

select pgassay.add_refusals('pgsodium', array[
    'pgsodium.randombytes_buf(size integer) returns bytea',
    'pgsodium.crypto_aead_det_keygen() returns bytea',
    'pgsodium.crypto_aead_det_noncegen() returns bytea',
    'pgsodium.crypto_aead_det_encrypt(message bytea, additional bytea, key_uuid uuid, nonce bytea) returns bytea',
    'pgsodium.crypto_aead_det_encrypt(message bytea, additional bytea, key_uuid uuid) returns bytea',
    'pgsodium.crypto_aead_det_decrypt(message bytea, additional bytea, key_uuid uuid, nonce bytea) returns bytea',
    'pgsodium.crypto_aead_det_decrypt(message bytea, additional bytea, key_uuid uuid) returns bytea',
    'pgsodium.crypto_secretbox_keygen() returns bytea',
    'pgsodium.crypto_secretbox_noncegen() returns bytea',
    'pgsodium.crypto_secretbox(message bytea, nonce bytea, key bytea) returns bytea',
    'pgsodium.crypto_secretbox_open(message bytea, nonce bytea, key bytea) returns bytea',
    'pgsodium.derive_key(key_id bigint, key_len integer default 32, context bytea default null) returns bytea'
]);
