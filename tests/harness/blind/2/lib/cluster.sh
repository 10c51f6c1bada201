#!/bin/bash
# start|stop the throwaway cluster for the proofs
B=/usr/lib/postgresql/15/bin
case $1 in
start) [ -d /tmp/b2pg/data ] || runuser -u postgres -- nice -n 10 $B/initdb -D /tmp/b2pg/data -A trust -U postgres >/dev/null
 runuser -u postgres -- nice -n 10 $B/pg_ctl -D /tmp/b2pg/data -w -l /tmp/b2pg/log -o "-p 55877 -k /tmp/b2pg -c listen_addresses= -c fsync=off" start;;
stop) runuser -u postgres -- $B/pg_ctl -D /tmp/b2pg/data -m fast stop;;
esac
