-- pgjwt: all its functions, for HMAC. It uses the function hmac of pgcrypto, as it does itself.

create function url_encode(data bytea) returns text
language sql immutable strict
return translate(encode(data, 'base64'), e'+/=\n', '-_');

create function url_decode(data text) returns bytea
language sql immutable strict
return decode(
    rpad(translate(data, '-_', '+/'), length(data) + (4 - length(data) % 4) % 4, '='), 'base64'
);

create function algorithm_sign(signables text, secret text, algorithm text) returns text
language sql immutable
return url_encode(extensions.hmac(
    signables,
    secret,
    case algorithm when 'HS256' then 'sha256' when 'HS384' then 'sha384' when 'HS512' then 'sha512' end
));

create function sign(payload json, secret text, algorithm text default 'HS256') returns text
language sql immutable
return (
    select s.signables || '.' || algorithm_sign(s.signables, $2, $3)
    from (
        select
            url_encode(convert_to('{"alg":"' || algorithm || '","typ":"JWT"}', 'UTF8'))
            || '.' || url_encode(convert_to(payload::text, 'UTF8'))
    ) as s (signables)
);

create function verify(token text, secret text, algorithm text default 'HS256')
returns table (header json, payload json, valid boolean)
language sql immutable
set search_path = ''
as $$
select
    convert_from(@extschema@.url_decode(p.part[1]), 'UTF8')::json as header,
    convert_from(@extschema@.url_decode(p.part[2]), 'UTF8')::json as payload,
    p.part[3] = @extschema@.algorithm_sign(p.part[1] || '.' || p.part[2], verify.secret, verify.algorithm) as valid
from regexp_split_to_array(verify.token, '\.') as p (part)
$$;
