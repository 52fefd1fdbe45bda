-- Which symbols a model closed a short while ago: asked in every cycle, so its cost may not grow with the history.
CREATE INDEX positions_closed ON positions (model_id, exit_ts_ms DESC) WHERE status = 'closed';

-- A position whose stop was not placed is closed again by a request of its own, which is a step.
ALTER TABLE decision_cycles DROP CONSTRAINT decision_cycles_step;
ALTER TABLE decision_cycles ADD CONSTRAINT decision_cycles_step
  CHECK (step IN ('started', 'asking', 'answered', 'sending', 'guarding', 'done'));
