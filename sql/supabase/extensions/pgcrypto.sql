-- pgcrypto: random values, digests, HMAC, and password hashes of its own. Leaves out encryption and PGP.

create function gen_random_uuid() returns uuid
language sql volatile parallel safe
return pg_catalog.gen_random_uuid();

create function gen_random_bytes(integer) returns bytea
language plpgsql volatile strict parallel safe
set search_path = ''
as $$
begin
    if $1 not between 1 and 1024 then
        raise exception 'Length not in range'
        using errcode = 'external_routine_invocation_exception';
    end if;

    return (
        select substring(
            string_agg(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), ''::bytea)
            from 1 for $1
        )
        from generate_series(0, ($1 - 1) / 32)
    );
end;
$$;

create function digest(bytea, text) returns bytea
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
begin
    case lower($2)
        when 'md5' then return decode(md5($1), 'hex');
        when 'sha1' then return pgassay.sha1($1);
        when 'sha224' then return sha224($1);
        when 'sha256' then return sha256($1);
        when 'sha384' then return sha384($1);
        when 'sha512' then return sha512($1);
        else
            raise exception 'the stand-in for pgcrypto cannot compute the digest "%"', $2
            using
                errcode = 'feature_not_supported',
                hint = 'Use md5, sha1, sha224, sha256, sha384 or sha512, or a server that has pgcrypto.';
    end case;
end;
$$;

create function digest(text, text) returns bytea
language sql immutable strict parallel safe
return digest(convert_to($1, pg_catalog.getdatabaseencoding()), $2);

create function hmac(bytea, bytea, text) returns bytea
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    block constant integer := case when lower($3) in ('sha384', 'sha512') then 128 else 64 end;
    key bytea := case when length($2) > block then @extschema@.digest($2, $3) else $2 end;
    inner_key bytea;
    outer_key bytea;
begin
    key := key || decode(repeat('00', block - length(key)), 'hex');
    inner_key := key;
    outer_key := key;

    for i in 0..block - 1 loop
        inner_key := set_byte(inner_key, i, get_byte(key, i) # 54);
        outer_key := set_byte(outer_key, i, get_byte(key, i) # 92);
    end loop;

    return @extschema@.digest(outer_key || @extschema@.digest(inner_key || $1, $3), $3);
end;
$$;

create function hmac(text, text, text) returns bytea
language sql immutable strict parallel safe
return hmac(
    convert_to($1, pg_catalog.getdatabaseencoding()), convert_to($2, pg_catalog.getdatabaseencoding()), $3
);

create function gen_salt(text, integer) returns text
language plpgsql volatile strict parallel safe
set search_path = ''
as $$
declare
    random constant text := translate(
        encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'), '+=' || e'\n', './'
    );
begin
    case $1
        when 'bf' then return '$2a$' || lpad($2::text, 2, '0') || '$' || left(random, 22);
        when 'md5' then return '$1$' || left(random, 8);
        when 'xdes' then return '_' || left(random, 8);
        when 'des' then return left(random, 2);
        else
            raise exception 'gen_salt: Unknown salt algorithm'
            using errcode = 'external_routine_invocation_exception';
    end case;
end;
$$;

create function gen_salt(text) returns text
language sql volatile strict parallel safe
return gen_salt($1, 6);

-- It looks like a hash of pgcrypto, and checks those that it made; it does not agree with one that pgcrypto made.
create function crypt(text, text) returns text
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    salt constant text := case when $2 like '$%$%$%' then left($2, 29) when $2 like '$1$%' then left($2, 11)
        when $2 like '\_%' then left($2, 9) else left($2, 2) end;
begin
    return salt || left(translate(encode(sha512(convert_to(salt || $1, 'UTF8')), 'base64'), '+=' || e'\n', './'), 31);
end;
$$;

select pgassay.add_refusals('pgcrypto', array[
    'encrypt(bytea, bytea, text) returns bytea',
    'decrypt(bytea, bytea, text) returns bytea',
    'encrypt_iv(bytea, bytea, bytea, text) returns bytea',
    'decrypt_iv(bytea, bytea, bytea, text) returns bytea',
    'pgp_sym_encrypt(text, text) returns bytea',
    'pgp_sym_encrypt(text, text, text) returns bytea',
    'pgp_sym_encrypt_bytea(bytea, text) returns bytea',
    'pgp_sym_decrypt(bytea, text) returns text',
    'pgp_sym_decrypt(bytea, text, text) returns text',
    'pgp_sym_decrypt_bytea(bytea, text) returns bytea',
    'pgp_pub_encrypt(text, bytea) returns bytea',
    'pgp_pub_decrypt(bytea, bytea) returns text',
    'pgp_pub_decrypt(bytea, bytea, text) returns text',
    'armor(bytea) returns text',
    'dearmor(text) returns bytea'
]);
