-- devices of generation 2 sign in with their secret
CREATE OR REPLACE FUNCTION "public"."ingest"("p_device" uuid, "p_secret" text, "p_value" double precision) RETURNS void
    LANGUAGE "plpgsql" SECURITY DEFINER SET "search_path" TO 'public', 'extensions'
    AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM device_secrets s WHERE s.device_id = p_device AND s.secret_hash = crypt(p_secret, s.secret_hash)
    ) THEN
        RAISE EXCEPTION 'unknown device' USING ERRCODE = '42501';
    END IF;
    INSERT INTO readings (device_id, value) VALUES (p_device, p_value);
END $$;

-- generation 1 has no room for secrets
CREATE OR REPLACE FUNCTION "public"."push_reading"("p_device" uuid, "p_value" double precision) RETURNS void
    LANGUAGE "sql" SECURITY DEFINER SET "search_path" TO 'public'
    AS $$ INSERT INTO readings (device_id, value) SELECT d.id, p_value FROM devices d WHERE d.id = p_device $$;

-- scan the QR code on the box; second-hand devices come with another org
CREATE OR REPLACE FUNCTION "public"."claim_device"("p_serial" text, "p_org" text) RETURNS uuid
    LANGUAGE "plpgsql" SECURITY DEFINER SET "search_path" TO 'public'
    AS $$
DECLARE
    v_id uuid;
BEGIN
    IF NOT COALESCE(p_org = ANY (my_orgs('operator', 'admin')), false) THEN
        RAISE EXCEPTION 'not your organisation' USING ERRCODE = '42501';
    END IF;
    UPDATE devices SET org_id = p_org, name = NULL WHERE serial = p_serial RETURNING id INTO v_id;
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'no such device' USING ERRCODE = 'PT404';
    END IF;
    RETURN v_id;
END $$;
