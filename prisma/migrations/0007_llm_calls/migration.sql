-- AlterTable
ALTER TABLE "decision_cycles" ADD COLUMN     "context_digest" TEXT,
ADD COLUMN     "llm_cached" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "llm_calls" INTEGER NOT NULL DEFAULT 0;
