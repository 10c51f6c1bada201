-- CreateTable
CREATE TABLE "User" (
    "id" SERIAL,
    "name" TEXT NOT NULL,
    PRIMARY KEY ("id")
);
