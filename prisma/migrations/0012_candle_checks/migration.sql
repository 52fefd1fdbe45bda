-- Up to which candle of a symbol gaps have been looked for and filled.

-- CreateTable
CREATE TABLE "candle_checks" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "interval" TEXT NOT NULL,
    "checked_ms" BIGINT NOT NULL,
    "missing" BIGINT NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "candle_checks_pkey" PRIMARY KEY ("provider","symbol","interval")
);

ALTER TABLE candle_checks SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
