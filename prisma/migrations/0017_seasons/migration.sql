-- Seasons with a ranking that nobody changes, and what became of each participant.

-- AlterTable
ALTER TABLE "models" ADD COLUMN "config_digest" TEXT;

-- AlterTable
ALTER TABLE "seasons"
  ALTER COLUMN "starts" SET NOT NULL,
  ALTER COLUMN "state" SET DEFAULT 'running',
  ADD COLUMN "opening" JSONB NOT NULL DEFAULT '{}',
  ADD COLUMN "frozen_at" TIMESTAMPTZ(3),
  ADD COLUMN "reset_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "model_history" (
    "id" BIGSERIAL NOT NULL,
    "model_id" TEXT NOT NULL,
    "what" TEXT NOT NULL,
    "who" TEXT NOT NULL,
    "config_digest" TEXT,
    "prompt_digest" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "model_history_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "model_history_model_id_id_idx" ON "model_history"("model_id", "id" DESC);

ALTER TABLE model_history ADD CONSTRAINT model_history_what CHECK (what IN ('added', 'configured', 'retired'));

ALTER TABLE seasons
  ADD CONSTRAINT seasons_state CHECK (state IN ('running', 'ended', 'frozen')),
  ADD CONSTRAINT seasons_ended CHECK (state = 'running' OR ends IS NOT NULL),
  ADD CONSTRAINT seasons_frozen CHECK ((state = 'frozen') = (final_ranking IS NOT NULL) AND (state = 'frozen') = (frozen_at IS NOT NULL));
-- One at a time.
CREATE UNIQUE INDEX seasons_one_open ON seasons ((true)) WHERE state <> 'frozen';

-- Whoever writes to the database: a final ranking stays what it is.
CREATE FUNCTION keep_season() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.reset_at IS NULL AND to_jsonb(NEW) - 'reset_at' = to_jsonb(OLD) - 'reset_at' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'season "%" is frozen: its ranking is not changed any more', OLD.name;
END
$$;
CREATE TRIGGER seasons_kept BEFORE UPDATE OR DELETE ON seasons
  FOR EACH ROW WHEN (OLD.state = 'frozen') EXECUTE FUNCTION keep_season();
