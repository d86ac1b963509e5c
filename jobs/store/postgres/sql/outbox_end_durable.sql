-- Durable jobs that will never be sent; each with the record of its end.
UPDATE monarq.durable_jobs
SET state = 'cancelled', ended_at = clock_timestamp(), result = told.result
FROM unnest($1::text[], $2::bytea[]) AS told (job_id, result)
WHERE durable_jobs.job_id = told.job_id AND state IS NULL
