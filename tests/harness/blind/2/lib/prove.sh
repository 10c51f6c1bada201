#!/bin/bash
# prove.sh NN-name …: builds the schema in a database of the cluster of cluster.sh, and runs its proof.sql
cd "$(dirname "$0")/.."; export PGHOST=/tmp/b2pg PGPORT=55877 PGUSER=postgres PGOPTIONS='-c client_min_messages=warning'
P="nice -n 10 /usr/lib/postgresql/15/bin/psql -X -q -v ON_ERROR_STOP=1"
for s in "$@"; do s=${s%/}; db="b2_${s%%-*}"; echo "== $s"
  $P -d postgres -c "drop database if exists $db" -c "create database $db" && $P -d $db -f lib/supabase.sql &&
  for f in $s/supabase/migrations/*.sql; do $P -d $db -f "$f" || continue 2; done &&
  $P -d $db -f lib/helpers.sql && $P -d $db -o /dev/null -f $s/proof.sql &&
  $P -d $db -A -t -F ' | ' -c "select case when ok then 'ok  ' else 'FAIL' end, kind, id, said from proof.result"
done
