-- hstore: a text that is read as pairs when it is used. Leaves out indexes, records, arrays of pairs, and differences.

create type hstore;

create function hstore_in(cstring) returns hstore
language internal immutable strict parallel safe as 'textin';

create function hstore_out(hstore) returns cstring
language internal immutable strict parallel safe as 'textout';

create type hstore (input = hstore_in, output = hstore_out, internallength = variable, storage = extended);

create function hstore_to_jsonb(hstore) returns jsonb
language sql immutable strict parallel safe
set search_path = ''
as $$
select
    coalesce(
        jsonb_object_agg(
            coalesce(p.part[1], p.part[2]),
            case
                when p.part[3] is not null then to_jsonb(p.part[3])
                when lower(p.part[4]) <> 'null' then to_jsonb(p.part[4])
            end
        ),
        '{}'
    )
from regexp_matches($1::text, '(?:"([^"]*)"|([^\s",=]+))\s*=>\s*(?:"([^"]*)"|([^\s",]+))', 'g') as p (part)
$$;

create function pgassay_hstore(jsonb) returns hstore
language sql immutable strict parallel safe
as $$
select
    coalesce(
        string_agg('"' || p.key || '"=>' || coalesce('"' || p.value || '"', 'NULL'), ', ' order by p.key), ''
    )::@extschema@.hstore
from pg_catalog.jsonb_each_text($1) as p
$$;

create function hstore(text, text) returns hstore
language sql immutable parallel safe
return pgassay_hstore(jsonb_build_object($1, $2));

create function fetchval(hstore, text) returns text
language sql immutable strict parallel safe
return hstore_to_jsonb($1) ->> $2;

create function exist(hstore, text) returns boolean
language sql immutable strict parallel safe
return hstore_to_jsonb($1) ? $2;

create function hs_concat(hstore, hstore) returns hstore
language sql immutable strict parallel safe
return pgassay_hstore(hstore_to_jsonb($1) || hstore_to_jsonb($2));

create function delete(hstore, text) returns hstore -- noqa
language sql immutable strict parallel safe
return pgassay_hstore(hstore_to_jsonb($1) - $2);

create function hs_contains(hstore, hstore) returns boolean
language sql immutable strict parallel safe
return hstore_to_jsonb($1) @> hstore_to_jsonb($2);

create function akeys(hstore) returns text[]
language sql immutable strict parallel safe
return array(
    select p.key
    from pg_catalog.jsonb_each_text(hstore_to_jsonb($1)) as p
    order by p.key
);

create function avals(hstore) returns text[]
language sql immutable strict parallel safe
return array(
    select p.value
    from pg_catalog.jsonb_each_text(hstore_to_jsonb($1)) as p
    order by p.key
);

create operator -> (leftarg = hstore, rightarg = text, function = fetchval);
create operator ? (leftarg = hstore, rightarg = text, function = exist);
create operator || (leftarg = hstore, rightarg = hstore, function = hs_concat); -- noqa
create operator - (leftarg = hstore, rightarg = text, function = delete);
create operator @> (leftarg = hstore, rightarg = hstore, function = hs_contains);

create cast (hstore as jsonb) with function hstore_to_jsonb(hstore);
