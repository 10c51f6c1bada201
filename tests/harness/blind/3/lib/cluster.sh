#!/bin/bash
# cluster.sh start|stop: the proofs' own PostgreSQL 15
B=/usr/lib/postgresql/15/bin D=/tmp/blind3pg
if [ "$1" = start ]; then
  mkdir -p $D && chown postgres $D && chmod 711 $D
  [ -f $D/data/PG_VERSION ] || runuser -u postgres -- nice -n 10 $B/initdb -D $D/data -U supabase_admin -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
  runuser -u postgres -- nice -n 10 $B/pg_ctl -D $D/data -w -l $D/log -o "-k $D -p 5733 -c listen_addresses='' -c fsync=off" start
  $B/psql -q -h $D -p 5733 -U supabase_admin -d template1 <<'S'
create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
create role authenticator login noinherit; grant anon, authenticated, service_role to authenticator;
create role postgres login createrole createdb bypassrls; grant anon, authenticated, service_role to postgres;
S
else runuser -u postgres -- $B/pg_ctl -D $D/data -m fast stop; rm -rf $D; fi
