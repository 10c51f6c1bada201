-- dblink: its functions, each of which is an error: no connection leaves a test.

create foreign data wrapper dblink_fdw;

select pgassay.add_refusals('dblink', array[
    'dblink_connect(text) returns text',
    'dblink_connect(text, text) returns text',
    'dblink_connect_u(text) returns text',
    'dblink_connect_u(text, text) returns text',
    'dblink_disconnect() returns text',
    'dblink_disconnect(text) returns text',
    'dblink(text) returns setof record',
    'dblink(text, boolean) returns setof record',
    'dblink(text, text) returns setof record',
    'dblink(text, text, boolean) returns setof record',
    'dblink_exec(text) returns text',
    'dblink_exec(text, boolean) returns text',
    'dblink_exec(text, text) returns text',
    'dblink_exec(text, text, boolean) returns text',
    'dblink_send_query(text, text) returns integer',
    'dblink_get_result(text) returns setof record',
    'dblink_get_connections() returns text[]'
]);
