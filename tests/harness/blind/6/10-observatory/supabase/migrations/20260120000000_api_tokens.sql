-- CreateTable
CREATE TABLE "public"."ApiToken" (
    "id" SERIAL NOT NULL,
    "consortiumId" INTEGER NOT NULL,
    "label" TEXT NOT NULL,
    "tokenHash" TEXT NOT NULL,
    "lastUsedAt" TIMESTAMPTZ,
    CONSTRAINT "ApiToken_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "ApiToken_consortiumId_idx" ON "public"."ApiToken"("consortiumId");

-- AddForeignKey
ALTER TABLE "public"."ApiToken" ADD CONSTRAINT "ApiToken_consortiumId_fkey" FOREIGN KEY ("consortiumId") REFERENCES "public"."Consortium"("id") ON DELETE CASCADE;
