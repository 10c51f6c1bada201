-- Up Migration
CREATE TABLE users (id serial PRIMARY KEY, name varchar(1000) NOT NULL, created_at timestamp NOT NULL DEFAULT current_timestamp);

-- Down Migration
DROP TABLE users;
