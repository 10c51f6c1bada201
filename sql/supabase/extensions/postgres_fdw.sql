-- postgres_fdw: the wrapper, for servers and foreign tables, from which nothing can be read.

create foreign data wrapper postgres_fdw;
