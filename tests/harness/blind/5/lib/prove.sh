#!/bin/bash
# prove.sh NN-name : new database, environment, migrations, proof.sql
cd "$(dirname "$0")/.."; d=$1; db=b_${d//-/_}
P="nice -n 10 psql -h /tmp/blind5pg -p 54555 -U postgres -X -q -v ON_ERROR_STOP=1"
$P -d postgres -c "drop database if exists $db" -c "create database $db" >/dev/null 2>&1 || exit 1
$P -d $db -f _env/env.sql 2>/dev/null || exit 1
for f in $d/supabase/migrations/*.sql; do $P -d $db -f $f || exit 1; done
$P -d $db -f _env/harness.sql && $P -d $db -f $d/proof.sql 2>&1 | sed -E 's/^psql:[^ ]* NOTICE:  //'
