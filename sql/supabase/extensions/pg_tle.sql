-- pg_tle: the functions that install extensions, each of which is an error.

create schema pgtle;

select pgassay.add_refusals('pg_tle', array[
    'pgtle.install_extension(name text, version text, description text, ext text, requires text[] default null) '
    'returns boolean',
    'pgtle.install_extension_version_sql(name text, version text, ext text) returns boolean',
    'pgtle.install_update_path(name text, fromvers text, tovers text, ext text) returns boolean',
    'pgtle.set_default_version(name text, version text) returns boolean',
    'pgtle.uninstall_extension(extname text, version text default null) returns boolean',
    'pgtle.uninstall_extension_if_exists(extname text) returns boolean',
    'pgtle.available_extensions() returns setof record'
]);

grant usage on schema pgtle to public;
