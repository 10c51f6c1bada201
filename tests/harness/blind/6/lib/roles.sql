create role postgres login createrole createdb bypassrls;
create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
create role authenticator login noinherit; grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres;
create role supabase_storage_admin nologin; grant supabase_storage_admin to postgres;
