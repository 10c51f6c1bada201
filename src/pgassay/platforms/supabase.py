"""Supabase: tokens of its Auth, roles of its API, and the SQL in ``sql/supabase`` that stands in for its schemas."""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString

from pgassay.platforms.platform import Platform, Roles, Users, Words
from pgassay.platforms.tokens import CLAIMS, Identity

# As GoTrue makes users: first the user, then the identity, and then the address is confirmed. What it has by itself in
# the metadata is not what somebody who signs up writes there.
_SIGN_UP: LiteralString = """
insert into auth.users (
    instance_id, id, aud, role, email, phone, encrypted_password, confirmation_token, recovery_token,
    email_change_token_new, email_change, raw_app_meta_data, raw_user_meta_data, created_at, updated_at
)
select
    '00000000-0000-0000-0000-000000000000', n.id, 'authenticated', 'authenticated', n.email, n.phone,
    pg_catalog.concat('$2a$10$', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(n.of_id), 'hex'), 53)),
    '', '', '', '',
    '{"provider": "email", "providers": ["email"]}',
    coalesce(n.metadata, '{}') operator(pg_catalog.||) pg_catalog.jsonb_build_object(
        'sub', n.id, 'email', n.email, 'email_verified', false, 'phone_verified', false
    ),
    pg_catalog.now(), pg_catalog.now()
from (
    select i.id, i.id::pg_catalog.text::pg_catalog.bytea, i.email, i.phone, i.metadata
    from (
        select %s::pg_catalog.uuid, %s::pg_catalog.text, %s::pg_catalog.text, %s::pg_catalog.jsonb
    ) as i (id, email, phone, metadata)
) as n (id, of_id, email, phone, metadata)
"""
_SIGN_IN: tuple[LiteralString, ...] = (
    """
insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
select u.id::pg_catalog.text, u.id, u.raw_user_meta_data, 'email', pg_catalog.now(), pg_catalog.now(), pg_catalog.now()
from auth.users as u where u.id operator(pg_catalog.=) %s
""",
    """
update auth.users
set
    email_confirmed_at = pg_catalog.now(),
    last_sign_in_at = pg_catalog.now(),
    raw_user_meta_data = raw_user_meta_data operator(pg_catalog.||) '{"email_verified": true}'
where id operator(pg_catalog.=) %s
""",
)
_SIGNED_UP: LiteralString = (
    "select email, phone, raw_app_meta_data, raw_user_meta_data from auth.users where id operator(pg_catalog.=) %s"
)
_EMAILS: LiteralString = "select id, email from auth.users"
_REWRITTEN: LiteralString = """
update auth.users
set raw_user_meta_data = raw_user_meta_data operator(pg_catalog.||) %s::pg_catalog.jsonb
where id operator(pg_catalog.=) %s
"""
_COPIES: LiteralString = """
insert into auth.users (
    instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
    created_at, updated_at
)
select
    u.instance_id, pg_catalog.gen_random_uuid(), u.aud, u.role,
    pg_catalog.concat(pg_catalog.gen_random_uuid(), '@example.org'),
    u.encrypted_password, u.email_confirmed_at, u.raw_app_meta_data, u.raw_user_meta_data, u.created_at, u.updated_at
from (select * from auth.users order by ctid limit 1) as u
cross join pg_catalog.generate_series(1, %(count)s - (select count(*)::pg_catalog.int4 from auth.users)) as copy (i)
"""


def _folder() -> Path:
    """Where the SQL lies: in the installed package, or in the checkout that it is run from."""
    here = Path(__file__).parents
    packaged = here[1] / "sql" / "supabase"
    return packaged if packaged.is_dir() else here[3] / "sql" / "supabase"


SUPABASE = Platform(
    name="supabase",
    title="Supabase",
    roles=Roles(login="authenticator", anonymous="anon", signed_in="authenticated", back_end="service_role"),
    users=Users(
        schema="auth",
        name="users",
        sign_up=_SIGN_UP,
        sign_in=_SIGN_IN,
        signed_up=_SIGNED_UP,
        emails=_EMAILS,
        rewritten=_REWRITTEN,
        copies=_COPIES,
    ),
    words=Words(
        user="auth.uid",
        all_claims="auth.jwt",
        role="auth.role",
        email="auth.email",
        claims=CLAIMS,
        user_setting="request.jwt.claim.sub",
        claim_prefix="request.jwt.claim.",
    ),
    user=Identity.user,
    anonymous=Identity.anon,
    back_end=Identity.service_role,
    # On a URL without a superuser they have the same owner as the project's own.
    schemas=(
        "auth", "cron", "extensions", "graphql", "graphql_public", "net", "pgassay", "pgmq", "pgsodium", "pgtle",
        "realtime", "storage", "supabase_functions", "supabase_migrations", "vault",
    ),
    shared=("auth", "realtime", "storage"),
    locked=("auth", "cron", "graphql", "graphql_public", "net", "realtime", "storage", "supabase_functions", "vault"),
    owner="postgres",
    folder=_folder(),
    own_roles=("supabase_", "pgbouncer", "dashboard_user", "pg_"),
    publication="supabase_realtime",
)  # fmt: skip
