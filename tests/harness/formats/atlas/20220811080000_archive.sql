-- atlas:txtar

-- checks.sql --
-- The assertion below must be evaluated to true
SELECT NOT EXISTS (SELECT * FROM users);

-- migration.sql --
ALTER TABLE "users" ADD COLUMN "name" text;

-- down.sql --
ALTER TABLE "users" DROP COLUMN "name";
