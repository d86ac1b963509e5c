-- Durable jobs that wait, as a later enqueue with the same unique key has changed them: their content (NULL: as it
-- was), their priority, and when they are due (NULL: at once).
UPDATE monarq.durable_jobs
SET head = coalesce(told.head, durable_jobs.head),
    rank = coalesce(told.rank, durable_jobs.rank),
    due_at = told.due_at
FROM unnest($1::text[], $2::bytea[], $3::smallint[], $4::timestamptz[]) AS told (job_id, head, rank, due_at)
WHERE durable_jobs.job_id = told.job_id AND state IS NULL
