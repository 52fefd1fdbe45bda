-- CreateTable
CREATE TABLE "analytics_state" (
    "model_id" TEXT NOT NULL,
    "definition" INTEGER NOT NULL DEFAULT 0,
    "state" JSONB NOT NULL DEFAULT '{}',
    "num_wins" INTEGER NOT NULL DEFAULT 0,
    "num_losses" INTEGER NOT NULL DEFAULT 0,
    "win_dollars" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "lose_dollars" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "analytics_state_pkey" PRIMARY KEY ("model_id")
);

-- CreateTable
CREATE TABLE "analytics_pending" (
    "model_id" TEXT NOT NULL,
    "id" BIGSERIAL NOT NULL,
    "kind" TEXT NOT NULL,
    "item" TEXT NOT NULL,

    CONSTRAINT "analytics_pending_pkey" PRIMARY KEY ("model_id","id")
);

-- CreateTable
CREATE TABLE "analytics_trades" (
    "trade_id" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "side" TEXT NOT NULL,
    "quantity" DOUBLE PRECISION NOT NULL,
    "entry_price" DOUBLE PRECISION NOT NULL,
    "entry_ts_ms" BIGINT NOT NULL,
    "exit_ts_ms" BIGINT NOT NULL,
    "net_pnl" DOUBLE PRECISION NOT NULL,
    "gross_pnl" DOUBLE PRECISION NOT NULL,
    "fee_usd" DOUBLE PRECISION NOT NULL,
    "leverage" DOUBLE PRECISION,
    "entry_equity_usd" DOUBLE PRECISION,
    "stop_loss" DOUBLE PRECISION,
    "take_profit" DOUBLE PRECISION,

    CONSTRAINT "analytics_trades_pkey" PRIMARY KEY ("trade_id")
);

-- CreateTable
CREATE TABLE "analytics_values" (
    "model_id" TEXT NOT NULL,
    "measure" TEXT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "count" INTEGER NOT NULL,

    CONSTRAINT "analytics_values_pkey" PRIMARY KEY ("model_id","measure","value")
);

-- CreateTable
CREATE TABLE "analytics_held" (
    "model_id" TEXT NOT NULL,
    "long_ms" BIGINT NOT NULL DEFAULT 0,
    "short_ms" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "analytics_held_pkey" PRIMARY KEY ("model_id")
);

-- CreateTable
CREATE TABLE "equity_metrics" (
    "model_id" TEXT NOT NULL,
    "hour" INTEGER NOT NULL,
    "carried" JSONB NOT NULL DEFAULT '{}',
    "metrics" JSONB NOT NULL DEFAULT '{}',
    "intervals" JSONB,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "equity_metrics_pkey" PRIMARY KEY ("model_id")
);

-- CreateTable
CREATE TABLE "baseline_hours" (
    "baseline" TEXT NOT NULL,
    "hour" INTEGER NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "equity_usd" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "baseline_hours_pkey" PRIMARY KEY ("baseline","hour")
);

-- CreateIndex
CREATE INDEX "analytics_trades_model_id_exit_ts_ms_idx" ON "analytics_trades"("model_id", "exit_ts_ms" DESC);

-- Deposits and withdrawals are few among many fills.
CREATE INDEX fills_transfers ON fills (model_id, ts_ms) WHERE kind = 'transfer';

ALTER TABLE analytics_pending ADD CONSTRAINT analytics_pending_kind CHECK (kind IN ('trade', 'cycle'));
-- A value that is taken away was added before; anything else means that the sums are not those of the rows.
ALTER TABLE analytics_values ADD CONSTRAINT analytics_values_count CHECK (count >= 0);

ALTER TABLE analytics_state SET (fillfactor = 50, toast_tuple_target = 8160,
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE analytics_pending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE analytics_values SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE analytics_held SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Notes of changes: whoever writes a trade or finishes a cycle leaves one, in the same transaction ----------------------

CREATE FUNCTION note_trades() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO analytics_pending (model_id, kind, item) SELECT model_id, 'trade', id FROM changed;
  RETURN NULL;
END
$$;
CREATE TRIGGER trades_inserted AFTER INSERT ON trades REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_trades();
CREATE TRIGGER trades_updated AFTER UPDATE ON trades REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_trades();
CREATE TRIGGER trades_deleted AFTER DELETE ON trades REFERENCING OLD TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION note_trades();

CREATE FUNCTION note_cycle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO analytics_pending (model_id, kind, item) VALUES (NEW.model_id, 'cycle', NEW.id::text);
  RETURN NULL;
END
$$;
CREATE TRIGGER cycles_inserted AFTER INSERT ON decision_cycles
  FOR EACH ROW WHEN (NEW.step = 'done') EXECUTE FUNCTION note_cycle();
CREATE TRIGGER cycles_finished AFTER UPDATE OF step ON decision_cycles
  FOR EACH ROW WHEN (NEW.step = 'done' AND OLD.step <> 'done') EXECUTE FUNCTION note_cycle();

-- Time in closed positions: exact, because it is whole milliseconds -----------------------------------------------------

CREATE FUNCTION add_held(model TEXT, position_side TEXT, ms BIGINT) RETURNS VOID LANGUAGE sql AS $$
  INSERT INTO analytics_held AS h (model_id, long_ms, short_ms)
  VALUES (model, CASE WHEN position_side = 'long' THEN ms ELSE 0 END, CASE WHEN position_side = 'short' THEN ms ELSE 0 END)
  ON CONFLICT (model_id) DO UPDATE SET long_ms = h.long_ms + excluded.long_ms, short_ms = h.short_ms + excluded.short_ms
$$;

CREATE FUNCTION note_held() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.exit_ts_ms IS NOT NULL THEN
    PERFORM add_held(OLD.model_id, OLD.side, OLD.entry_ts_ms - OLD.exit_ts_ms);
  END IF;
  IF TG_OP <> 'DELETE' AND NEW.exit_ts_ms IS NOT NULL THEN
    PERFORM add_held(NEW.model_id, NEW.side, NEW.exit_ts_ms - NEW.entry_ts_ms);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER positions_inserted AFTER INSERT ON positions
  FOR EACH ROW WHEN (NEW.exit_ts_ms IS NOT NULL) EXECUTE FUNCTION note_held();
CREATE TRIGGER positions_updated AFTER UPDATE ON positions
  FOR EACH ROW WHEN ((OLD.model_id, OLD.side, OLD.entry_ts_ms, OLD.exit_ts_ms) IS DISTINCT FROM (NEW.model_id, NEW.side, NEW.entry_ts_ms, NEW.exit_ts_ms))
  EXECUTE FUNCTION note_held();
CREATE TRIGGER positions_deleted AFTER DELETE ON positions
  FOR EACH ROW WHEN (OLD.exit_ts_ms IS NOT NULL) EXECUTE FUNCTION note_held();

-- What is there already is counted like what comes.
INSERT INTO analytics_pending (model_id, kind, item) SELECT model_id, 'trade', id FROM trades ORDER BY exit_ts_ms, id;
INSERT INTO analytics_pending (model_id, kind, item) SELECT model_id, 'cycle', id::text FROM decision_cycles WHERE step = 'done' ORDER BY id;
INSERT INTO analytics_held (model_id, long_ms, short_ms)
  SELECT model_id, coalesce(sum(exit_ts_ms - entry_ts_ms) FILTER (WHERE side = 'long'), 0), coalesce(sum(exit_ts_ms - entry_ts_ms) FILTER (WHERE side = 'short'), 0)
  FROM positions WHERE exit_ts_ms IS NOT NULL GROUP BY model_id;

-- Views ------------------------------------------------------------------------------------------------------------------

-- Wins and losses of each model at this moment: what is counted, corrected by the few trades that are not counted yet.
CREATE VIEW v_trade_totals AS
  SELECT a.model_id,
         coalesce(s.num_wins, 0) + d.wins AS num_wins,
         coalesce(s.num_losses, 0) + d.losses AS num_losses,
         -- Nine decimals: the same sum, whatever part of it is counted.
         round((coalesce(s.win_dollars, 0) + d.win_dollars)::numeric, 9)::double precision AS win_dollars,
         round((coalesce(s.lose_dollars, 0) + d.lose_dollars)::numeric, 9)::double precision AS lose_dollars
  FROM accounts a
  LEFT JOIN analytics_state s ON s.model_id = a.model_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum((coalesce(t.realized_net_pnl, 0) > 0)::int - (coalesce(c.net_pnl, 0) > 0)::int), 0) AS wins,
           coalesce(sum(coalesce((t.realized_net_pnl <= 0)::int, 0) - coalesce((c.net_pnl <= 0)::int, 0)), 0) AS losses,
           coalesce(sum(greatest(coalesce(t.realized_net_pnl, 0), 0) - greatest(coalesce(c.net_pnl, 0), 0)), 0) AS win_dollars,
           coalesce(sum(least(coalesce(t.realized_net_pnl, 0), 0) - least(coalesce(c.net_pnl, 0), 0)), 0) AS lose_dollars
    FROM (SELECT DISTINCT item FROM analytics_pending WHERE model_id = a.model_id AND kind = 'trade') p
    LEFT JOIN trades t ON t.id = p.item AND t.voided_at IS NULL
    LEFT JOIN analytics_trades c ON c.trade_id = p.item
  ) d;

DROP MATERIALIZED VIEW v_leaderboard;
CREATE MATERIALIZED VIEW v_leaderboard AS
  SELECT a.model_id,
         m.display_name,
         coalesce(s.equity_usd, a.initial_equity_usd) AS equity_usd,
         (coalesce(s.equity_usd, a.initial_equity_usd) / nullif(a.initial_equity_usd, 0) - 1) * 100 AS return_pct,
         coalesce(s.sharpe_ratio, 0) AS sharpe_ratio,
         t.num_wins + t.num_losses AS num_trades,
         t.num_wins,
         t.num_losses,
         t.win_dollars,
         t.lose_dollars,
         s.ts_ms
  FROM accounts a
  JOIN models m ON m.id = a.model_id
  JOIN v_trade_totals t ON t.model_id = a.model_id
  LEFT JOIN LATERAL (
    SELECT equity_usd, sharpe_ratio, ts_ms FROM account_equity_snapshots
    WHERE model_id = a.model_id ORDER BY ts_ms DESC LIMIT 1
  ) s ON TRUE;
CREATE UNIQUE INDEX v_leaderboard_key ON v_leaderboard (model_id);

-- The last snapshot of each hour: a curve of years stays one that can be refreshed.
DROP MATERIALIZED VIEW v_since_inception;
CREATE MATERIALIZED VIEW v_since_inception AS
  SELECT s.*
  FROM accounts a
  CROSS JOIN LATERAL (SELECT min(ts_ms) AS first_ms, max(ts_ms) AS last_ms FROM account_equity_snapshots WHERE model_id = a.model_id) span
  CROSS JOIN LATERAL generate_series(span.first_ms / 3600000, span.last_ms / 3600000) AS hours(hour)
  CROSS JOIN LATERAL (
    SELECT model_id, ts_ms, equity_usd AS value, since_inception_hourly_marker, since_inception_minute_marker
    FROM account_equity_snapshots
    WHERE model_id = a.model_id AND ts_ms >= hours.hour * 3600000 AND ts_ms < (hours.hour + 1) * 3600000 ORDER BY ts_ms DESC LIMIT 1
  ) s;
CREATE UNIQUE INDEX v_since_inception_key ON v_since_inception (model_id, ts_ms);
