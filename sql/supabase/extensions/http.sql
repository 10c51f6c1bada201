-- http: every request is answered with 200 and no content, and recorded: none leaves a test.

create domain http_method as text;

create type http_header as (field varchar, value varchar);
create type http_request as (
    method http_method, uri varchar, headers http_header [], content_type varchar, content varchar
);
create type http_response as (status integer, content_type varchar, headers http_header [], content varchar);

create table pgassay_http_requests (
    method text not null,
    uri text,
    headers http_header [],
    content_type text,
    content text
);

create function http_header(field varchar, value varchar) returns http_header
language sql immutable
return row($1, $2)::http_header;

create function http(request http_request) returns http_response
language sql security definer
begin atomic
    insert into pgassay_http_requests (method, uri, headers, content_type, content)
    values ((request).method, (request).uri, (request).headers, (request).content_type, (request).content);

    select row(200, null, '{}'::http_header [], null)::http_response;
end;

create function http_get(uri varchar) returns http_response
language sql
return http(row('GET', uri, null, null, null)::http_request);

create function http_get(uri varchar, data jsonb) returns http_response
language sql
return http(row('GET', uri, null, 'application/x-www-form-urlencoded', data::text)::http_request);

create function http_post(uri varchar, content varchar, content_type varchar) returns http_response
language sql
return http(row('POST', uri, null, content_type, content)::http_request);

create function http_post(uri varchar, data jsonb) returns http_response
language sql
return http(row('POST', uri, null, 'application/x-www-form-urlencoded', data::text)::http_request);

create function http_put(uri varchar, content varchar, content_type varchar) returns http_response
language sql
return http(row('PUT', uri, null, content_type, content)::http_request);

create function http_patch(uri varchar, content varchar, content_type varchar) returns http_response
language sql
return http(row('PATCH', uri, null, content_type, content)::http_request);

create function http_delete(uri varchar) returns http_response
language sql
return http(row('DELETE', uri, null, null, null)::http_request);

create function http_delete(uri varchar, content varchar, content_type varchar) returns http_response
language sql
return http(row('DELETE', uri, null, content_type, content)::http_request);

create function http_head(uri varchar) returns http_response
language sql
return http(row('HEAD', uri, null, null, null)::http_request);

create function http_set_curlopt(curlopt varchar, value varchar) returns boolean
language sql
return true;

create function http_reset_curlopt() returns boolean
language sql
return true;

create function urlencode(string varchar) returns text
language sql immutable strict
begin atomic
    select
        coalesce(string_agg(
            case
                when c.letter ~ '[A-Za-z0-9_.~-]' then c.letter
                when c.letter = ' ' then '+'
                else regexp_replace(upper(encode(convert_to(c.letter, 'UTF8'), 'hex')), '(..)', '%\1', 'g')
            end,
            '' order by c.position
        ), '')
    from regexp_split_to_table($1, '') with ordinality as c (letter, position);
end;

create function urlencode(string bytea) returns text
language sql immutable strict
return regexp_replace(upper(encode($1, 'hex')), '(..)', '%\1', 'g');

create function urlencode(data jsonb) returns text
language sql immutable strict
begin atomic
    select string_agg(urlencode(d.key::varchar) || '=' || urlencode(coalesce(d.value, '')::varchar), '&')
    from jsonb_each_text($1) as d;
end;
