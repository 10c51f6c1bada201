-- What the platform has installed from the start: uuid-ossp and pgcrypto, the server's own or stand-ins.

do $$
declare
    -- asked once: PostgreSQL reads all control files for it
    available constant text[] := array(
        select a.name::text from pg_catalog.pg_available_extensions as a where a.name in ('uuid-ossp', 'pgcrypto')
    );
    installed text;
begin
    foreach installed in array array['uuid-ossp', 'pgcrypto'] loop
        if installed = any(available) then
            execute format('create extension if not exists %I with schema extensions', installed);
        else
            perform pgassay.make_stand_in(installed, 'extensions');
        end if;
    end loop;
end;
$$;
