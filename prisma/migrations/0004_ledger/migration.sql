-- Exact decimals: the sums of an account come out the same in whatever order its fills were learnt.
-- AlterTable
ALTER TABLE "accounts" ALTER COLUMN "realized_usd" SET DATA TYPE DECIMAL(65,30),
ALTER COLUMN "fees_usd" SET DATA TYPE DECIMAL(65,30),
ALTER COLUMN "funding_usd" SET DATA TYPE DECIMAL(65,30),
ALTER COLUMN "transfers_usd" SET DATA TYPE DECIMAL(65,30),
ALTER COLUMN "turnover_usd" SET DATA TYPE DECIMAL(65,30),
ADD COLUMN     "synced_seq" BIGINT NOT NULL DEFAULT 0;

-- Up to here a ledger was complete up to its newest entry, and its profit was what the exchange had said.
UPDATE accounts a SET
  synced_seq = coalesce((SELECT max(seq) FROM fills WHERE model_id = a.model_id), 0),
  realized_usd = coalesce((SELECT sum(realized_gross_pnl::numeric) FROM trades
    WHERE model_id = a.model_id AND voided_at IS NULL AND exit_reason <> 'import'), 0),
  fees_usd = coalesce((SELECT sum(fee_usd::numeric) FROM fills WHERE model_id = a.model_id AND kind <> 'opening'), 0),
  funding_usd = coalesce((SELECT sum(closed_pnl::numeric) FROM fills WHERE model_id = a.model_id AND kind = 'funding'), 0),
  transfers_usd = coalesce((SELECT sum(closed_pnl::numeric) FROM fills WHERE model_id = a.model_id AND kind = 'transfer'), 0),
  turnover_usd = coalesce((SELECT sum((price * size)::numeric) FROM fills WHERE model_id = a.model_id AND kind = 'trade'), 0)
WHERE EXISTS (SELECT 1 FROM fills WHERE model_id = a.model_id);

-- The rewind asks the positions where the ledger was flat.
DROP INDEX fills_from_flat;

-- CreateIndex
CREATE INDEX "positions_model_id_symbol_entry_ts_ms_idx" ON "positions"("model_id", "symbol", "entry_ts_ms" DESC);
