UPDATE monarq.durable_jobs
SET state = 'succeeded', ended_at = clock_timestamp(), result = $4
WHERE job_id = $1 AND fence = $2 AND worker = $3 AND state IS NULL
RETURNING job_id
