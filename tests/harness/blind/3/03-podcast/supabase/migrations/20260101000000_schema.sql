-- CreateEnum
CREATE TYPE "EpisodeStatus" AS ENUM ('DRAFT', 'SCHEDULED', 'LIVE');
CREATE TYPE "SeatKind" AS ENUM ('EDITOR', 'HOST');

-- CreateTable
CREATE TABLE "Network" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    "title" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "Network_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "Seat" (
    "networkId" TEXT NOT NULL,
    "userId" UUID NOT NULL,
    "kind" "SeatKind" NOT NULL DEFAULT 'EDITOR',
    CONSTRAINT "Seat_pkey" PRIMARY KEY ("networkId", "userId")
);

CREATE TABLE "ApiKey" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    "networkId" TEXT NOT NULL,
    "userId" UUID NOT NULL DEFAULT auth.uid(),
    "label" TEXT NOT NULL,
    "keyHash" TEXT NOT NULL,
    CONSTRAINT "ApiKey_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "Show" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    "networkId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "summary" TEXT,
    CONSTRAINT "Show_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "Episode" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    "showId" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "status" "EpisodeStatus" NOT NULL DEFAULT 'DRAFT',
    "audioPath" TEXT,
    CONSTRAINT "Episode_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "Transcript" (
    "episodeId" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    CONSTRAINT "Transcript_pkey" PRIMARY KEY ("episodeId")
);

-- feeds of paying listeners: whoever has the token hears it
CREATE TABLE "Feed" (
    "id" TEXT NOT NULL DEFAULT gen_random_uuid()::text,
    "showId" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "token" UUID NOT NULL DEFAULT gen_random_uuid(),
    "revokedAt" TIMESTAMPTZ(3),
    CONSTRAINT "Feed_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "Download" (
    "id" BIGSERIAL NOT NULL,
    "episodeId" TEXT NOT NULL,
    "country" CHAR(2),
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "Download_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Feed_token_key" ON "Feed"("token");
CREATE INDEX "Episode_showId_idx" ON "Episode"("showId");
CREATE INDEX "Download_episodeId_idx" ON "Download"("episodeId");

-- AddForeignKey
ALTER TABLE "Seat" ADD CONSTRAINT "Seat_networkId_fkey" FOREIGN KEY ("networkId") REFERENCES "Network"("id") ON DELETE CASCADE;
ALTER TABLE "Seat" ADD CONSTRAINT "Seat_userId_fkey" FOREIGN KEY ("userId") REFERENCES auth.users("id") ON DELETE CASCADE;
ALTER TABLE "ApiKey" ADD CONSTRAINT "ApiKey_seat_fkey" FOREIGN KEY ("networkId", "userId") REFERENCES "Seat"("networkId", "userId") ON DELETE CASCADE;
ALTER TABLE "Show" ADD CONSTRAINT "Show_networkId_fkey" FOREIGN KEY ("networkId") REFERENCES "Network"("id") ON DELETE CASCADE;
ALTER TABLE "Episode" ADD CONSTRAINT "Episode_showId_fkey" FOREIGN KEY ("showId") REFERENCES "Show"("id") ON DELETE CASCADE;
ALTER TABLE "Transcript" ADD CONSTRAINT "Transcript_episodeId_fkey" FOREIGN KEY ("episodeId") REFERENCES "Episode"("id") ON DELETE CASCADE;
ALTER TABLE "Feed" ADD CONSTRAINT "Feed_showId_fkey" FOREIGN KEY ("showId") REFERENCES "Show"("id") ON DELETE CASCADE;
ALTER TABLE "Download" ADD CONSTRAINT "Download_episodeId_fkey" FOREIGN KEY ("episodeId") REFERENCES "Episode"("id") ON DELETE CASCADE;
