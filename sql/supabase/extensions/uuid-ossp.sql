-- uuid-ossp: all its functions. The node of a UUID v1 is random, as that of v1mc.

create function uuid_nil() returns uuid
language sql immutable strict parallel safe
return '00000000-0000-0000-0000-000000000000'::uuid;

create function uuid_ns_dns() returns uuid
language sql immutable strict parallel safe
return '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid;

create function uuid_ns_url() returns uuid
language sql immutable strict parallel safe
return '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid;

create function uuid_ns_oid() returns uuid
language sql immutable strict parallel safe
return '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid;

create function uuid_ns_x500() returns uuid
language sql immutable strict parallel safe
return '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid;

create function uuid_generate_v4() returns uuid
language sql volatile strict parallel safe
return pg_catalog.gen_random_uuid();

create function uuid_generate_v1mc() returns uuid
language plpgsql volatile strict parallel safe
set search_path = ''
as $$
declare
    -- tenths of a microsecond since the Gregorian calendar
    ticks constant text := lpad(
        to_hex((extract(epoch from clock_timestamp()) * 10000000)::bigint + 122192928000000000), 16, '0'
    );
    random constant text := replace(gen_random_uuid()::text, '-', '');
begin
    return (
        substr(ticks, 9, 8) || substr(ticks, 5, 4) || '1' || substr(ticks, 2, 3)
        || substr(random, 17, 4) || substr(random, 1, 1) || 'b' || substr(random, 3, 10)
    )::uuid;
end;
$$;

create function uuid_generate_v1() returns uuid
language sql volatile strict parallel safe
return uuid_generate_v1mc();

create function uuid_generate_v3(namespace uuid, name text) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    hash bytea := decode(md5(uuid_send(namespace) || convert_to(name, 'UTF8')), 'hex');
begin
    hash := set_byte(hash, 6, get_byte(hash, 6) & 15 | 48);
    hash := set_byte(hash, 8, get_byte(hash, 8) & 63 | 128);

    return encode(hash, 'hex')::uuid;
end;
$$;

create function uuid_generate_v5(namespace uuid, name text) returns uuid
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    hash bytea := substr(pgassay.sha1(uuid_send(namespace) || convert_to(name, 'UTF8')), 1, 16);
begin
    hash := set_byte(hash, 6, get_byte(hash, 6) & 15 | 80);
    hash := set_byte(hash, 8, get_byte(hash, 8) & 63 | 128);

    return encode(hash, 'hex')::uuid;
end;
$$;
