-- dblink: connections and statements are recorded, and nothing is answered: no connection leaves a test.

create foreign data wrapper dblink_fdw;

create table pgassay_dblink_calls (
    connection text,
    statement text
);

create function pgassay_dblink_record(connection text, statement text) returns void
language sql security definer
begin atomic
    insert into pgassay_dblink_calls (connection, statement) values ($1, $2);
end;

create function dblink_connect(text) returns text
language sql
begin atomic
    select pgassay_dblink_record($1, null);

    select 'OK'::text;
end;

create function dblink_connect(text, text) returns text
language sql
return dblink_connect($2);

create function dblink_connect_u(text) returns text
language sql
return dblink_connect($1);

create function dblink_connect_u(text, text) returns text
language sql
return dblink_connect($2);

revoke all on function dblink_connect_u(text), dblink_connect_u(text, text) from public;

create function dblink_disconnect() returns text
language sql
return 'OK'::text;

create function dblink_disconnect(text) returns text
language sql
return 'OK'::text;

create function dblink(text, text, boolean) returns setof record
language plpgsql
as $$
begin
    perform @extschema@.pgassay_dblink_record($1, $2);
end;
$$;

create function dblink(text, text) returns setof record
language plpgsql
as $$
begin
    perform @extschema@.pgassay_dblink_record($1, $2);
end;
$$;

create function dblink(text, boolean) returns setof record
language plpgsql
as $$
begin
    perform @extschema@.pgassay_dblink_record(null, $1);
end;
$$;

create function dblink(text) returns setof record
language plpgsql
as $$
begin
    perform @extschema@.pgassay_dblink_record(null, $1);
end;
$$;

create function dblink_exec(text, text, boolean) returns text
language sql
begin atomic
    select pgassay_dblink_record($1, $2);

    select 'OK'::text;
end;

create function dblink_exec(text, text) returns text
language sql
return dblink_exec($1, $2, true);

create function dblink_exec(text, boolean) returns text
language sql
return dblink_exec(null, $1, true);

create function dblink_exec(text) returns text
language sql
return dblink_exec(null, $1, true);

create function dblink_send_query(text, text) returns integer
language sql
begin atomic
    select pgassay_dblink_record($1, $2);

    select 1;
end;

create function dblink_is_busy(text) returns integer
language sql
return 0;

create function dblink_get_result(text) returns setof record
language plpgsql
as $$
begin
    return;
end;
$$;

create function dblink_get_result(text, boolean) returns setof record
language plpgsql
as $$
begin
    return;
end;
$$;

create function dblink_get_connections() returns text []
language sql
return null::text [];

create function dblink_error_message(text) returns text
language sql
return 'OK'::text;

create function dblink_cancel_query(text) returns text
language sql
return 'OK'::text;
