create or replace view people as select name from ${flyway:defaultSchema}.person;
