-- Begin this epoch, unless it or a later one has begun.
INSERT INTO monarq.epochs AS known (epoch) VALUES ($1)
ON CONFLICT (is_current) DO UPDATE
SET epoch = excluded.epoch, beat = 0, run_id = '', began_at = clock_timestamp()
WHERE known.epoch < excluded.epoch
RETURNING epoch
