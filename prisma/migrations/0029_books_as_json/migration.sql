-- What the paper exchange reads of its books leaves as JSON, not as JSONB: whoever asked parses the text, and a JSONB value makes a decimal out of
-- every float on the way. With forty standing orders that was half of what the statement cost.

DROP FUNCTION paper_order(paper_orders);
CREATE FUNCTION paper_order(o paper_orders) RETURNS JSON LANGUAGE sql STABLE AS $$
  SELECT json_build_object('oid', o.oid, 'account', o.account, 'cloid', o.cloid, 'symbol', o.symbol, 'side', o.side, 'size', o.size,
    'filledSize', o.filled_size, 'avgPrice', o.avg_price, 'limitPrice', o.limit_price, 'triggerPrice', o.trigger_px, 'tif', o.tif, 'tpsl', o.tpsl,
    'grouping', o.grouping, 'parentOid', o.parent_oid, 'reduceOnly', o.reduce_only, 'leverage', o.leverage, 'marginMode', o.margin_mode,
    'status', o.status, 'error', o.error, 'placedSeq', o.placed_seq, 'tsMs', o.ts_ms)
$$;

DROP FUNCTION paper_books(TEXT, TEXT[]);
CREATE FUNCTION paper_books(market TEXT, names TEXT[]) RETURNS JSON LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN json_build_object(
    'accounts', (
      SELECT coalesce(json_agg(json_build_object('account', account, 'no', no, 'cashUsd', cash_usd, 'nextOid', next_oid, 'nextSeq', next_seq,
        'turnover', turnover, 'volumes', volumes, 'settings', settings) ORDER BY no), '[]')
      FROM paper_accounts WHERE account = ANY(names)),
    'positions', (
      SELECT coalesce(json_agg(json_build_object('account', account, 'symbol', symbol, 'size', size, 'entryPrice', entry_price, 'leverage', leverage,
        'marginMode', margin_mode, 'marginUsd', margin_usd) ORDER BY account, symbol), '[]')
      FROM paper_positions WHERE account = ANY(names)),
    'orders', (
      SELECT coalesce(json_agg(paper_order(o) ORDER BY oid), '[]')
      FROM paper_orders o WHERE account = ANY(names) AND status IN ('resting', 'waiting')),
    'marks', (
      SELECT coalesce(json_agg(json_build_object('symbol', symbol, 'price', price, 'tsMs', ts_ms, 'seq', seq) ORDER BY symbol), '[]')
      FROM paper_marks WHERE provider = market));
END $$;

DROP FUNCTION paper_open(TEXT, TEXT, TEXT[]);
CREATE FUNCTION paper_open(market TEXT, name TEXT, cloids TEXT[]) RETURNS JSON LANGUAGE plpgsql AS $$
DECLARE
  at_seq BIGINT;
  known JSON;
BEGIN
  SELECT seq INTO at_seq FROM paper_cursor WHERE provider = market FOR SHARE;
  IF NOT FOUND THEN
    INSERT INTO paper_cursor (provider) VALUES (market) ON CONFLICT DO NOTHING;
    SELECT seq INTO at_seq FROM paper_cursor WHERE provider = market FOR SHARE;
  END IF;
  PERFORM FROM paper_accounts WHERE account = name FOR UPDATE;
  SELECT coalesce(json_agg(paper_order(o)), '[]') INTO known FROM paper_orders o WHERE account = name AND cloid = ANY(cloids);
  RETURN json_build_object('books', paper_books(market, ARRAY[name]), 'seq', at_seq, 'known', known);
END $$;

DROP FUNCTION paper_match(TEXT, INTEGER, BOOLEAN);
CREATE FUNCTION paper_match(market TEXT, most INTEGER, may_act BOOLEAN) RETURNS JSON LANGUAGE plpgsql AS $$
DECLARE
  at_seq BIGINT;
  to_seq BIGINT;
  worked INTEGER;
  known_ms BIGINT;
  names TEXT[];
  since_ms BIGINT;
BEGIN
  SELECT seq INTO at_seq FROM paper_cursor WHERE provider = market FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO paper_cursor (provider) VALUES (market) ON CONFLICT DO NOTHING;
    SELECT seq INTO at_seq FROM paper_cursor WHERE provider = market FOR UPDATE;
  END IF;
  -- Read before the events: all that it covers is among them.
  SELECT watermark_ms INTO known_ms FROM ingest_cursors WHERE provider = market;
  SELECT count(*), coalesce(max(seq), at_seq) INTO worked, to_seq FROM (
    (SELECT seq FROM price_ticks WHERE provider = market AND seq > at_seq ORDER BY seq LIMIT most)
    UNION ALL
    (SELECT seq FROM funding_rates WHERE provider = market AND seq > at_seq ORDER BY seq LIMIT most)
    ORDER BY seq LIMIT most
  ) events;
  IF worked = most THEN
    known_ms := NULL;
  END IF;
  names := paper_concerned(market, at_seq, to_seq);
  IF names IS NULL THEN
    INSERT INTO paper_marks (provider, symbol, price, seq, ts_ms)
    SELECT DISTINCT ON (symbol) provider, symbol, price, seq, ts_ms FROM price_ticks
    WHERE provider = market AND seq > at_seq AND seq <= to_seq ORDER BY symbol, ts_ms DESC
    ON CONFLICT (provider, symbol) DO UPDATE SET price = excluded.price, seq = excluded.seq, ts_ms = excluded.ts_ms
    WHERE paper_marks.ts_ms <= excluded.ts_ms;
    -- Null when more is waiting: nothing new is known to be complete then.
    UPDATE paper_cursor SET seq = to_seq, matched_ms = greatest(matched_ms, coalesce(known_ms, 0)), updated_at = now() WHERE provider = market;
    RETURN json_build_object('worked', worked, 'quiet', true);
  END IF;
  IF NOT may_act THEN
    RETURN json_build_object('worked', worked, 'quiet', false);
  END IF;
  PERFORM FROM paper_accounts WHERE account = ANY(names) ORDER BY account FOR UPDATE;
  SELECT min(ts_ms) INTO since_ms FROM funding_rates WHERE provider = market AND seq > at_seq AND seq <= to_seq;
  RETURN json_build_object('books', paper_books(market, names), 'worked', worked, 'quiet', false, 'seq', to_seq, 'matchedMs', known_ms,
    'events', (
      SELECT coalesce(json_agg(e ORDER BY seq), '[]') FROM (
        SELECT 'tick' AS kind, seq, symbol, ts_ms AS "tsMs", price, 0::float8 AS rate FROM price_ticks WHERE provider = market AND seq > at_seq AND seq <= to_seq
        UNION ALL
        SELECT 'funding', seq, symbol, ts_ms, oracle_price, rate FROM funding_rates WHERE provider = market AND seq > at_seq AND seq <= to_seq
      ) e),
    'past', (
      SELECT coalesce(json_agg(json_build_object('account', account, 'symbol', symbol, 'tsMs', ts_ms,
        'signedSize', CASE side WHEN 'buy' THEN size ELSE -size END)), '[]')
      FROM paper_fills WHERE kind = 'trade' AND ts_ms >= since_ms AND account = ANY(names)));
END $$;
