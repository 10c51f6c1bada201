-- citext: comparison, uniqueness and patterns regardless of case. Leaves out the string functions of its own.

create type citext;

create function citextin(cstring) returns citext
language internal immutable strict parallel safe as 'textin';

create function citextout(citext) returns cstring
language internal immutable strict parallel safe as 'textout';

create function citextrecv(internal) returns citext
language internal stable strict parallel safe as 'textrecv';

create function citextsend(citext) returns bytea
language internal stable strict parallel safe as 'textsend';

create type citext (
    input = citextin, output = citextout, receive = citextrecv, send = citextsend,
    internallength = variable, storage = extended, category = 'S', collatable = true
);

create cast (citext as text) without function as implicit;
create cast (citext as varchar) without function as implicit;
create cast (citext as bpchar) without function as assignment;
create cast (text as citext) without function as assignment;
create cast (varchar as citext) without function as assignment;

create function citext_cmp(citext, citext) returns integer
language sql immutable strict parallel safe
return bttextcmp(lower($1::text), lower($2::text));

create function citext_hash(citext) returns integer
language sql immutable strict parallel safe
return hashtext(lower($1::text));

do $do$
declare
    operation record;
begin
    for operation in
        select v.name, v.symbol, v.commutator, v.negator
        from (
            values
            ('lt', '<', '>', '>='), ('le', '<=', '>=', '>'), ('eq', '=', '=', '<>'), ('ne', '<>', '<>', '='),
            ('ge', '>=', '<=', '<'), ('gt', '>', '<', '<=')
        ) as v (name, symbol, commutator, negator)
    loop
        execute format(
            'create function citext_%1$s(citext, citext) returns boolean '
            'language sql immutable strict parallel safe return lower($1::text) %2$s lower($2::text); '
            'create operator %2$s (leftarg = citext, rightarg = citext, function = citext_%1$s, '
            'commutator = operator(%3$s), negator = operator(%4$s)%5$s)',
            operation.name, operation.symbol, operation.commutator, operation.negator,
            case when operation.symbol = '=' then ', hashes, merges' else '' end
        );
    end loop;

    for operation in
        select v.name, v.symbol, v.other
        from (
            values
            ('like', '~~', '~~*'), ('nlike', '!~~', '!~~*'), ('ilike', '~~*', '~~*'), ('nilike', '!~~*', '!~~*'),
            ('regex', '~', '~*'), ('nregex', '!~', '!~*'), ('iregex', '~*', '~*'), ('niregex', '!~*', '!~*')
        ) as v (name, symbol, other)
    loop
        execute format(
            'create function citext_%1$s(citext, citext) returns boolean '
            'language sql immutable strict parallel safe return $1::text operator(pg_catalog.%3$s) $2::text; '
            'create function citext_%1$s(citext, text) returns boolean '
            'language sql immutable strict parallel safe return $1::text operator(pg_catalog.%3$s) $2; '
            'create operator %2$s (leftarg = citext, rightarg = citext, function = citext_%1$s); '
            'create operator %2$s (leftarg = citext, rightarg = text, function = citext_%1$s)',
            operation.name, operation.symbol, operation.other
        );
    end loop;
end;
$do$;

-- in a block, for the linter does not know this statement
do $$
begin
    create operator class citext_ops default for type citext using btree as
        operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 citext_cmp(citext, citext);

    create operator class citext_ops default for type citext using hash as
        operator 1 =, function 1 citext_hash(citext);
end;
$$;
