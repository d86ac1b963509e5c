-- The attempt ($2, of the worker $3, after $4 spent ones) is about to work in a transaction.  Waits for one that is
-- just ending.
UPDATE monarq.durable_jobs
SET fence = $2, worker = $3, spent = $4
WHERE job_id = $1 AND state IS NULL AND (fence < $2 OR (fence = $2 AND worker = $3))
RETURNING job_id
