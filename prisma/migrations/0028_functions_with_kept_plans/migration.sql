-- A function in SQL is parsed and planned anew in every statement that calls it; one in PL/pgSQL keeps its plans for the session. These are
-- called thousands of times a minute, so that planning was most of what they cost.

CREATE OR REPLACE FUNCTION add_effects(entries JSONB, lease_ms INTEGER) RETURNS SETOF effects LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    INSERT INTO effects (kind, target, payload, version, ordinal, lease_until)
    SELECT e->>'kind', e->>'target', coalesce(e->'payload', '{}'::jsonb), coalesce((e->>'version')::bigint, 0),
           coalesce((e->>'ordinal')::int, 0), clock_timestamp() + lease_ms * interval '1 millisecond'
    FROM jsonb_array_elements(entries) WITH ORDINALITY AS listed(e, position)
    ORDER BY position
    RETURNING *;
END $$;

-- Stable, as what it is made of is: it was declared immutable, which kept the planner from writing it into its caller.
CREATE OR REPLACE FUNCTION paper_order(o paper_orders) RETURNS JSONB LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('oid', o.oid, 'account', o.account, 'cloid', o.cloid, 'symbol', o.symbol, 'side', o.side, 'size', o.size,
    'filledSize', o.filled_size, 'avgPrice', o.avg_price, 'limitPrice', o.limit_price, 'triggerPrice', o.trigger_px, 'tif', o.tif, 'tpsl', o.tpsl,
    'grouping', o.grouping, 'parentOid', o.parent_oid, 'reduceOnly', o.reduce_only, 'leverage', o.leverage, 'marginMode', o.margin_mode,
    'status', o.status, 'error', o.error, 'placedSeq', o.placed_seq, 'tsMs', o.ts_ms)
$$;

CREATE OR REPLACE FUNCTION paper_books(market TEXT, names TEXT[]) RETURNS JSONB LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN jsonb_build_object(
    'accounts', (
      SELECT coalesce(jsonb_agg(jsonb_build_object('account', account, 'no', no, 'cashUsd', cash_usd, 'nextOid', next_oid, 'nextSeq', next_seq,
        'turnover', turnover, 'volumes', volumes, 'settings', settings) ORDER BY no), '[]')
      FROM paper_accounts WHERE account = ANY(names)),
    'positions', (
      SELECT coalesce(jsonb_agg(jsonb_build_object('account', account, 'symbol', symbol, 'size', size, 'entryPrice', entry_price, 'leverage', leverage,
        'marginMode', margin_mode, 'marginUsd', margin_usd) ORDER BY account, symbol), '[]')
      FROM paper_positions WHERE account = ANY(names)),
    'orders', (
      SELECT coalesce(jsonb_agg(paper_order(o) ORDER BY oid), '[]')
      FROM paper_orders o WHERE account = ANY(names) AND status IN ('resting', 'waiting')),
    'marks', (
      SELECT coalesce(jsonb_agg(jsonb_build_object('symbol', symbol, 'price', price, 'tsMs', ts_ms, 'seq', seq) ORDER BY symbol), '[]')
      FROM paper_marks WHERE provider = market));
END $$;

CREATE OR REPLACE FUNCTION paper_concerned(market TEXT, from_seq BIGINT, to_seq BIGINT) RETURNS TEXT[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    WITH span AS MATERIALIZED (
      SELECT symbol, min(price) AS low, max(price) AS high FROM price_ticks
      WHERE provider = market AND seq > from_seq AND seq <= to_seq GROUP BY symbol
    ), prints AS MATERIALIZED (
      SELECT symbol, ts_ms FROM funding_rates WHERE provider = market AND seq > from_seq AND seq <= to_seq AND rate <> 0
    ), touched AS (
      SELECT o.account FROM paper_orders o JOIN span s USING (symbol)
      WHERE o.status = 'resting' AND CASE WHEN (o.side = 'sell') = (coalesce(o.tpsl, 'limit') = 'stop')
        THEN s.low <= coalesce(o.trigger_px, o.limit_price) ELSE s.high >= coalesce(o.trigger_px, o.limit_price) END
    ), funded AS (
      SELECT p.account FROM prints JOIN paper_positions p USING (symbol)
      UNION ALL
      SELECT f.account FROM prints JOIN paper_fills f ON f.kind = 'trade' AND f.symbol = prints.symbol AND f.ts_ms >= prints.ts_ms
    ), worst AS (
      SELECT p.account, p.margin_mode, p.margin_usd, p.size, p.entry_price, p.highest_rate,
             CASE WHEN p.size > 0 THEN least(s.low, m.price) ELSE greatest(s.high, m.price) END AS price
      FROM paper_positions p LEFT JOIN span s USING (symbol) LEFT JOIN paper_marks m ON m.provider = market AND m.symbol = p.symbol
    ), weak AS (
      SELECT account FROM worst WHERE margin_mode = 'isolated' AND margin_usd + size * (price - entry_price) < abs(size) * price * highest_rate
      UNION ALL
      SELECT w.account FROM worst w JOIN paper_accounts a USING (account) WHERE w.margin_mode = 'cross' GROUP BY w.account, a.cash_usd
      HAVING a.cash_usd + sum(w.size * (w.price - w.entry_price) - abs(w.size) * w.price * w.highest_rate) < 0
    )
    SELECT array_agg(DISTINCT account) FROM (SELECT account FROM touched UNION ALL SELECT account FROM funded UNION ALL SELECT account FROM weak) all_of_them
  );
END $$;

CREATE OR REPLACE FUNCTION add_held(model TEXT, position_side TEXT, ms BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO analytics_held AS h (model_id, long_ms, short_ms)
  VALUES (model, CASE WHEN position_side = 'long' THEN ms ELSE 0 END, CASE WHEN position_side = 'short' THEN ms ELSE 0 END)
  ON CONFLICT (model_id) DO UPDATE SET long_ms = h.long_ms + excluded.long_ms, short_ms = h.short_ms + excluded.short_ms;
END $$;
