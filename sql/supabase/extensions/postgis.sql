-- PostGIS: geometry and geography as text, and points. Leaves out measuring, relating, indexes, rasters and topology.

create function pgassay_shape_in(cstring[]) returns integer
language sql immutable strict parallel safe
return 0;

do $do$
declare
    wanted text;
begin
    foreach wanted in array array['geometry', 'geography'] loop
        execute replace($sql$
            create type T;
            create function T_in(cstring, oid, integer) returns T
            language internal immutable strict parallel safe as 'textin';
            create function T_out(T) returns cstring language internal immutable strict parallel safe as 'textout';
            create function T_recv(internal, oid, integer) returns T
            language internal immutable strict parallel safe as 'textrecv';
            create function T_send(T) returns bytea language internal immutable strict parallel safe as 'textsend';
            create type T (
                input = T_in, output = T_out, receive = T_recv, send = T_send, typmod_in = pgassay_shape_in,
                internallength = variable, storage = extended
            );
        $sql$, 'T', wanted);
    end loop;
end;
$do$;

create cast (geometry as geography) without function as implicit;
create cast (geography as geometry) without function;
create cast (text as geometry) without function as implicit;
create cast (text as geography) without function as assignment;

create function st_makepoint(double precision, double precision) returns geometry
language sql immutable strict parallel safe
return ('POINT(' || $1 || ' ' || $2 || ')')::geometry;

create function st_point(double precision, double precision) returns geometry
language sql immutable strict parallel safe
return st_makepoint($1, $2);

create function st_setsrid(geometry, integer) returns geometry
language sql immutable strict parallel safe
return ('SRID=' || $2 || ';' || regexp_replace($1::text, '^SRID=\d+;', ''))::geometry;

create function st_point(double precision, double precision, integer) returns geometry
language sql immutable strict parallel safe
return st_setsrid(st_makepoint($1, $2), $3);

create function st_srid(geometry) returns integer
language sql immutable strict parallel safe
return coalesce(substring($1::text from '^SRID=(\d+);')::integer, 0);

create function st_astext(geometry) returns text
language sql immutable strict parallel safe
return regexp_replace($1::text, '^SRID=\d+;', '');

create function st_astext(geography) returns text
language sql immutable strict parallel safe
return regexp_replace($1::text, '^SRID=\d+;', '');

create function st_geomfromtext(text) returns geometry
language sql immutable strict parallel safe
return $1::geometry;

create function st_geomfromtext(text, integer) returns geometry
language sql immutable strict parallel safe
return st_setsrid($1::geometry, $2);

create function st_geogfromtext(text) returns geography
language sql immutable strict parallel safe
return $1::geography;

create function st_x(geometry) returns double precision
language sql immutable strict parallel safe
return substring($1::text from 'POINT\s*\(\s*(\S+)')::double precision;

create function st_y(geometry) returns double precision
language sql immutable strict parallel safe
return substring($1::text from 'POINT\s*\(\s*\S+\s+([^\s)]+)')::double precision;

select pgassay.add_refusals('postgis', array[
    'st_distance(geometry, geometry) returns double precision',
    'st_distance(geography, geography, boolean default true) returns double precision',
    'st_distancesphere(geometry, geometry) returns double precision',
    'st_dwithin(geometry, geometry, double precision) returns boolean',
    'st_dwithin(geography, geography, double precision, boolean default true) returns boolean',
    'st_within(geometry, geometry) returns boolean',
    'st_contains(geometry, geometry) returns boolean',
    'st_covers(geometry, geometry) returns boolean',
    'st_covers(geography, geography) returns boolean',
    'st_intersects(geometry, geometry) returns boolean',
    'st_intersects(geography, geography) returns boolean',
    'st_equals(geometry, geometry) returns boolean',
    'st_area(geometry) returns double precision',
    'st_area(geography, boolean default true) returns double precision',
    'st_length(geometry) returns double precision',
    'st_length(geography, boolean default true) returns double precision',
    'st_centroid(geometry) returns geometry',
    'st_buffer(geometry, double precision) returns geometry',
    'st_buffer(geography, double precision) returns geography',
    'st_transform(geometry, integer) returns geometry',
    'st_union(geometry, geometry) returns geometry',
    'st_asgeojson(geometry, integer default 9, integer default 8) returns text',
    'st_asgeojson(geography, integer default 9, integer default 0) returns text',
    'st_geomfromgeojson(text) returns geometry',
    'st_geomfromgeojson(json) returns geometry',
    'st_geomfromgeojson(jsonb) returns geometry',
    'st_geomfromwkb(bytea, integer default 0) returns geometry',
    'st_isvalid(geometry) returns boolean',
    'st_makeenvelope(double precision, double precision, double precision, double precision, integer default 0) '
    'returns geometry',
    'st_makeline(geometry, geometry) returns geometry',
    'st_makepolygon(geometry) returns geometry',
    'pgassay_overlap(geometry, geometry) returns boolean',
    'pgassay_overlap(geography, geography) returns boolean',
    'postgis_version() returns text'
]);

create operator && (leftarg = geometry, rightarg = geometry, function = pgassay_overlap); -- noqa
create operator && (leftarg = geography, rightarg = geography, function = pgassay_overlap); -- noqa
create operator <-> (leftarg = geometry, rightarg = geometry, function = st_distance);
