-- +migrate Up
-- +migrate StatementBegin
CREATE FUNCTION do_something() RETURNS void AS $$
BEGIN
  PERFORM 1;
END;
$$ language plpgsql;
-- +migrate StatementEnd

-- +migrate Down
DROP FUNCTION do_something();
