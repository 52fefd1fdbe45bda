-- CreateTable
CREATE TABLE "dead_letters" (
    "id" BIGSERIAL NOT NULL,
    "job" TEXT NOT NULL,
    "identity" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "model_id" TEXT,
    "payload" JSONB NOT NULL,
    "error_code" TEXT NOT NULL,
    "error_message" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "stalls" INTEGER NOT NULL DEFAULT 0,
    "failed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "redriven_at" TIMESTAMPTZ(3),

    CONSTRAINT "dead_letters_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "dead_letters_failed_at_idx" ON "dead_letters"("failed_at" DESC);

-- Open ones are what people look at; a job may fail, be redriven and fail again.
CREATE INDEX dead_letters_open ON dead_letters (job, failed_at DESC) WHERE redriven_at IS NULL;

-- A job that reports its end twice is kept once.
CREATE UNIQUE INDEX dead_letters_once ON dead_letters (job, job_id) WHERE redriven_at IS NULL;
