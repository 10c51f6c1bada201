-- plv8: an error, since no language can stand in for JavaScript.

do $$
begin
    raise exception 'there is no stand-in for plv8, a language'
    using
        errcode = 'feature_not_supported',
        hint = 'Use a server that has it: --pg container --pg-image IMAGE.';
end;
$$;
