-- hypopg: its functions, each of which is an error.

select pgassay.add_refusals('hypopg', array[
    'hypopg_create_index(sql_order text, out indexrelid oid, out indexname text) returns setof record',
    'hypopg_drop_index(indexid oid) returns boolean',
    'hypopg_reset() returns void'
]);
