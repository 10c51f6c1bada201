-- SensorNest. Organisations live in the CRM; here they are a short name, org_id.
SET statement_timeout = 0;

CREATE TABLE "public"."org_members" (
    "org_id" text NOT NULL,
    "user_id" uuid NOT NULL REFERENCES "auth"."users"("id") ON DELETE CASCADE,
    "role" text NOT NULL DEFAULT 'viewer' CHECK ("role" IN ('viewer', 'operator', 'admin')),
    PRIMARY KEY ("org_id", "user_id")
);
CREATE INDEX "org_members_user_id_idx" ON "public"."org_members" ("user_id");

CREATE TABLE "public"."firmware" (
    "version" text PRIMARY KEY,
    "url" text NOT NULL,
    "sha256" text NOT NULL
);

CREATE TABLE "public"."devices" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "org_id" text NOT NULL,
    "serial" text NOT NULL UNIQUE,
    "name" text,
    "firmware_version" text REFERENCES "public"."firmware"("version"),
    UNIQUE ("id", "org_id")
);
CREATE INDEX "devices_org_id_idx" ON "public"."devices" ("org_id");
CREATE INDEX "devices_firmware_idx" ON "public"."devices" ("firmware_version");

CREATE TABLE "public"."device_secrets" (
    "device_id" uuid PRIMARY KEY REFERENCES "public"."devices"("id") ON DELETE CASCADE,
    "secret_hash" text NOT NULL
);

CREATE TABLE "public"."readings" (
    "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "device_id" uuid NOT NULL REFERENCES "public"."devices"("id") ON DELETE CASCADE,
    "value" double precision NOT NULL,
    "at" timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "readings_device_id_idx" ON "public"."readings" ("device_id", "at");

CREATE TABLE "public"."alerts" (
    "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "org_id" text NOT NULL,
    "message" text NOT NULL,
    "acknowledged" boolean NOT NULL DEFAULT false
);
CREATE INDEX "alerts_org_id_idx" ON "public"."alerts" ("org_id");

CREATE TABLE "public"."commands" (
    "id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "org_id" text NOT NULL,
    "device_id" uuid NOT NULL,
    "verb" text NOT NULL CHECK ("verb" IN ('reboot', 'open', 'close', 'reset')),
    "issued_by" uuid NOT NULL DEFAULT auth.uid() REFERENCES "auth"."users"("id"),
    FOREIGN KEY ("device_id", "org_id") REFERENCES "public"."devices"("id", "org_id") ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX "commands_device_idx" ON "public"."commands" ("device_id", "org_id");
CREATE INDEX "commands_org_id_idx" ON "public"."commands" ("org_id");
CREATE INDEX "commands_issued_by_idx" ON "public"."commands" ("issued_by");

CREATE TABLE "public"."dashboards" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "org_id" text NOT NULL,
    "title" text NOT NULL,
    "layout" jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX "dashboards_org_id_idx" ON "public"."dashboards" ("org_id");

CREATE OR REPLACE FUNCTION "public"."my_orgs"(VARIADIC "roles" text[] DEFAULT '{viewer,operator,admin}') RETURNS text[]
    LANGUAGE "sql" STABLE SECURITY DEFINER SET "search_path" TO 'public'
    AS $$ SELECT array_agg(m.org_id) FROM org_members m WHERE m.user_id = auth.uid() AND m.role = ANY (roles) $$;

ALTER TABLE "public"."org_members" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."firmware" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."devices" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."device_secrets" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."readings" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."alerts" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."commands" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."dashboards" ENABLE ROW LEVEL SECURITY;

CREATE POLICY "org_members_select" ON "public"."org_members" FOR SELECT USING ("org_id" = ANY (my_orgs()));
CREATE POLICY "org_members_admin" ON "public"."org_members" USING ("org_id" = ANY (my_orgs('admin')));

CREATE POLICY "firmware_select" ON "public"."firmware" FOR SELECT USING (true);

CREATE POLICY "devices_select" ON "public"."devices" FOR SELECT USING ("org_id" = ANY (my_orgs()));
CREATE POLICY "devices_update" ON "public"."devices" FOR UPDATE USING ("org_id" = ANY (my_orgs('operator', 'admin')));
CREATE POLICY "devices_delete" ON "public"."devices" FOR DELETE USING ("org_id" = ANY (my_orgs('admin')));

CREATE POLICY "device_secrets_service" ON "public"."device_secrets" TO "service_role" USING (true) WITH CHECK (true);

CREATE POLICY "readings_select" ON "public"."readings" FOR SELECT
    USING (EXISTS (SELECT 1 FROM "public"."devices" "d" WHERE "d"."id" = "readings"."device_id"));

-- the nightly digest has no user, and takes them all
CREATE POLICY "alerts_select" ON "public"."alerts" FOR SELECT
    USING ("org_id" = ANY (COALESCE(my_orgs(), ARRAY["org_id"])));
CREATE POLICY "alerts_ack" ON "public"."alerts" FOR UPDATE USING ("org_id" = ANY (my_orgs('operator', 'admin')));

CREATE POLICY "commands_select" ON "public"."commands" FOR SELECT USING ("org_id" = ANY (my_orgs()));
CREATE POLICY "commands_insert" ON "public"."commands" FOR INSERT
    WITH CHECK (
        "issued_by" = auth.uid()
        AND "org_id" = ANY (my_orgs())
        AND EXISTS (SELECT 1 FROM "public"."org_members" "m" WHERE "m"."user_id" = auth.uid() AND "m"."role" IN ('operator', 'admin'))
    );

CREATE POLICY "dashboards_all" ON "public"."dashboards" USING ("org_id" = ANY (my_orgs()));
