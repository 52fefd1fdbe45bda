-- What people are told when something is wrong, and the processes that are there to be missed.

-- CreateTable
CREATE TABLE "alerts" (
    "alert" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "episode" INTEGER NOT NULL,
    "summary" TEXT NOT NULL,
    "since_ms" BIGINT NOT NULL,
    "last_seen_ms" BIGINT NOT NULL,
    "resolved_ms" BIGINT,
    "messages" INTEGER NOT NULL DEFAULT 0,
    "messaged_ms" BIGINT,

    CONSTRAINT "alerts_pkey" PRIMARY KEY ("alert","subject")
);

-- CreateTable
CREATE TABLE "processes" (
    "name" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "disk_free" DOUBLE PRECISION,

    CONSTRAINT "processes_pkey" PRIMARY KEY ("name")
);

ALTER TABLE alerts ADD CONSTRAINT alerts_state CHECK (state IN ('firing', 'resolved'));
-- Messages are sent by effects of their own.
ALTER TABLE effects DROP CONSTRAINT effects_kind;
ALTER TABLE effects ADD CONSTRAINT effects_kind CHECK (kind IN ('project', 'enqueue', 'stream', 'journal', 'alert'));
