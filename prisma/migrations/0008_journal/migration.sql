-- Journal files are written by effects of their own.
ALTER TABLE effects DROP CONSTRAINT effects_kind;
ALTER TABLE effects ADD CONSTRAINT effects_kind CHECK (kind IN ('project', 'enqueue', 'stream', 'journal'));
