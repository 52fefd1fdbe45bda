-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "models" (
    "id" TEXT NOT NULL,
    "display_name" TEXT NOT NULL,
    "exchange_provider" TEXT NOT NULL,
    "market_provider" TEXT NOT NULL,
    "config" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "models_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "model_configs" (
    "model_id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "config" JSONB NOT NULL,
    "valid_from" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "model_configs_pkey" PRIMARY KEY ("model_id","digest")
);

-- CreateTable
CREATE TABLE "symbols" (
    "symbol" TEXT NOT NULL,
    "quote_currency" TEXT NOT NULL DEFAULT 'USD',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "symbols_pkey" PRIMARY KEY ("symbol")
);

-- CreateTable
CREATE TABLE "accounts" (
    "model_id" TEXT NOT NULL,
    "base_currency" TEXT NOT NULL DEFAULT 'USD',
    "initial_equity_usd" DOUBLE PRECISION NOT NULL,
    "inception_ts_ms" BIGINT NOT NULL,
    "version" BIGINT NOT NULL DEFAULT 0,
    "realized_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "fees_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "funding_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "transfers_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "turnover_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "accounts_pkey" PRIMARY KEY ("model_id")
);

-- CreateTable
CREATE TABLE "fills" (
    "id" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "side" TEXT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "size" DOUBLE PRECISION NOT NULL,
    "start_position" DOUBLE PRECISION,
    "seq" BIGINT NOT NULL DEFAULT 0,
    "fee_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "closed_pnl" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "oid" BIGINT,
    "cloid" TEXT,
    "tid" BIGINT,
    "crossed" BOOLEAN NOT NULL DEFAULT true,
    "liquidation" BOOLEAN NOT NULL DEFAULT false,
    "kind" TEXT NOT NULL DEFAULT 'trade',
    "ts_ms" BIGINT NOT NULL,
    "raw" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "fills_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "positions" (
    "id" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "side" TEXT NOT NULL,
    "entry_price" DOUBLE PRECISION NOT NULL,
    "quantity" DOUBLE PRECISION NOT NULL,
    "leverage" DOUBLE PRECISION,
    "confidence" DOUBLE PRECISION,
    "entry_ts_ms" BIGINT NOT NULL,
    "commission" DOUBLE PRECISION,
    "status" TEXT NOT NULL DEFAULT 'open',
    "entry_oid" BIGINT,
    "sl_oid" BIGINT,
    "tp_oid" BIGINT,
    "stop_loss" DOUBLE PRECISION,
    "take_profit" DOUBLE PRECISION,
    "risk_usd" DOUBLE PRECISION,
    "invalidation_condition" TEXT,
    "wait_for_fill" BOOLEAN NOT NULL DEFAULT false,
    "slippage" DOUBLE PRECISION,
    "index_col" TEXT,
    "closed_pnl" DOUBLE PRECISION,
    "exit_ts_ms" BIGINT,
    "exit_price" DOUBLE PRECISION,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "positions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "trades" (
    "id" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "side" TEXT NOT NULL,
    "trade_type" TEXT,
    "quantity" DOUBLE PRECISION,
    "leverage" DOUBLE PRECISION,
    "confidence" DOUBLE PRECISION,
    "entry_price" DOUBLE PRECISION,
    "entry_ts_ms" BIGINT,
    "entry_oid" BIGINT,
    "entry_tid" BIGINT,
    "entry_sz" DOUBLE PRECISION,
    "entry_crossed" BOOLEAN,
    "entry_commission_dollars" DOUBLE PRECISION,
    "entry_closed_pnl" DOUBLE PRECISION,
    "entry_liquidation" JSONB,
    "exit_price" DOUBLE PRECISION,
    "exit_ts_ms" BIGINT,
    "exit_oid" BIGINT,
    "exit_tid" BIGINT,
    "exit_sz" DOUBLE PRECISION,
    "exit_crossed" BOOLEAN,
    "exit_commission_dollars" DOUBLE PRECISION,
    "exit_closed_pnl" DOUBLE PRECISION,
    "exit_liquidation" JSONB,
    "exit_plan" JSONB NOT NULL DEFAULT '{}',
    "exit_reason" TEXT,
    "realized_gross_pnl" DOUBLE PRECISION,
    "realized_net_pnl" DOUBLE PRECISION,
    "total_commission_dollars" DOUBLE PRECISION,
    "revision" INTEGER NOT NULL DEFAULT 0,
    "voided_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "trades_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "account_equity_snapshots" (
    "id" BIGSERIAL NOT NULL,
    "model_id" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "equity_usd" DOUBLE PRECISION NOT NULL,
    "realized_pnl" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "unrealized_pnl" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "cum_pnl_pct" DOUBLE PRECISION,
    "sharpe_ratio" DOUBLE PRECISION,
    "margin_used" DOUBLE PRECISION,
    "positions" JSONB NOT NULL DEFAULT '{}',
    "since_inception_hourly_marker" INTEGER,
    "since_inception_minute_marker" INTEGER,
    "run_id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "account_equity_snapshots_pkey" PRIMARY KEY ("id","ts_ms")
);

-- CreateTable
CREATE TABLE "price_ticks" (
    "id" BIGSERIAL NOT NULL,
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "seq" BIGINT NOT NULL,
    "source" TEXT NOT NULL DEFAULT 'hyperliquid',
    "ingested_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
) PARTITION BY RANGE ("ts_ms");

-- CreateTable
CREATE TABLE "price_candles" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "interval" TEXT NOT NULL,
    "open_ts_ms" BIGINT NOT NULL,
    "o" DOUBLE PRECISION NOT NULL,
    "h" DOUBLE PRECISION NOT NULL,
    "l" DOUBLE PRECISION NOT NULL,
    "c" DOUBLE PRECISION NOT NULL,
    "volume" DOUBLE PRECISION NOT NULL,
    "trades" INTEGER,

    CONSTRAINT "price_candles_pkey" PRIMARY KEY ("provider","symbol","interval","open_ts_ms")
);

-- CreateTable
CREATE TABLE "price_latest" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "price_latest_pkey" PRIMARY KEY ("provider","symbol")
);

-- CreateTable
CREATE TABLE "market_assets" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "base" TEXT NOT NULL,
    "quote" TEXT NOT NULL DEFAULT 'USD',
    "precision" INTEGER NOT NULL,
    "size_decimals" INTEGER NOT NULL,
    "max_leverage" DOUBLE PRECISION NOT NULL,
    "only_isolated" BOOLEAN NOT NULL DEFAULT false,
    "is_active" BOOLEAN NOT NULL DEFAULT true,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "market_assets_pkey" PRIMARY KEY ("provider","symbol")
);

-- CreateTable
CREATE TABLE "market_asset_ctx" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "mark_price" DOUBLE PRECISION NOT NULL,
    "mid_price" DOUBLE PRECISION,
    "oracle_price" DOUBLE PRECISION,
    "funding_rate" DOUBLE PRECISION,
    "open_interest" DOUBLE PRECISION,
    "volume_24h" DOUBLE PRECISION,
    "change_1h" DOUBLE PRECISION,
    "change_4h" DOUBLE PRECISION,

    CONSTRAINT "market_asset_ctx_pkey" PRIMARY KEY ("provider","symbol","ts_ms")
);

-- CreateTable
CREATE TABLE "funding_rates" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "ts_ms" BIGINT NOT NULL,
    "rate" DOUBLE PRECISION NOT NULL,
    "oracle_price" DOUBLE PRECISION NOT NULL,
    "seq" BIGINT NOT NULL,

    CONSTRAINT "funding_rates_pkey" PRIMARY KEY ("provider","symbol","ts_ms")
);

-- CreateTable
CREATE TABLE "ingest_cursors" (
    "provider" TEXT NOT NULL,
    "last_seq" BIGINT NOT NULL DEFAULT 0,
    "watermark_ms" BIGINT NOT NULL DEFAULT 0,
    "refused" BIGINT NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ingest_cursors_pkey" PRIMARY KEY ("provider")
);

-- CreateTable
CREATE TABLE "market_frames" (
    "market_provider" TEXT NOT NULL,
    "slot_ms" BIGINT NOT NULL,
    "digest" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "market_frames_pkey" PRIMARY KEY ("market_provider","slot_ms")
);

-- CreateTable
CREATE TABLE "conversations" (
    "id" BIGSERIAL NOT NULL,
    "model_id" TEXT NOT NULL,
    "decision_cycle_id" BIGINT,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "conversations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "conversation_messages" (
    "id" BIGSERIAL NOT NULL,
    "conversation_id" BIGINT NOT NULL,
    "role" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "ts_ms" BIGINT,
    "tokens" INTEGER,
    "metadata" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "conversation_messages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "decision_cycles" (
    "id" BIGSERIAL NOT NULL,
    "model_id" TEXT NOT NULL,
    "slot_ms" BIGINT NOT NULL,
    "cycle_number" INTEGER NOT NULL,
    "step" TEXT NOT NULL DEFAULT 'started',
    "lease_epoch" BIGINT NOT NULL DEFAULT 0,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "frame_slot_ms" BIGINT,
    "prompt_digest" TEXT,
    "prompt_version" TEXT,
    "config_digest" TEXT,
    "context" JSONB,
    "answer" JSONB,
    "cot_trace" TEXT,
    "decisions" JSONB,
    "rejected" JSONB,
    "orders" JSONB,
    "reserved_tokens" BIGINT NOT NULL DEFAULT 0,
    "reserved_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "prompt_tokens" INTEGER,
    "completion_tokens" INTEGER,
    "cost_usd" DOUBLE PRECISION,
    "latency_ms" INTEGER,
    "success" BOOLEAN NOT NULL DEFAULT false,
    "error_code" TEXT,
    "error_message" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "executed_at" TIMESTAMPTZ(3),

    CONSTRAINT "decision_cycles_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "model_analytics" (
    "model_id" TEXT NOT NULL,
    "payload" JSONB NOT NULL,
    "server_time_ms" BIGINT NOT NULL,
    "version" BIGINT NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "model_analytics_pkey" PRIMARY KEY ("model_id")
);

-- CreateTable
CREATE TABLE "trader_state" (
    "trader_id" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'running',
    "last_decision_at" TIMESTAMPTZ(3),
    "pause_until" TIMESTAMPTZ(3),
    "lease_until" TIMESTAMPTZ(3),
    "lease_epoch" BIGINT NOT NULL DEFAULT 0,
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "trader_state_pkey" PRIMARY KEY ("trader_id")
);

-- CreateTable
CREATE TABLE "llm_usage" (
    "model_id" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "requests" INTEGER NOT NULL DEFAULT 0,
    "reserved_tokens" BIGINT NOT NULL DEFAULT 0,
    "used_tokens" BIGINT NOT NULL DEFAULT 0,
    "reserved_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "cost_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,

    CONSTRAINT "llm_usage_pkey" PRIMARY KEY ("model_id","day")
);

-- CreateTable
CREATE TABLE "effects" (
    "id" BIGSERIAL NOT NULL,
    "kind" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "version" BIGINT NOT NULL DEFAULT 0,
    "ordinal" INTEGER NOT NULL DEFAULT 0,
    "payload" JSONB NOT NULL DEFAULT '{}',
    "lease_until" TIMESTAMPTZ(3),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "effects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "seasons" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,
    "starts" TIMESTAMPTZ(3),
    "ends" TIMESTAMPTZ(3),
    "state" TEXT NOT NULL DEFAULT 'planned',
    "final_ranking" JSONB,

    CONSTRAINT "seasons_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_log" (
    "id" BIGSERIAL NOT NULL,
    "who" TEXT NOT NULL,
    "what" TEXT NOT NULL,
    "target" TEXT,
    "before" JSONB,
    "after" JSONB,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "schedules" (
    "name" TEXT NOT NULL,
    "job" TEXT NOT NULL,
    "spec" JSONB NOT NULL,
    "payload" JSONB NOT NULL DEFAULT '{}',
    "policy" TEXT NOT NULL DEFAULT 'skip',
    "last_slot_ms" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "schedules_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "job_runs" (
    "id" BIGSERIAL NOT NULL,
    "queue" TEXT NOT NULL,
    "job" TEXT NOT NULL,
    "job_id" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "outcome" TEXT NOT NULL,
    "reason" TEXT,
    "model_id" TEXT,
    "slot_ms" BIGINT,
    "worker" TEXT,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3) NOT NULL,
    "error_code" TEXT,
    "error_message" TEXT,
    "payload" JSONB,

    CONSTRAINT "job_runs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "runs" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "settings" JSONB NOT NULL,
    "seed" TEXT NOT NULL,
    "market_now_ms" BIGINT,
    "start_ms" BIGINT,
    "end_ms" BIGINT,
    "state" TEXT NOT NULL DEFAULT 'running',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "runs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "paper_accounts" (
    "account" TEXT NOT NULL,
    "no" INTEGER NOT NULL,
    "initial_usd" DOUBLE PRECISION NOT NULL,
    "cash_usd" DOUBLE PRECISION NOT NULL,
    "next_oid" BIGINT NOT NULL DEFAULT 1,
    "next_seq" BIGINT NOT NULL DEFAULT 1,
    "turnover" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "paper_accounts_pkey" PRIMARY KEY ("account")
);

-- CreateTable
CREATE TABLE "paper_orders" (
    "oid" BIGINT NOT NULL,
    "account" TEXT NOT NULL,
    "cloid" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "side" TEXT NOT NULL,
    "size" DOUBLE PRECISION NOT NULL,
    "filled_size" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "avg_price" DOUBLE PRECISION,
    "limit_price" DOUBLE PRECISION,
    "trigger_px" DOUBLE PRECISION,
    "tpsl" TEXT,
    "tif" TEXT,
    "reduce_only" BOOLEAN NOT NULL DEFAULT false,
    "leverage" DOUBLE PRECISION,
    "status" TEXT NOT NULL,
    "error" TEXT,
    "placed_seq" BIGINT NOT NULL,
    "ts_ms" BIGINT NOT NULL,

    CONSTRAINT "paper_orders_pkey" PRIMARY KEY ("oid")
);

-- CreateTable
CREATE TABLE "paper_positions" (
    "account" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "size" DOUBLE PRECISION NOT NULL,
    "entry_price" DOUBLE PRECISION NOT NULL,
    "leverage" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "paper_positions_pkey" PRIMARY KEY ("account","symbol")
);

-- CreateTable
CREATE TABLE "paper_fills" (
    "account" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "oid" BIGINT,
    "cloid" TEXT,
    "symbol" TEXT NOT NULL,
    "side" TEXT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "size" DOUBLE PRECISION NOT NULL,
    "start_position" DOUBLE PRECISION NOT NULL,
    "fee_usd" DOUBLE PRECISION NOT NULL,
    "closed_pnl" DOUBLE PRECISION NOT NULL,
    "crossed" BOOLEAN NOT NULL DEFAULT true,
    "liquidation" BOOLEAN NOT NULL DEFAULT false,
    "kind" TEXT NOT NULL DEFAULT 'trade',
    "ts_ms" BIGINT NOT NULL,

    CONSTRAINT "paper_fills_pkey" PRIMARY KEY ("account","seq")
);

-- CreateTable
CREATE TABLE "paper_cursor" (
    "provider" TEXT NOT NULL,
    "seq" BIGINT NOT NULL DEFAULT 0,
    "ts_ms" BIGINT NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "paper_cursor_pkey" PRIMARY KEY ("provider")
);

-- CreateTable
CREATE TABLE "paper_marks" (
    "provider" TEXT NOT NULL,
    "symbol" TEXT NOT NULL,
    "price" DOUBLE PRECISION NOT NULL,
    "seq" BIGINT NOT NULL,
    "ts_ms" BIGINT NOT NULL,

    CONSTRAINT "paper_marks_pkey" PRIMARY KEY ("provider","symbol")
);

-- CreateIndex
CREATE INDEX "fills_model_id_symbol_ts_ms_idx" ON "fills"("model_id", "symbol", "ts_ms");

-- CreateIndex
CREATE INDEX "fills_model_id_seq_idx" ON "fills"("model_id", "seq");

-- CreateIndex
CREATE INDEX "positions_model_id_entry_ts_ms_idx" ON "positions"("model_id", "entry_ts_ms" DESC);

-- CreateIndex
CREATE INDEX "trades_model_id_entry_ts_ms_idx" ON "trades"("model_id", "entry_ts_ms" DESC);

-- CreateIndex
CREATE INDEX "trades_model_id_exit_ts_ms_idx" ON "trades"("model_id", "exit_ts_ms" DESC);

-- CreateIndex
CREATE INDEX "trades_exit_ts_ms_idx" ON "trades"("exit_ts_ms" DESC);

-- CreateIndex
CREATE INDEX "trades_exit_oid_idx" ON "trades"("exit_oid");

-- CreateIndex
CREATE UNIQUE INDEX "account_equity_snapshots_model_id_ts_ms_key" ON "account_equity_snapshots"("model_id", "ts_ms" DESC);

-- CreateIndex
CREATE INDEX "price_ticks_provider_seq_idx" ON "price_ticks"("provider", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "price_ticks_symbol_ts_ms_provider_key" ON "price_ticks"("symbol", "ts_ms" DESC, "provider");

-- CreateIndex
CREATE INDEX "funding_rates_provider_seq_idx" ON "funding_rates"("provider", "seq");

-- CreateIndex
CREATE INDEX "conversations_model_id_id_idx" ON "conversations"("model_id", "id" DESC);

-- CreateIndex
CREATE INDEX "conversations_decision_cycle_id_idx" ON "conversations"("decision_cycle_id");

-- CreateIndex
CREATE INDEX "conversation_messages_conversation_id_ts_ms_idx" ON "conversation_messages"("conversation_id", "ts_ms");

-- CreateIndex
CREATE INDEX "decision_cycles_model_id_executed_at_idx" ON "decision_cycles"("model_id", "executed_at" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "decision_cycles_model_id_slot_ms_key" ON "decision_cycles"("model_id", "slot_ms");

-- CreateIndex
CREATE UNIQUE INDEX "decision_cycles_model_id_cycle_number_key" ON "decision_cycles"("model_id", "cycle_number");

-- CreateIndex
CREATE INDEX "effects_kind_target_id_idx" ON "effects"("kind", "target", "id");

-- CreateIndex
CREATE UNIQUE INDEX "seasons_name_key" ON "seasons"("name");

-- CreateIndex
CREATE INDEX "audit_log_at_idx" ON "audit_log"("at" DESC);

-- CreateIndex
CREATE INDEX "job_runs_queue_finished_at_idx" ON "job_runs"("queue", "finished_at" DESC);

-- CreateIndex
CREATE INDEX "job_runs_model_id_finished_at_idx" ON "job_runs"("model_id", "finished_at" DESC);

-- CreateIndex
CREATE UNIQUE INDEX "paper_accounts_no_key" ON "paper_accounts"("no");

-- CreateIndex
CREATE UNIQUE INDEX "paper_orders_account_cloid_key" ON "paper_orders"("account", "cloid");
