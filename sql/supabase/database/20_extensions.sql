-- pgcrypto and uuid-ossp, or stand-ins if the server lacks them, which leave out crypt, hmac, PGP and UUIDs v1 to v5.

do $do$
begin
    if exists (select from pg_catalog.pg_available_extensions as e where e.name = 'uuid-ossp') then
        create extension if not exists "uuid-ossp" with schema extensions;
    else
        create function extensions.uuid_generate_v4() returns uuid
        language sql volatile strict parallel safe
        return pg_catalog.gen_random_uuid();

        comment on function extensions.uuid_generate_v4() is
        'Stand-in for uuid-ossp, which this server lacks.';
    end if;

    if exists (select from pg_catalog.pg_available_extensions as e where e.name = 'pgcrypto') then
        create extension if not exists pgcrypto with schema extensions;
    else
        create function extensions.gen_random_uuid() returns uuid
        language sql volatile parallel safe
        return pg_catalog.gen_random_uuid();

        create function extensions.gen_random_bytes(integer) returns bytea
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

        create function extensions.digest(bytea, text) returns bytea
        language plpgsql immutable strict parallel safe
        set search_path = ''
        as $$
        begin
            case lower($2)
                when 'md5' then return decode(md5($1), 'hex');
                when 'sha224' then return sha224($1);
                when 'sha256' then return sha256($1);
                when 'sha384' then return sha384($1);
                when 'sha512' then return sha512($1);
                else
                    raise exception 'this stand-in for pgcrypto cannot compute the digest "%"', $2
                    using
                        errcode = 'feature_not_supported',
                        hint = 'Use md5, sha224, sha256, sha384 or sha512, or a server that has pgcrypto.';
            end case;
        end;
        $$;

        create function extensions.digest(text, text) returns bytea
        language sql immutable strict parallel safe
        return extensions.digest(convert_to($1, pg_catalog.getdatabaseencoding()), $2);

        comment on function extensions.gen_random_uuid() is 'Stand-in for pgcrypto, which this server lacks.';
        comment on function extensions.gen_random_bytes(integer) is 'Stand-in for pgcrypto, which this server lacks.';
        comment on function extensions.digest(bytea, text) is 'Stand-in for pgcrypto, which this server lacks.';
        comment on function extensions.digest(text, text) is 'Stand-in for pgcrypto, which this server lacks.';
    end if;
end;
$do$;
