GRANT USAGE ON SCHEMA "app" TO anon, authenticated, service_role;

CREATE FUNCTION "app"."isMember"("consortium" INTEGER) RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT EXISTS (SELECT 1 FROM "public"."Membership" m WHERE m."consortiumId" = "consortium" AND m."userId" = auth.uid())
$$;

CREATE FUNCTION "app"."isAdmin"("consortium" INTEGER) RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  SELECT EXISTS (
    SELECT 1 FROM "public"."Membership" m
    WHERE m."consortiumId" = "consortium" AND m."userId" = auth.uid() AND m."role" = 'ADMIN'
  )
$$;

ALTER TABLE "public"."Consortium" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."Membership" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."Telescope" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."Proposal" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."Comment" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."Observation" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "public"."Exposure" ENABLE ROW LEVEL SECURITY;

CREATE POLICY "consortium_member" ON "public"."Consortium" FOR SELECT TO authenticated USING ("app"."isMember"("id"));

CREATE POLICY "membership_read" ON "public"."Membership" FOR SELECT TO authenticated USING ("app"."isMember"("consortiumId"));
CREATE POLICY "membership_admin" ON "public"."Membership" FOR ALL TO authenticated
  USING ("app"."isAdmin"("consortiumId")) WITH CHECK ("app"."isAdmin"("consortiumId"));

CREATE POLICY "telescope_read" ON "public"."Telescope" FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY "proposal_read" ON "public"."Proposal" FOR SELECT TO authenticated USING ("app"."isMember"("consortiumId"));
CREATE POLICY "proposal_insert" ON "public"."Proposal" FOR INSERT TO authenticated
  WITH CHECK ("app"."isMember"("consortiumId") AND "authorId" = auth.uid() AND "status" = 'DRAFT');
CREATE POLICY "proposal_update" ON "public"."Proposal" FOR UPDATE TO authenticated
  USING ("app"."isMember"("consortiumId") AND "authorId" = auth.uid() AND "status" = 'DRAFT')
  WITH CHECK ("app"."isMember"("consortiumId") AND "authorId" = auth.uid() AND "status" IN ('DRAFT', 'SUBMITTED'));
CREATE POLICY "proposal_delete" ON "public"."Proposal" FOR DELETE TO authenticated
  USING ("app"."isMember"("consortiumId") AND "authorId" = auth.uid());
CREATE POLICY "proposal_admin" ON "public"."Proposal" FOR ALL TO authenticated
  USING ("app"."isAdmin"("consortiumId")) WITH CHECK ("app"."isAdmin"("consortiumId"));

CREATE POLICY "comment_read" ON "public"."Comment" FOR SELECT TO authenticated
  USING (EXISTS (SELECT 1 FROM "public"."Proposal" p WHERE p."id" = "Comment"."proposalId"));
CREATE POLICY "comment_insert" ON "public"."Comment" FOR INSERT TO authenticated
  WITH CHECK ("authorId" = auth.uid() AND EXISTS (SELECT 1 FROM "public"."Proposal" p WHERE p."id" = "Comment"."proposalId"));

-- data become public when the embargo ends
CREATE POLICY "observation_member" ON "public"."Observation" FOR SELECT TO authenticated USING ("app"."isMember"("consortiumId"));
CREATE POLICY "observation_released" ON "public"."Observation" FOR SELECT TO anon, authenticated
  USING (COALESCE("releasedAt", "observedAt") <= now());
CREATE POLICY "observation_insert" ON "public"."Observation" FOR INSERT TO authenticated WITH CHECK ("app"."isMember"("consortiumId"));
CREATE POLICY "observation_admin" ON "public"."Observation" FOR UPDATE TO authenticated
  USING ("app"."isAdmin"("consortiumId")) WITH CHECK ("app"."isAdmin"("consortiumId"));

CREATE POLICY "exposure_member" ON "public"."Exposure" FOR ALL TO authenticated
  USING (EXISTS (SELECT 1 FROM "public"."Observation" o WHERE o."id" = "Exposure"."observationId" AND "app"."isMember"(o."consortiumId")))
  WITH CHECK (EXISTS (SELECT 1 FROM "public"."Observation" o WHERE o."id" = "Exposure"."observationId" AND "app"."isMember"(o."consortiumId")));
