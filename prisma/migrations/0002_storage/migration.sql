-- What the schema file cannot say: checks, partial indexes, partitions, sequences, views and storage settings.

-- Checks -------------------------------------------------------------------------------------------------------------

ALTER TABLE fills ADD CONSTRAINT fills_side CHECK (side IN ('buy', 'sell')),
  ADD CONSTRAINT fills_kind CHECK (kind IN ('trade', 'funding', 'transfer', 'opening')),
  ADD CONSTRAINT fills_size CHECK (size >= 0);
ALTER TABLE positions ADD CONSTRAINT positions_side CHECK (side IN ('long', 'short')),
  ADD CONSTRAINT positions_status CHECK (status IN ('open', 'closed'));
ALTER TABLE trades ADD CONSTRAINT trades_exit_reason
  CHECK (exit_reason IN ('signal', 'stop_loss', 'take_profit', 'liquidation', 'manual', 'import'));
ALTER TABLE conversation_messages ADD CONSTRAINT conversation_messages_role CHECK (role IN ('system', 'user', 'assistant'));
ALTER TABLE model_analytics ADD CONSTRAINT model_analytics_object CHECK (jsonb_typeof(payload) = 'object');
ALTER TABLE trader_state ADD CONSTRAINT trader_state_state
  CHECK (state IN ('running', 'shadow', 'paused', 'halted', 'retired'));
ALTER TABLE decision_cycles ADD CONSTRAINT decision_cycles_step
  CHECK (step IN ('started', 'asking', 'answered', 'sending', 'done'));
ALTER TABLE effects ADD CONSTRAINT effects_kind CHECK (kind IN ('project', 'enqueue', 'stream'));
ALTER TABLE schedules ADD CONSTRAINT schedules_policy CHECK (policy IN ('skip', 'run-latest', 'every'));
ALTER TABLE runs ADD CONSTRAINT runs_single CHECK (id = 1);

-- Partial and expression indexes ---------------------------------------------------------------------------------------

-- One open position a symbol and model, whatever runs at the same time.
CREATE UNIQUE INDEX positions_one_open ON positions (model_id, symbol) WHERE status = 'open';
CREATE INDEX positions_open ON positions (model_id) WHERE status = 'open';
-- The rewind of the ledger looks for the last fill that began flat.
CREATE INDEX fills_from_flat ON fills (model_id, symbol, ts_ms DESC) WHERE kind = 'trade' AND start_position = 0;
CREATE INDEX trades_live ON trades (model_id, exit_ts_ms DESC) WHERE voided_at IS NULL;
CREATE INDEX paper_orders_resting ON paper_orders (symbol) WHERE status = 'resting';
CREATE INDEX paper_orders_resting_account ON paper_orders (account, symbol) WHERE status = 'resting';
CREATE INDEX snapshots_hourly ON account_equity_snapshots (model_id, since_inception_hourly_marker, ts_ms);
CREATE INDEX job_runs_payload ON job_runs USING gin (payload jsonb_path_ops);

-- Tokens that fence the writes of projections ---------------------------------------------------------------------------

CREATE SEQUENCE projection_seq AS BIGINT;

-- Partitions of the ticks: one a UTC day, made before the first tick of the day ---------------------------------------

CREATE FUNCTION ensure_tick_partitions(from_ms BIGINT, to_ms BIGINT) RETURNS INTEGER LANGUAGE plpgsql AS $$
DECLARE
  day_ms CONSTANT BIGINT := 86400000;
  start_ms BIGINT := from_ms - from_ms % day_ms;
  made INTEGER := 0;
  part TEXT;
BEGIN
  WHILE start_ms <= to_ms LOOP
    part := 'price_ticks_' || to_char(to_timestamp(start_ms / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD');
    IF to_regclass(part) IS NULL THEN
      -- Two workers may meet a new day together: the second waits here. Its snapshot may still lack the table; the caller bears 42P07.
      PERFORM pg_advisory_xact_lock(hashtextextended('price_ticks_partitions', 0));
      IF to_regclass(part) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF price_ticks FOR VALUES FROM (%s) TO (%s) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)',
          part, start_ms, start_ms + day_ms);
        made := made + 1;
      END IF;
    END IF;
    start_ms := start_ms + day_ms;
  END LOOP;
  RETURN made;
END
$$;

-- Views ------------------------------------------------------------------------------------------------------------------

CREATE MATERIALIZED VIEW v_crypto_prices_latest AS
  SELECT provider, symbol, price, ts_ms AS timestamp FROM price_latest;
CREATE UNIQUE INDEX v_crypto_prices_latest_key ON v_crypto_prices_latest (provider, symbol);

CREATE MATERIALIZED VIEW v_leaderboard AS
  SELECT a.model_id,
         m.display_name,
         coalesce(s.equity_usd, a.initial_equity_usd) AS equity_usd,
         (coalesce(s.equity_usd, a.initial_equity_usd) / nullif(a.initial_equity_usd, 0) - 1) * 100 AS return_pct,
         coalesce(s.sharpe_ratio, 0) AS sharpe_ratio,
         coalesce(t.num_trades, 0) AS num_trades,
         coalesce(t.num_wins, 0) AS num_wins,
         coalesce(t.num_losses, 0) AS num_losses,
         coalesce(t.win_dollars, 0) AS win_dollars,
         coalesce(t.lose_dollars, 0) AS lose_dollars,
         s.ts_ms
  FROM accounts a
  JOIN models m ON m.id = a.model_id
  LEFT JOIN LATERAL (
    SELECT equity_usd, sharpe_ratio, ts_ms FROM account_equity_snapshots
    WHERE model_id = a.model_id ORDER BY ts_ms DESC LIMIT 1
  ) s ON TRUE
  LEFT JOIN LATERAL (
    SELECT count(*) AS num_trades,
           count(*) FILTER (WHERE realized_net_pnl > 0) AS num_wins,
           count(*) FILTER (WHERE realized_net_pnl <= 0) AS num_losses,
           sum(realized_net_pnl) FILTER (WHERE realized_net_pnl > 0) AS win_dollars,
           sum(realized_net_pnl) FILTER (WHERE realized_net_pnl <= 0) AS lose_dollars
    FROM trades WHERE model_id = a.model_id AND voided_at IS NULL
  ) t ON TRUE;
CREATE UNIQUE INDEX v_leaderboard_key ON v_leaderboard (model_id);

CREATE MATERIALIZED VIEW v_since_inception AS
  SELECT model_id, ts_ms, equity_usd AS value, since_inception_hourly_marker, since_inception_minute_marker
  FROM account_equity_snapshots;
CREATE UNIQUE INDEX v_since_inception_key ON v_since_inception (model_id, ts_ms);

-- Concurrent refresh: readers of the views never wait for it.
CREATE FUNCTION refresh_views_nof0() RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  REFRESH MATERIALIZED VIEW CONCURRENTLY v_crypto_prices_latest;
  REFRESH MATERIALIZED VIEW CONCURRENTLY v_leaderboard;
  REFRESH MATERIALIZED VIEW CONCURRENTLY v_since_inception;
END
$$;

-- Storage settings of hot tables -----------------------------------------------------------------------------------------

ALTER TABLE effects SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000, fillfactor = 70);
ALTER TABLE price_latest SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE accounts SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE trader_state SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE schedules SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE ingest_cursors SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE paper_cursor SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE paper_marks SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE decision_cycles SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE trades SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE positions SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE job_runs SET (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- The outbox --------------------------------------------------------------------------------------------------------------

-- Writes effects inside the caller's statement or transaction; the caller holds their lease and drains them after its commit.
-- effects: [{"kind","target","payload"?,"version"?,"ordinal"?}, ...]
CREATE FUNCTION add_effects(entries JSONB, lease_ms INTEGER) RETURNS SETOF effects LANGUAGE sql AS $$
  INSERT INTO effects (kind, target, payload, version, ordinal, lease_until)
  SELECT e->>'kind', e->>'target', coalesce(e->'payload', '{}'::jsonb), coalesce((e->>'version')::bigint, 0),
         coalesce((e->>'ordinal')::int, 0), clock_timestamp() + lease_ms * interval '1 millisecond'
  FROM jsonb_array_elements(entries) WITH ORDINALITY AS listed(e, position)
  ORDER BY position
  RETURNING *
$$;
