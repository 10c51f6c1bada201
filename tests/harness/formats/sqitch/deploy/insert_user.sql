BEGIN;
CREATE OR REPLACE FUNCTION flipr.insert_user(nickname text, password text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO flipr.users VALUES ($1, md5($2)) ON CONFLICT DO NOTHING;
$$;
COMMIT;
