create index concurrently person_name on person (name);
