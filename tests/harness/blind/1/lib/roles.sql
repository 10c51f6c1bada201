-- once per cluster
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
create role supabase_auth_admin nologin noinherit createrole;
create role supabase_storage_admin nologin noinherit;
-- the stand-in of Supabase's "postgres": owner of public, no superuser, bypasses row level security
create role migrator login createrole bypassrls;
grant anon, authenticated, service_role to migrator;
grant supabase_storage_admin, supabase_auth_admin to migrator;
