-- Days of rows that have left the tables for a compressed file.

-- CreateTable
CREATE TABLE "archives" (
    "id" BIGSERIAL NOT NULL,
    "kind" TEXT NOT NULL,
    "from_ms" BIGINT NOT NULL,
    "to_ms" BIGINT NOT NULL,
    "part" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'written',
    "file" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "tables" JSONB NOT NULL,
    "written_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "removed_at" TIMESTAMPTZ(3),
    "restored_at" TIMESTAMPTZ(3),

    CONSTRAINT "archives_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "archived_cycles" (
    "id" BIGINT NOT NULL,
    "model_id" TEXT NOT NULL,
    "slot_ms" BIGINT NOT NULL,
    "cycle_number" INTEGER NOT NULL,
    "step" TEXT NOT NULL,
    "executed_at" TIMESTAMPTZ(3),
    "decisions" JSONB NOT NULL,

    CONSTRAINT "archived_cycles_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "archives_kind_from_ms_part_key" ON "archives"("kind", "from_ms", "part");

-- CreateIndex
CREATE INDEX "archived_cycles_model_id_slot_ms_idx" ON "archived_cycles"("model_id", "slot_ms");

ALTER TABLE archives ADD CONSTRAINT archives_state CHECK (state IN ('written', 'removed', 'restored'));

-- Every cycle there ever was, with what is counted of it: analytics do not change because a cycle is archived.
CREATE VIEW every_cycle AS
  SELECT id, model_id, slot_ms, cycle_number, step, executed_at, decisions FROM decision_cycles
  UNION ALL
  SELECT id, model_id, slot_ms, cycle_number, step, executed_at, decisions FROM archived_cycles;

-- Hot tables that had no settings of their own ---------------------------------------------------------------------------
-- Growing tables are looked at after a twentieth of new rows; rows that change again and again leave room for it in their page.

ALTER TABLE fills SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE account_equity_snapshots SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE price_candles SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE market_asset_ctx SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE market_frames SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE conversations SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE conversation_messages SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE funding_rates SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE paper_fills SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE paper_orders SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE paper_accounts SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE paper_positions SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE model_analytics SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE llm_usage SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
