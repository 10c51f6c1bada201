-- pg_session_jwt: who the caller's token says they are, from the claims as the API sets them. Leaves out signatures.

create function auth.session() returns jsonb
language sql stable
return nullif(current_setting('request.jwt.claims', true), '')::jsonb;

create function auth.user_id() returns text
language sql stable
return auth.session() ->> 'sub';

create function auth.init() returns void
language sql
as '';

create function auth.jwt_session_init(jwt text) returns void
language sql
as '';
