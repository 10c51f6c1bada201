-- pgvector: vector and halfvec as text, distances over arrays of float8. Leaves out index methods; sparsevec is opaque.

create function pgassay_dimensions_in(cstring[]) returns integer
language plpgsql immutable strict parallel safe
set search_path = ''
as $$
declare
    dimensions constant integer := btrim($1::text, '{}')::integer;
begin
    if dimensions not between 1 and 16000 then
        raise exception 'dimensions must be between 1 and 16000' using errcode = 'invalid_parameter_value';
    end if;

    return dimensions;
end;
$$;

create function cosine_of(double precision[], double precision[]) returns double precision
language sql immutable strict parallel safe
set search_path = ''
as $$
select
    case
        when sum(v.a * v.a) * sum(v.b * v.b) = 0 then 'NaN'::double precision
        else greatest(-1, least(1, sum(v.a * v.b) / sqrt(sum(v.a * v.a) * sum(v.b * v.b))))
    end
from unnest($1, $2) as v (a, b)
$$;

do $do$
declare
    wanted text;
    operation record;
begin
    foreach wanted in array array['vector', 'halfvec', 'sparsevec'] loop
        execute replace($sql$
            create type T;
            create function T_in(cstring, oid, integer) returns T
            language internal immutable strict parallel safe as 'textin';
            create function T_out(T) returns cstring
            language internal immutable strict parallel safe as 'textout';
            create function T_recv(internal, oid, integer) returns T
            language internal immutable strict parallel safe as 'textrecv';
            create function T_send(T) returns bytea
            language internal immutable strict parallel safe as 'textsend';
            create type T (
                input = T_in, output = T_out, receive = T_recv, send = T_send, typmod_in = pgassay_dimensions_in,
                internallength = variable, storage = extended
            );
        $sql$, 'T', wanted);
    end loop;

    create function vector_dims(sparsevec) returns integer language sql immutable strict parallel safe
    return split_part($1::text, '/', 2)::integer;

    foreach wanted in array array['vector', 'halfvec'] loop
        execute replace($sql$
            create function pgassay_floats(T) returns double precision[]
            language sql immutable strict parallel safe
            return string_to_array(btrim($1::text, '[] '), ',')::double precision[];

            create function T_to_float4(T, integer, boolean) returns real[]
            language sql immutable strict parallel safe
            return pgassay_floats($1)::real[];

            create function vector_dims(T) returns integer
            language sql immutable strict parallel safe
            return cardinality(pgassay_floats($1));

            create function T(T, integer, boolean) returns T
            language plpgsql immutable strict parallel safe
            as $$
            declare
                dimensions constant integer := @extschema@.vector_dims($1);
            begin
                if $2 not in (-1, dimensions) then
                    raise exception 'expected % dimensions, not %', $2, dimensions using errcode = 'data_exception';
                end if;

                return $1;
            end;
            $$;

            create function array_to_T(double precision[], integer, boolean) returns T
            language sql immutable strict parallel safe
            return T(('[' || array_to_string($1, ',') || ']')::T, $2, $3);
            create function array_to_T(real[], integer, boolean) returns T
            language sql immutable strict parallel safe
            return T(('[' || array_to_string($1, ',') || ']')::T, $2, $3);
            create function array_to_T(integer[], integer, boolean) returns T
            language sql immutable strict parallel safe
            return T(('[' || array_to_string($1, ',') || ']')::T, $2, $3);
            create function array_to_T(numeric[], integer, boolean) returns T
            language sql immutable strict parallel safe
            return T(('[' || array_to_string($1, ',') || ']')::T, $2, $3);

            create cast (T as T) with function T(T, integer, boolean) as implicit;
            create cast (T as real[]) with function T_to_float4(T, integer, boolean) as implicit;
            create cast (double precision[] as T) with function array_to_T(double precision[], integer, boolean)
            as assignment;
            create cast (real[] as T) with function array_to_T(real[], integer, boolean) as assignment;
            create cast (integer[] as T) with function array_to_T(integer[], integer, boolean) as assignment;
            create cast (numeric[] as T) with function array_to_T(numeric[], integer, boolean) as assignment;

            create function pgassay_same(T, T) returns boolean
            language plpgsql immutable strict parallel safe
            as $$
            begin
                if @extschema@.vector_dims($1) <> @extschema@.vector_dims($2) then
                    raise exception 'different T dimensions % and %',
                        @extschema@.vector_dims($1), @extschema@.vector_dims($2)
                    using errcode = 'data_exception';
                end if;

                return true;
            end;
            $$;

            create function l2_distance(T, T) returns double precision
            language sql immutable strict parallel safe
            return case when pgassay_same($1, $2) then (
                select sqrt(sum((v.a - v.b) * (v.a - v.b)))
                from rows from (
                    pg_catalog.unnest(pgassay_floats($1)), pg_catalog.unnest(pgassay_floats($2))
                ) as v (a, b)
            ) end;
            create function l1_distance(T, T) returns double precision
            language sql immutable strict parallel safe
            return case when pgassay_same($1, $2) then (
                select sum(abs(v.a - v.b))
                from rows from (
                    pg_catalog.unnest(pgassay_floats($1)), pg_catalog.unnest(pgassay_floats($2))
                ) as v (a, b)
            ) end;
            create function inner_product(T, T) returns double precision
            language sql immutable strict parallel safe
            return case when pgassay_same($1, $2) then (
                select sum(v.a * v.b)
                from rows from (
                    pg_catalog.unnest(pgassay_floats($1)), pg_catalog.unnest(pgassay_floats($2))
                ) as v (a, b)
            ) end;
            create function T_negative_inner_product(T, T) returns double precision
            language sql immutable strict parallel safe
            return - inner_product($1, $2);
            create function cosine_distance(T, T) returns double precision
            language sql immutable strict parallel safe
            return case when pgassay_same($1, $2) then 1 - cosine_of(pgassay_floats($1), pgassay_floats($2)) end;
            create function T_norm(T) returns double precision
            language sql immutable strict parallel safe
            return sqrt(inner_product($1, $1));
            create function l2_normalize(T) returns T
            language sql immutable strict parallel safe
            return (
                select array_to_T(
                    array_agg(case when T_norm($1) = 0 then 0 else v.a / T_norm($1) end order by v.n), -1, false
                )
                from pg_catalog.unnest(pgassay_floats($1)) with ordinality as v (a, n)
            );

            create operator <-> (leftarg = T, rightarg = T, function = l2_distance, commutator = operator(<->));
            create operator <+> (leftarg = T, rightarg = T, function = l1_distance, commutator = operator(<+>));
            create operator <=> (leftarg = T, rightarg = T, function = cosine_distance, commutator = operator(<=>));
            create operator <#> (leftarg = T, rightarg = T, function = T_negative_inner_product,
                commutator = operator(<#>));

            create function T_cmp(T, T) returns integer
            language sql immutable strict parallel safe
            return btarraycmp(pgassay_floats($1), pgassay_floats($2));
        $sql$, 'T', wanted);

        for operation in
            select v.name, v.symbol
            from (values ('lt', '<'), ('le', '<='), ('eq', '='), ('ne', '<>'), ('ge', '>='), ('gt', '>'))
            as v (name, symbol)
        loop
            execute format(
                'create function %1$s_%2$s(%1$s, %1$s) returns boolean language sql immutable strict parallel safe '
                'return pgassay_floats($1) %3$s pgassay_floats($2); '
                'create operator %3$s (leftarg = %1$s, rightarg = %1$s, function = %1$s_%2$s)',
                wanted, operation.name, operation.symbol
            );
        end loop;

        for operation in
            select v.name, v.symbol from (values ('add', '+'), ('sub', '-'), ('mul', '*')) as v (name, symbol)
        loop
            execute format(
                'create function %1$s_%2$s(%1$s, %1$s) returns %1$s language sql immutable strict parallel safe '
                'return case when pgassay_same($1, $2) then ('
                'select array_to_%1$s(array_agg(v.a %3$s v.b order by v.n), -1, false) from rows from ('
                'pg_catalog.unnest(pgassay_floats($1)), pg_catalog.unnest(pgassay_floats($2))'
                ') with ordinality as v (a, b, n)) end; '
                'create operator %3$s (leftarg = %1$s, rightarg = %1$s, function = %1$s_%2$s)',
                wanted, operation.name, operation.symbol
            );
        end loop;

        execute replace($sql$
            create operator class T_ops default for type T using btree as
            operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 T_cmp(T, T);

            create aggregate sum(T) (sfunc = T_add, stype = T);

            create function pgassay_average(state double precision[], added T) returns double precision[]
            language sql immutable parallel safe
            return case when added is null then state when cardinality(state) = 0 then 1.0 || pgassay_floats(added)
            else (
                select array_agg(v.a + v.b order by v.n)
                from rows from (
                    pg_catalog.unnest(state), pg_catalog.unnest(1.0 || pgassay_floats(added))
                ) with ordinality as v (a, b, n)
            ) end;
            create function pgassay_T_average(state double precision[]) returns T
            language sql immutable parallel safe
            return case when cardinality(state) > 0 then (
                select array_to_T(array_agg(v.a / state[1] order by v.n), -1, false)
                from pg_catalog.unnest(state[2:]) with ordinality as v (a, n)
            ) end;
            create aggregate avg(T) (
                sfunc = pgassay_average, stype = double precision[], initcond = '{}', finalfunc = pgassay_T_average
            );
        $sql$, 'T', wanted);
    end loop;
end;
$do$;

select pgassay.add_refusals('vector', array[
    'hamming_distance(bit, bit) returns double precision',
    'jaccard_distance(bit, bit) returns double precision',
    'binary_quantize(vector) returns bit',
    'binary_quantize(halfvec) returns bit',
    'subvector(vector, integer, integer) returns vector',
    'subvector(halfvec, integer, integer) returns halfvec',
    'l2_distance(sparsevec, sparsevec) returns double precision',
    'cosine_distance(sparsevec, sparsevec) returns double precision',
    'inner_product(sparsevec, sparsevec) returns double precision',
    'sparsevec_negative_inner_product(sparsevec, sparsevec) returns double precision'
]);

create operator <-> (leftarg = sparsevec, rightarg = sparsevec, function = l2_distance);
create operator <=> (leftarg = sparsevec, rightarg = sparsevec, function = cosine_distance);
create operator <#> (leftarg = sparsevec, rightarg = sparsevec, function = sparsevec_negative_inner_product);
