-- Prisma knows nothing of row level security: this file is kept by hand

CREATE FUNCTION "mySeats"("only" "SeatKind" DEFAULT NULL) RETURNS SETOF TEXT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
  SELECT "networkId" FROM "Seat" WHERE "userId" = auth.uid() AND ("only" IS NULL OR "kind" = "only")
$$;

CREATE FUNCTION "myShows"() RETURNS SETOF TEXT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
  SELECT s."id" FROM "Show" s JOIN "Seat" t ON t."networkId" = s."networkId" WHERE t."userId" = auth.uid()
$$;

ALTER TABLE "Network" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Seat" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "ApiKey" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Show" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Episode" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Transcript" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Feed" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Download" ENABLE ROW LEVEL SECURITY;

CREATE POLICY "network" ON "Network" FOR SELECT TO authenticated USING ("id" IN (SELECT "mySeats"()));
CREATE POLICY "network title" ON "Network" FOR UPDATE TO authenticated USING ("id" IN (SELECT "mySeats"('HOST')));

CREATE POLICY "seats" ON "Seat" FOR SELECT TO authenticated USING ("networkId" IN (SELECT "mySeats"()));
CREATE POLICY "hosts give seats" ON "Seat" FOR INSERT TO authenticated WITH CHECK ("networkId" IN (SELECT "mySeats"('HOST')));
CREATE POLICY "hosts take seats" ON "Seat" FOR DELETE TO authenticated USING ("networkId" IN (SELECT "mySeats"('HOST')));

CREATE POLICY "keys" ON "ApiKey" FOR SELECT TO authenticated USING ("networkId" IN (SELECT "mySeats"()));
CREATE POLICY "make a key" ON "ApiKey" FOR INSERT TO authenticated WITH CHECK ("userId" = auth.uid());
CREATE POLICY "drop a key" ON "ApiKey" FOR DELETE TO authenticated USING ("userId" = auth.uid());

CREATE POLICY "shows" ON "Show" TO authenticated
  USING ("networkId" IN (SELECT "mySeats"())) WITH CHECK ("networkId" IN (SELECT "mySeats"()));

CREATE POLICY "team" ON "Episode" TO authenticated
  USING ("showId" IN (SELECT "myShows"())) WITH CHECK ("showId" IN (SELECT "myShows"()));
CREATE POLICY "live episodes" ON "Episode" TO anon, authenticated
  USING ("status" = 'LIVE');

CREATE POLICY "team" ON "Transcript" TO authenticated
  USING (EXISTS (SELECT 1 FROM "Episode" e WHERE e."id" = "episodeId" AND e."showId" IN (SELECT "myShows"())));

CREATE POLICY "team" ON "Feed" TO authenticated
  USING ("showId" IN (SELECT "myShows"())) WITH CHECK ("showId" IN (SELECT "myShows"()));

CREATE POLICY "team" ON "Download" FOR SELECT TO authenticated
  USING (EXISTS (SELECT 1 FROM "Episode" e WHERE e."id" = "episodeId" AND e."showId" IN (SELECT "myShows"())));

-- search box of the web player
CREATE VIEW "EpisodeSearch" AS
  SELECT e."id", e."showId", e."title", to_tsvector('simple', e."title" || ' ' || coalesce(t."body", '')) AS "words", left(t."body", 200) AS "teaser"
  FROM "Episode" e LEFT JOIN "Transcript" t ON t."episodeId" = e."id";

CREATE VIEW "ShowStats" WITH (security_invoker = true) AS
  SELECT e."showId", count(*) AS "downloads", max(d."at") AS "last"
  FROM "Download" d JOIN "Episode" e ON e."id" = d."episodeId" GROUP BY 1;

-- the address in a listener's podcast app
CREATE FUNCTION "privateFeed"("feedToken" UUID) RETURNS TABLE ("episode" TEXT, "title" TEXT, "audio" TEXT)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
  SELECT e."id", e."title", e."audioPath"
  FROM "Feed" f JOIN "Episode" e ON e."showId" = f."showId"
  WHERE f."token" = "feedToken" AND f."revokedAt" IS NULL AND e."status" = 'LIVE'
$$;

-- audio files: <network>/<show>/<episode>.mp3
INSERT INTO storage.buckets (id, name, public) VALUES ('audio', 'audio', false) ON CONFLICT DO NOTHING;

CREATE POLICY "upload audio" ON storage.objects FOR INSERT TO authenticated
  WITH CHECK (bucket_id = 'audio' AND (storage.foldername(name))[1] IN (SELECT "mySeats"()));
CREATE POLICY "hear audio" ON storage.objects FOR SELECT TO authenticated
  USING (bucket_id = 'audio' AND EXISTS (
    SELECT 1 FROM "Show" s
    WHERE s."networkId" IN (SELECT "mySeats"()) AND s."networkId" = (storage.foldername(name))[1] AND s."id" = (storage.foldername(name))[2]));
CREATE POLICY "remove audio" ON storage.objects FOR DELETE TO authenticated
  USING (bucket_id = 'audio' AND (storage.foldername(name))[1] IN (SELECT "mySeats"()));
