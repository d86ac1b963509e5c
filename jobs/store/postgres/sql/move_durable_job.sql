-- A durable job that waits is due at another time, or has another priority.
UPDATE monarq.durable_jobs SET due_at = $2, rank = $3 WHERE job_id = $1 AND state IS NULL
