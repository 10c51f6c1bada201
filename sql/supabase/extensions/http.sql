-- http: its types and functions, each of which is an error: no request leaves a test.

create domain http_method as text;

create type http_header as (field varchar, value varchar);
create type http_request as (
    method http_method, uri varchar, headers http_header [], content_type varchar, content varchar
);
create type http_response as (status integer, content_type varchar, headers http_header [], content varchar);

create function http_header(field varchar, value varchar) returns http_header
language sql immutable
return row($1, $2)::http_header;

select pgassay.add_refusals('http', array[
    'http(request http_request) returns http_response',
    'http_get(uri varchar) returns http_response',
    'http_get(uri varchar, data jsonb) returns http_response',
    'http_post(uri varchar, content varchar, content_type varchar) returns http_response',
    'http_post(uri varchar, data jsonb) returns http_response',
    'http_put(uri varchar, content varchar, content_type varchar) returns http_response',
    'http_patch(uri varchar, content varchar, content_type varchar) returns http_response',
    'http_delete(uri varchar) returns http_response',
    'http_delete(uri varchar, content varchar, content_type varchar) returns http_response',
    'http_head(uri varchar) returns http_response',
    'http_set_curlopt(curlopt varchar, value varchar) returns boolean',
    'http_reset_curlopt() returns boolean',
    'urlencode(string varchar) returns text',
    'urlencode(string bytea) returns text',
    'urlencode(data jsonb) returns text'
]);
