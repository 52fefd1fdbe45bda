-- Effects are inserted by the statement that makes them, which takes less than a function that does it: with its call, its own plan and its
-- stored result it was a quarter of what storing a minute of the market cost.

DROP FUNCTION add_effects(JSONB, INTEGER);
