-- The equities desk: instruments get a class, a tick and a sector, and what the desk sees and decides gets tables.

-- AlterTable
ALTER TABLE "market_assets" ADD COLUMN     "asset_class" TEXT NOT NULL DEFAULT 'perpetual',
ADD COLUMN     "sector" TEXT,
ADD COLUMN     "tick_size" DOUBLE PRECISION;

-- CreateTable
CREATE TABLE "desk_news" (
    "id" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "headline" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "score" DOUBLE PRECISION NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "desk_news_pkey" PRIMARY KEY ("symbol","id")
);

-- CreateTable
CREATE TABLE "desk_sentiment" (
    "symbol" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "score" DOUBLE PRECISION NOT NULL,
    "news_count" INTEGER NOT NULL,

    CONSTRAINT "desk_sentiment_pkey" PRIMARY KEY ("symbol","ts_ms")
);

-- CreateTable
CREATE TABLE "desk_watchlists" (
    "ts_ms" BIGINT NOT NULL,
    "symbols" TEXT[],

    CONSTRAINT "desk_watchlists_pkey" PRIMARY KEY ("ts_ms")
);

-- CreateTable
CREATE TABLE "desk_candidates" (
    "ts_ms" BIGINT NOT NULL,
    "symbol" TEXT NOT NULL,
    "rank" INTEGER NOT NULL,
    "score" DOUBLE PRECISION NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "signals" TEXT[],

    CONSTRAINT "desk_candidates_pkey" PRIMARY KEY ("ts_ms","symbol")
);

-- CreateTable
CREATE TABLE "desk_signals" (
    "type" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "indicators" JSONB NOT NULL DEFAULT '{}',
    "confidence" DOUBLE PRECISION NOT NULL,
    "position_id" TEXT,
    "decided_slot_ms" BIGINT,

    CONSTRAINT "desk_signals_pkey" PRIMARY KEY ("type","symbol","ts_ms"),
    CONSTRAINT "desk_signals_type" CHECK ("type" IN ('entry', 'exit'))
);

-- CreateTable
CREATE TABLE "desk_monitoring" (
    "position_id" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "high_price" DOUBLE PRECISION NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "desk_monitoring_pkey" PRIMARY KEY ("position_id")
) WITH (fillfactor = 70);

-- CreateTable
CREATE TABLE "desk_performance" (
    "model_id" TEXT NOT NULL,
    "day" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "final" BOOLEAN NOT NULL DEFAULT false,
    "payload" JSONB NOT NULL,

    CONSTRAINT "desk_performance_pkey" PRIMARY KEY ("model_id","day")
);

-- CreateTable
CREATE TABLE "desk_contexts" (
    "ts_ms" BIGINT NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "desk_contexts_pkey" PRIMARY KEY ("ts_ms")
);

-- CreateIndex
CREATE INDEX "desk_news_symbol_ts_ms_idx" ON "desk_news"("symbol", "ts_ms" DESC);

-- CreateIndex
CREATE INDEX "desk_monitoring_symbol_ts_ms_idx" ON "desk_monitoring"("symbol", "ts_ms" DESC);

-- Signals that no decision has been asked about yet.
CREATE INDEX "desk_signals_open" ON "desk_signals"("ts_ms") WHERE "decided_slot_ms" IS NULL;
