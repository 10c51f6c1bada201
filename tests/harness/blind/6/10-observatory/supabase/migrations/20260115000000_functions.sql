CREATE FUNCTION "public"."submitProposal"("proposal" INTEGER) RETURNS "public"."ProposalStatus"
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  result "public"."ProposalStatus";
BEGIN
  UPDATE "public"."Proposal" p
     SET "status" = 'SUBMITTED', "submittedAt" = now()
   WHERE p."id" = "proposal" AND p."status" = 'DRAFT' AND "app"."isMember"(p."consortiumId")
  RETURNING p."status" INTO result;
  IF result IS NULL THEN
    RAISE EXCEPTION 'no such draft' USING ERRCODE = 'PT404';
  END IF;
  RETURN result;
END $$;

-- search box of the archive: faster with the owner's rights, membership is asked for once
CREATE FUNCTION "public"."searchObservations"("consortium" INTEGER, "term" TEXT, "sort" TEXT DEFAULT 'observedAt')
RETURNS SETOF "public"."Observation"
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  IF NOT "app"."isMember"("consortium") THEN
    RAISE EXCEPTION 'not a member' USING ERRCODE = '42501';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT * FROM "public"."Observation" WHERE "consortiumId" = %s AND "target" ILIKE ''%%%s%%'' ORDER BY %I',
    "consortium", "term", "sort");
END $$;
