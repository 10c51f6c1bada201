-- BrokerDesk. The brokerage comes from the token: app_metadata.brokerage_id, set by the signup worker.

CREATE TABLE brokerages (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    legal_name TEXT NOT NULL,
    licence_no TEXT
);

CREATE TABLE profiles (
    id           UUID PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    role         TEXT NOT NULL DEFAULT 'assistant' CHECK (role IN ('assistant', 'producer', 'principal')),
    full_name    TEXT,
    UNIQUE (id, brokerage_id)
);
CREATE INDEX profiles_brokerage_idx ON profiles (brokerage_id);

CREATE TABLE carriers (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    website TEXT
);

CREATE TABLE carrier_sync (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id BIGINT NOT NULL REFERENCES carriers (id),
    payload    JSONB NOT NULL,
    synced_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX carrier_sync_carrier_idx ON carrier_sync (carrier_id);

CREATE TABLE clients (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    name         TEXT NOT NULL,
    email        TEXT,
    date_of_birth DATE,
    UNIQUE (id, brokerage_id)
);
CREATE INDEX clients_brokerage_idx ON clients (brokerage_id);

CREATE TABLE insurance_policies (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    client_id    BIGINT NOT NULL,
    carrier_id   BIGINT NOT NULL REFERENCES carriers (id),
    policy_no    TEXT NOT NULL,
    premium      NUMERIC(12, 2) NOT NULL DEFAULT 0,
    effective    DATERANGE NOT NULL DEFAULT daterange(current_date, NULL),
    UNIQUE (id, brokerage_id),
    FOREIGN KEY (client_id, brokerage_id) REFERENCES clients (id, brokerage_id)
);
CREATE INDEX ON insurance_policies (client_id, brokerage_id);
CREATE INDEX ON insurance_policies (brokerage_id);
CREATE INDEX ON insurance_policies (carrier_id);

CREATE TABLE quotes (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    client_id    BIGINT NOT NULL,
    annual       NUMERIC(12, 2) NOT NULL,
    valid_until  DATE NOT NULL DEFAULT current_date + 30,
    FOREIGN KEY (client_id, brokerage_id) REFERENCES clients (id, brokerage_id)
);
CREATE INDEX ON quotes (client_id, brokerage_id);
CREATE INDEX ON quotes (brokerage_id);

CREATE TABLE claims (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    policy_id    BIGINT NOT NULL,
    description  TEXT NOT NULL,
    reserve      NUMERIC(12, 2),
    FOREIGN KEY (policy_id, brokerage_id) REFERENCES insurance_policies (id, brokerage_id)
);
CREATE INDEX ON claims (policy_id, brokerage_id);
CREATE INDEX ON claims (brokerage_id);

CREATE TABLE commissions (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    producer_id  UUID NOT NULL,
    policy_id    BIGINT NOT NULL,
    amount       NUMERIC(12, 2) NOT NULL,
    FOREIGN KEY (producer_id, brokerage_id) REFERENCES profiles (id, brokerage_id),
    FOREIGN KEY (policy_id, brokerage_id) REFERENCES insurance_policies (id, brokerage_id)
);
CREATE INDEX ON commissions (policy_id, brokerage_id);
CREATE INDEX ON commissions (brokerage_id);
CREATE INDEX ON commissions (producer_id, brokerage_id);

-- PINs with which a colleague signs off a binder at the counter
CREATE TABLE signing_pins (
    user_id      UUID PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
    brokerage_id BIGINT NOT NULL REFERENCES brokerages (id),
    pin_hash     TEXT NOT NULL,
    set_at       TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX ON signing_pins (brokerage_id);

-- ---------------------------------------------------------------------------

CREATE FUNCTION current_brokerage() RETURNS BIGINT LANGUAGE sql STABLE AS $$
    SELECT (auth.jwt() -> 'app_metadata' ->> 'brokerage_id')::BIGINT
$$;

CREATE FUNCTION current_staff_role() RETURNS TEXT LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT role FROM profiles WHERE id = auth.uid() AND brokerage_id = current_brokerage()
$$;

ALTER TABLE brokerages         ENABLE ROW LEVEL SECURITY;
ALTER TABLE profiles           ENABLE ROW LEVEL SECURITY;
ALTER TABLE carriers           ENABLE ROW LEVEL SECURITY;
ALTER TABLE carrier_sync       ENABLE ROW LEVEL SECURITY;
ALTER TABLE clients            ENABLE ROW LEVEL SECURITY;
ALTER TABLE insurance_policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE quotes             ENABLE ROW LEVEL SECURITY;
ALTER TABLE claims             ENABLE ROW LEVEL SECURITY;
ALTER TABLE commissions        ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_pins       ENABLE ROW LEVEL SECURITY;

CREATE POLICY brokerages_select ON brokerages FOR SELECT TO authenticated USING (id = (SELECT current_brokerage()));
CREATE POLICY profiles_select   ON profiles   FOR SELECT TO authenticated USING (brokerage_id = (SELECT current_brokerage()));
CREATE POLICY carriers_select   ON carriers   FOR SELECT USING (true);
CREATE POLICY carrier_sync_worker ON carrier_sync FOR ALL TO service_role USING (true) WITH CHECK (true);

CREATE POLICY clients_all ON clients TO authenticated
    USING (brokerage_id = (SELECT current_brokerage()))
    WITH CHECK (brokerage_id = (SELECT current_brokerage()));

CREATE POLICY policies_select ON insurance_policies FOR SELECT TO authenticated
    USING (brokerage_id = (SELECT current_brokerage()));
CREATE POLICY policies_write ON insurance_policies TO authenticated
    USING (brokerage_id = (SELECT current_brokerage()) AND (SELECT current_staff_role()) IN ('producer', 'principal'));

CREATE POLICY quotes_all ON quotes TO authenticated
    USING (brokerage_id = (auth.jwt() -> 'user_metadata' ->> 'brokerage_id')::BIGINT);

CREATE POLICY claims_all ON claims TO authenticated
    USING (brokerage_id = (SELECT current_brokerage()))
    WITH CHECK (brokerage_id = (SELECT current_brokerage()));

CREATE POLICY commissions_principal ON commissions TO authenticated
    USING (brokerage_id = (SELECT current_brokerage()) AND (SELECT current_staff_role()) = 'principal');

CREATE POLICY pins_select ON signing_pins FOR SELECT TO authenticated
    USING (brokerage_id = (SELECT current_brokerage()));
CREATE POLICY pins_insert ON signing_pins FOR INSERT TO authenticated
    WITH CHECK (user_id = auth.uid() AND brokerage_id = (SELECT current_brokerage()));
CREATE POLICY pins_update ON signing_pins FOR UPDATE TO authenticated
    USING (user_id = auth.uid())
    WITH CHECK (user_id = auth.uid() AND brokerage_id = (SELECT current_brokerage()));
