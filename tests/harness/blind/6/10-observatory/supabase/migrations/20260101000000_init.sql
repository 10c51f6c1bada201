-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "app";

-- CreateEnum
CREATE TYPE "public"."MemberRole" AS ENUM ('OBSERVER', 'PI', 'ADMIN');

-- CreateEnum
CREATE TYPE "public"."ProposalStatus" AS ENUM ('DRAFT', 'SUBMITTED', 'ACCEPTED', 'REJECTED');

-- CreateTable
CREATE TABLE "public"."Consortium" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    CONSTRAINT "Consortium_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "public"."Membership" (
    "consortiumId" INTEGER NOT NULL,
    "userId" UUID NOT NULL,
    "role" "public"."MemberRole" NOT NULL DEFAULT 'OBSERVER',
    CONSTRAINT "Membership_pkey" PRIMARY KEY ("consortiumId", "userId")
);

-- CreateTable
CREATE TABLE "public"."Telescope" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "apertureCm" INTEGER,
    CONSTRAINT "Telescope_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "public"."Proposal" (
    "id" SERIAL NOT NULL,
    "consortiumId" INTEGER NOT NULL,
    "authorId" UUID NOT NULL DEFAULT auth.uid(),
    "title" TEXT NOT NULL,
    "abstract" TEXT,
    "status" "public"."ProposalStatus" NOT NULL DEFAULT 'DRAFT',
    "submittedAt" TIMESTAMPTZ,
    CONSTRAINT "Proposal_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "public"."Comment" (
    "id" SERIAL NOT NULL,
    "proposalId" INTEGER NOT NULL,
    "authorId" UUID NOT NULL DEFAULT auth.uid(),
    "body" TEXT NOT NULL,
    CONSTRAINT "Comment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "public"."Observation" (
    "id" SERIAL NOT NULL,
    "consortiumId" INTEGER NOT NULL,
    "telescopeId" INTEGER NOT NULL,
    "target" TEXT NOT NULL,
    "observedAt" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "releasedAt" TIMESTAMPTZ,
    "seeing" DOUBLE PRECISION,
    CONSTRAINT "Observation_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "public"."Exposure" (
    "id" SERIAL NOT NULL,
    "observationId" INTEGER NOT NULL,
    "seconds" INTEGER NOT NULL,
    "fitsUrl" TEXT NOT NULL,
    CONSTRAINT "Exposure_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Membership_userId_idx" ON "public"."Membership"("userId");
CREATE INDEX "Proposal_consortiumId_idx" ON "public"."Proposal"("consortiumId");
CREATE INDEX "Proposal_authorId_idx" ON "public"."Proposal"("authorId");
CREATE INDEX "Comment_proposalId_idx" ON "public"."Comment"("proposalId");
CREATE INDEX "Comment_authorId_idx" ON "public"."Comment"("authorId");
CREATE INDEX "Observation_consortiumId_idx" ON "public"."Observation"("consortiumId");
CREATE INDEX "Observation_telescopeId_idx" ON "public"."Observation"("telescopeId");
CREATE INDEX "Exposure_observationId_idx" ON "public"."Exposure"("observationId");

-- AddForeignKey
ALTER TABLE "public"."Membership" ADD CONSTRAINT "Membership_consortiumId_fkey" FOREIGN KEY ("consortiumId") REFERENCES "public"."Consortium"("id") ON DELETE CASCADE;
ALTER TABLE "public"."Membership" ADD CONSTRAINT "Membership_userId_fkey" FOREIGN KEY ("userId") REFERENCES "auth"."users"("id") ON DELETE CASCADE;
ALTER TABLE "public"."Proposal" ADD CONSTRAINT "Proposal_consortiumId_fkey" FOREIGN KEY ("consortiumId") REFERENCES "public"."Consortium"("id") ON DELETE CASCADE;
ALTER TABLE "public"."Proposal" ADD CONSTRAINT "Proposal_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "auth"."users"("id");
ALTER TABLE "public"."Comment" ADD CONSTRAINT "Comment_proposalId_fkey" FOREIGN KEY ("proposalId") REFERENCES "public"."Proposal"("id") ON DELETE CASCADE;
ALTER TABLE "public"."Comment" ADD CONSTRAINT "Comment_authorId_fkey" FOREIGN KEY ("authorId") REFERENCES "auth"."users"("id");
ALTER TABLE "public"."Observation" ADD CONSTRAINT "Observation_consortiumId_fkey" FOREIGN KEY ("consortiumId") REFERENCES "public"."Consortium"("id") ON DELETE CASCADE;
ALTER TABLE "public"."Observation" ADD CONSTRAINT "Observation_telescopeId_fkey" FOREIGN KEY ("telescopeId") REFERENCES "public"."Telescope"("id");
ALTER TABLE "public"."Exposure" ADD CONSTRAINT "Exposure_observationId_fkey" FOREIGN KEY ("observationId") REFERENCES "public"."Observation"("id") ON DELETE CASCADE;
