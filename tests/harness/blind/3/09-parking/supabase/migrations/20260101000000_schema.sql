-- ParkOps. One installation, many operators; there is no table of operators: the code of yours is in your token
-- (app_metadata.operator), as set by the identity team.

CREATE TABLE IF NOT EXISTS zones (
  operator   text NOT NULL,
  code       text NOT NULL,
  street     text NOT NULL,
  bays       integer NOT NULL DEFAULT 10,
  PRIMARY KEY (operator, code)
);

CREATE TABLE IF NOT EXISTS tariffs (
  operator   text NOT NULL,
  zone_code  text NOT NULL,
  from_hour  integer NOT NULL CHECK (from_hour BETWEEN 0 AND 23),
  cents_hour integer NOT NULL,
  PRIMARY KEY (operator, zone_code, from_hour),
  FOREIGN KEY (operator, zone_code) REFERENCES zones (operator, code) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS permits (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  operator   text NOT NULL,
  zone_code  text NOT NULL,
  plate      text NOT NULL,
  holder     text,
  valid_to   date,
  FOREIGN KEY (operator, zone_code) REFERENCES zones (operator, code) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS sessions (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  operator   text NOT NULL,
  zone_code  text NOT NULL,
  plate      text NOT NULL,
  came_at    timestamptz NOT NULL DEFAULT now(),
  left_at    timestamptz,
  FOREIGN KEY (operator, zone_code) REFERENCES zones (operator, code) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS fines (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  operator   text NOT NULL,
  plate      text NOT NULL,
  cents      integer NOT NULL CHECK (cents > 0),
  reason     text,
  issued_at  timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz
);

CREATE TABLE IF NOT EXISTS payments (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  operator   text NOT NULL,
  fine_id    uuid NOT NULL REFERENCES fines (id),
  cents      integer NOT NULL,
  received   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS cameras (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  operator   text NOT NULL,
  zone_code  text NOT NULL,
  key_sha256 text NOT NULL,
  FOREIGN KEY (operator, zone_code) REFERENCES zones (operator, code) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS sightings (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  operator   text NOT NULL,
  camera_id  uuid NOT NULL REFERENCES cameras (id) ON DELETE CASCADE,
  plate      text NOT NULL,
  seen_at    timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE zones     ENABLE ROW LEVEL SECURITY;
ALTER TABLE tariffs   ENABLE ROW LEVEL SECURITY;
ALTER TABLE permits   ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions  ENABLE ROW LEVEL SECURITY;
ALTER TABLE fines     ENABLE ROW LEVEL SECURITY;
ALTER TABLE payments  ENABLE ROW LEVEL SECURITY;
ALTER TABLE cameras   ENABLE ROW LEVEL SECURITY;
ALTER TABLE sightings ENABLE ROW LEVEL SECURITY;

CREATE POLICY "operator" ON zones TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'))
  WITH CHECK (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator" ON tariffs TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'))
  WITH CHECK (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator" ON permits TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'))
  WITH CHECK (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator" ON fines TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'))
  WITH CHECK (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator reads" ON payments FOR SELECT TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator books" ON payments FOR INSERT TO authenticated
  WITH CHECK (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator" ON cameras TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'))
  WITH CHECK (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "operator" ON sightings FOR SELECT TO authenticated
  USING (operator = (auth.jwt() -> 'app_metadata' ->> 'operator'));

-- people in the office have a token; the barriers have none, they send x-operator
CREATE POLICY "operator or barrier" ON sessions TO anon, authenticated
  USING (operator = coalesce(
    auth.jwt() -> 'app_metadata' ->> 'operator',
    nullif(current_setting('request.headers', true), '')::json ->> 'x-operator'));

-- a payment settles its fine
CREATE OR REPLACE FUNCTION settle_fine() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  UPDATE fines SET settled_at = new.received
  WHERE id = new.fine_id AND cents <= new.cents AND settled_at IS NULL;
  RETURN new;
END $$;
CREATE TRIGGER settle_fine AFTER INSERT ON payments FOR EACH ROW EXECUTE FUNCTION settle_fine();

-- cameras have a key of 32 random bytes, of which we keep the hash
CREATE OR REPLACE FUNCTION report_plate(camera uuid, camera_key text, plate text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, extensions, pg_temp AS $$
DECLARE
  c cameras;
  n bigint;
BEGIN
  SELECT * INTO c FROM cameras k
  WHERE k.id = camera AND k.key_sha256 = encode(digest(camera_key, 'sha256'), 'hex');
  IF NOT FOUND THEN
    RAISE EXCEPTION 'unknown camera' USING ERRCODE = '28000';
  END IF;
  INSERT INTO sightings (operator, camera_id, plate) VALUES (c.operator, c.id, report_plate.plate) RETURNING id INTO n;
  RETURN n;
END $$;

-- signs at the road and the app for drivers show this: free bays, of all operators
CREATE OR REPLACE VIEW occupancy AS
  SELECT z.operator, z.code AS zone, z.street,
    greatest(z.bays - (SELECT count(*) FROM sessions s WHERE s.operator = z.operator AND s.zone_code = z.code AND s.left_at IS NULL), 0) AS free
  FROM zones z;
REVOKE ALL ON occupancy FROM anon, authenticated;
GRANT SELECT ON occupancy TO anon, authenticated;
