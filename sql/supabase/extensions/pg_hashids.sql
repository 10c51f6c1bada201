-- pg_hashids: its functions, with numbers in hexadecimal instead of its code: as unique, and read back the same way.

create function id_encode(number bigint, salt text default '', min_length integer default 0, alphabet text default '')
returns text
language sql immutable
return lpad(to_hex(number), greatest(min_length, length(to_hex(number))), '0');

create function id_encode(numbers bigint [], salt text default '', min_length integer default 0) returns text
language sql immutable
begin atomic
    select string_agg(to_hex(n.number), 'g' order by n.position)
    from unnest(numbers) with ordinality as n (number, position);
end;

create function id_decode(id_hash text, salt text default '', min_length integer default 0, alphabet text default '')
returns bigint []
language sql immutable
begin atomic
    select array_agg(('x' || lpad(p.part, 16, '0'))::bit(64)::bigint order by p.position)
    from string_to_table(id_hash, 'g') with ordinality as p (part, position)
    where id_hash ~ '^[0-9a-f]{1,16}(g[0-9a-f]{1,16})*$';
end;

create function id_decode_once(
    id_hash text, salt text default '', min_length integer default 0, alphabet text default ''
) returns bigint
language sql immutable
return (id_decode(id_hash, salt, min_length, alphabet))[1];

create function hash_encode(number bigint, salt text default '', min_length integer default 0) returns text
language sql immutable
return id_encode(number, salt, min_length);

create function hash_decode(id_hash text, salt text default '', min_length integer default 0) returns bigint
language sql immutable
return id_decode_once(id_hash, salt, min_length);
