-- pg_trgm: similarity of whole texts. Leaves out similarity of words, and operator classes: such indexes are left out.

create function show_trgm(text) returns text[]
language sql immutable strict parallel safe
set search_path = ''
as $$
select coalesce(array_agg(distinct substr('  ' || m.word[1] || ' ', n.i, 3)), '{}')
from regexp_matches(lower($1), '[[:alnum:]]+', 'g') as m (word)
cross join lateral generate_series(1, length(m.word[1]) + 1) as n (i)
$$;

create function similarity(text, text) returns real
language sql immutable strict parallel safe
return (
    with grams as (
        select u.gram from pg_catalog.unnest(show_trgm($1)) as u (gram)
        union all
        select u.gram from pg_catalog.unnest(show_trgm($2)) as u (gram)
    ),

    counted as (
        select count(*) as n
        from grams
        group by grams.gram
    )

    select coalesce(count(*) filter (where c.n = 2)::real / nullif(count(*), 0), 0) from counted as c
);

create function similarity_dist(text, text) returns real
language sql immutable strict parallel safe
return 1 - similarity($1, $2);

create function similarity_op(text, text) returns boolean
language sql stable strict parallel safe
return similarity($1, $2) >= coalesce(current_setting('pg_trgm.similarity_threshold', true), '0.3')::real;

create function show_limit() returns real
language sql stable parallel safe
return coalesce(current_setting('pg_trgm.similarity_threshold', true), '0.3')::real;

create function set_limit(real) returns real
language sql strict
return set_config('pg_trgm.similarity_threshold', $1::text, false)::real;

create operator % (leftarg = text, rightarg = text, function = similarity_op, commutator = operator(%)); -- noqa
create operator <-> (leftarg = text, rightarg = text, function = similarity_dist, commutator = operator(<->));

select pgassay.add_refusals('pg_trgm', array[
    'word_similarity(text, text) returns real',
    'strict_word_similarity(text, text) returns real',
    'word_similarity_op(text, text) returns boolean',
    'word_similarity_commutator_op(text, text) returns boolean'
]);

create operator <% (leftarg = text, rightarg = text, function = word_similarity_op);
create operator %> (leftarg = text, rightarg = text, function = word_similarity_commutator_op); -- noqa
