#!/bin/bash
# prove.sh NN-name …: builds the schema in a database of its own and runs its proof.sql; exit code 1 where a line fails
cd "$(dirname "$0")/.."; bad=0
P="nice -n 10 /usr/lib/postgresql/15/bin/psql -X -q -h /tmp/blind3pg -p 5733 -v ON_ERROR_STOP=1"
for s in "$@"; do
  s=${s%/}; db=p_${s//-/_}
  $P -U supabase_admin -d postgres -c "drop database if exists $db" -c "create database $db owner postgres" 2>/dev/null
  $P -U supabase_admin -d $db -f lib/supabase.sql || bad=1
  for f in $s/supabase/migrations/*.sql; do $P -U postgres -d $db -1 -f $f || bad=1; done
  $P -U supabase_admin -d $db -f lib/harness.sql || bad=1
  $P -U supabase_admin -d $db -f $s/proof.sql >/dev/null || bad=1
  $P -U supabase_admin -d $db -At -F ' | ' -c "select case when ok then 'ok  ' else 'FAIL' end, kind, id, left(got, 100) from proof.result order by n" | sed "s/^/$s  /" | tee /dev/stderr | grep -q FAIL && bad=1
done
exit $bad
