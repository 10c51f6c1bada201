-- ltree: paths as text, their parts, ancestors and order. Leaves out indexes and lquery, which is opaque.

do $do$
declare
    wanted text;
begin
    foreach wanted in array array['ltree', 'lquery', 'ltxtquery'] loop
        execute replace($sql$
            create type T;
            create function T_in(cstring) returns T language internal immutable strict parallel safe as 'textin';
            create function T_out(T) returns cstring language internal immutable strict parallel safe as 'textout';
            create type T (input = T_in, output = T_out, internallength = variable, storage = extended);
        $sql$, 'T', wanted);
    end loop;
end;
$do$;

create function pgassay_labels(ltree) returns text[]
language sql immutable strict parallel safe
return string_to_array($1::text, '.');

create function nlevel(ltree) returns integer
language sql immutable strict parallel safe
return cardinality(pgassay_labels($1));

create function text2ltree(text) returns ltree
language sql immutable strict parallel safe
return $1::ltree;

create function ltree2text(ltree) returns text
language sql immutable strict parallel safe
return $1::text;

create function subltree(ltree, integer, integer) returns ltree
language sql immutable strict parallel safe
return array_to_string((pgassay_labels($1))[$2 + 1:$3], '.')::ltree;

create function subpath(ltree, integer, integer) returns ltree
language sql immutable strict parallel safe
return subltree(
    $1,
    case when $2 < 0 then nlevel($1) + $2 else $2 end,
    case when $3 < 0 then nlevel($1) + $3 else case when $2 < 0 then nlevel($1) + $2 else $2 end + $3 end
);

create function subpath(ltree, integer) returns ltree
language sql immutable strict parallel safe
return subltree($1, case when $2 < 0 then nlevel($1) + $2 else $2 end, nlevel($1));

create function ltree_addltree(ltree, ltree) returns ltree
language sql immutable strict parallel safe
return array_to_string(pgassay_labels($1) || pgassay_labels($2), '.')::ltree;

create function ltree_addtext(ltree, text) returns ltree
language sql immutable strict parallel safe
return ltree_addltree($1, $2::ltree);

create function ltree_isparent(ltree, ltree) returns boolean
language sql immutable strict parallel safe
return (pgassay_labels($2))[1:nlevel($1)] = pgassay_labels($1);

create function ltree_risparent(ltree, ltree) returns boolean
language sql immutable strict parallel safe
return ltree_isparent($2, $1);

create function ltree_cmp(ltree, ltree) returns integer
language sql immutable strict parallel safe
return btarraycmp(pgassay_labels($1), pgassay_labels($2));

do $do$
declare
    operation record;
begin
    for operation in
        select v.name, v.symbol
        from (values ('lt', '<'), ('le', '<='), ('eq', '='), ('ne', '<>'), ('ge', '>='), ('gt', '>'))
        as v (name, symbol)
    loop
        execute format(
            'create function ltree_%1$s(ltree, ltree) returns boolean language sql immutable strict parallel safe '
            'return pgassay_labels($1) %2$s pgassay_labels($2); '
            'create operator %2$s (leftarg = ltree, rightarg = ltree, function = ltree_%1$s)',
            operation.name, operation.symbol
        );
    end loop;
end;
$do$;

-- in a block, for the linter does not know this statement
do $$
begin
    create operator class ltree_ops default for type ltree using btree as
        operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 ltree_cmp(ltree, ltree);
end;
$$;

create operator || (leftarg = ltree, rightarg = ltree, function = ltree_addltree); -- noqa
create operator || (leftarg = ltree, rightarg = text, function = ltree_addtext); -- noqa
create operator @> (leftarg = ltree, rightarg = ltree, function = ltree_isparent, commutator = operator(<@)); -- noqa
create operator <@ (leftarg = ltree, rightarg = ltree, function = ltree_risparent, commutator = operator(@>)); -- noqa

select pgassay.add_refusals('ltree', array[
    'ltq_regex(ltree, lquery) returns boolean',
    'ltxtq_exec(ltree, ltxtquery) returns boolean',
    'lca(ltree, ltree) returns ltree',
    'index(ltree, ltree) returns integer'
]);

create operator ~ (leftarg = ltree, rightarg = lquery, function = ltq_regex);
create operator @ (leftarg = ltree, rightarg = ltxtquery, function = ltxtq_exec);
