-- Up Migration
CREATE TABLE posts (id serial PRIMARY KEY, "userId" integer NOT NULL REFERENCES users ON DELETE CASCADE, body text NOT NULL);
CREATE INDEX ON posts ("userId");

-- Down Migration
DROP TABLE posts;
