-- The paper exchange: margin modes, order kinds, fee volumes.

ALTER TABLE paper_accounts
  ADD COLUMN "volumes" JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN "settings" JSONB NOT NULL DEFAULT '{}';

ALTER TABLE paper_positions
  ADD COLUMN "margin_mode" TEXT NOT NULL DEFAULT 'cross',
  ADD COLUMN "margin_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
  ADD COLUMN "highest_rate" DOUBLE PRECISION NOT NULL DEFAULT 0.5;

ALTER TABLE paper_orders
  ADD COLUMN "grouping" TEXT NOT NULL DEFAULT 'na',
  ADD COLUMN "parent_oid" BIGINT,
  ADD COLUMN "margin_mode" TEXT;

ALTER TABLE paper_cursor
  DROP COLUMN "ts_ms",
  ADD COLUMN "matched_ms" BIGINT NOT NULL DEFAULT 0;

-- Waiting orders stand as resting ones do.
DROP INDEX paper_orders_resting;
DROP INDEX paper_orders_resting_account;
CREATE INDEX paper_orders_resting ON paper_orders (symbol) WHERE status = 'resting';
CREATE INDEX paper_orders_standing ON paper_orders (account) WHERE status IN ('resting', 'waiting');

-- A funding print that comes late asks who traded since.
CREATE INDEX paper_fills_ts ON paper_fills (ts_ms) WHERE kind = 'trade';

-- An order as the code names its fields.
CREATE FUNCTION paper_order(o paper_orders) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('oid', o.oid, 'account', o.account, 'cloid', o.cloid, 'symbol', o.symbol, 'side', o.side, 'size', o.size,
    'filledSize', o.filled_size, 'avgPrice', o.avg_price, 'limitPrice', o.limit_price, 'triggerPrice', o.trigger_px, 'tif', o.tif, 'tpsl', o.tpsl,
    'grouping', o.grouping, 'parentOid', o.parent_oid, 'reduceOnly', o.reduce_only, 'leverage', o.leverage, 'marginMode', o.margin_mode,
    'status', o.status, 'error', o.error, 'placedSeq', o.placed_seq, 'tsMs', o.ts_ms)
$$;

-- The books of some accounts and the marks, as they are at one moment.
CREATE FUNCTION paper_books(market TEXT, names TEXT[]) RETURNS JSONB LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
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
      FROM paper_marks WHERE provider = market))
$$;

-- What a placement needs. It waits for a matcher at work, so that it knows the tick it comes after, and holds the account until the
-- commit; placements of different accounts do not wait for each other. Every statement below sees what was committed when it begins,
-- hence what the locks waited for.
CREATE FUNCTION paper_open(market TEXT, name TEXT, cloids TEXT[]) RETURNS JSONB LANGUAGE plpgsql AS $$
DECLARE
  at_seq BIGINT;
  known JSONB;
BEGIN
  SELECT seq INTO at_seq FROM paper_cursor WHERE provider = market FOR SHARE;
  IF NOT FOUND THEN
    INSERT INTO paper_cursor (provider) VALUES (market) ON CONFLICT DO NOTHING;
    SELECT seq INTO at_seq FROM paper_cursor WHERE provider = market FOR SHARE;
  END IF;
  PERFORM FROM paper_accounts WHERE account = name FOR UPDATE;
  SELECT coalesce(jsonb_agg(paper_order(o)), '[]') INTO known FROM paper_orders o WHERE account = name AND cloid = ANY(cloids);
  RETURN paper_books(market, ARRAY[name]) || jsonb_build_object('seq', at_seq, 'known', known);
END $$;

-- Accounts that events (from_seq, to_seq] may do something to. It may name too many, never too few: margins are taken at the worst price of
-- every symbol at once, and at the highest rate of any tier.
CREATE FUNCTION paper_concerned(market TEXT, from_seq BIGINT, to_seq BIGINT) RETURNS TEXT[] LANGUAGE sql STABLE AS $$
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
$$;

-- One step of the matcher over at most `most` events behind its cursor, which it holds until the commit. Events that concern no account
-- are worked through here: the marks and the cursor move. Otherwise, when `may_act`, it locks the accounts concerned, in their order, and
-- returns everything needed to work the events into them; the caller writes that and moves the cursor in the same transaction.
-- worked: events seen; quiet: nothing is left to do about them.
CREATE FUNCTION paper_match(market TEXT, most INTEGER, may_act BOOLEAN) RETURNS JSONB LANGUAGE plpgsql AS $$
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
    RETURN jsonb_build_object('worked', worked, 'quiet', true);
  END IF;
  IF NOT may_act THEN
    RETURN jsonb_build_object('worked', worked, 'quiet', false);
  END IF;
  PERFORM FROM paper_accounts WHERE account = ANY(names) ORDER BY account FOR UPDATE;
  SELECT min(ts_ms) INTO since_ms FROM funding_rates WHERE provider = market AND seq > at_seq AND seq <= to_seq;
  RETURN paper_books(market, names) || jsonb_build_object('worked', worked, 'quiet', false, 'seq', to_seq, 'matchedMs', known_ms,
    'events', (
      SELECT coalesce(jsonb_agg(e ORDER BY seq), '[]') FROM (
        SELECT 'tick' AS kind, seq, symbol, ts_ms AS "tsMs", price, 0::float8 AS rate FROM price_ticks WHERE provider = market AND seq > at_seq AND seq <= to_seq
        UNION ALL
        SELECT 'funding', seq, symbol, ts_ms, oracle_price, rate FROM funding_rates WHERE provider = market AND seq > at_seq AND seq <= to_seq
      ) e),
    'past', (
      SELECT coalesce(jsonb_agg(jsonb_build_object('account', account, 'symbol', symbol, 'tsMs', ts_ms,
        'signedSize', CASE side WHEN 'buy' THEN size ELSE -size END)), '[]')
      FROM paper_fills WHERE kind = 'trade' AND ts_ms >= since_ms AND account = ANY(names)));
END $$;
