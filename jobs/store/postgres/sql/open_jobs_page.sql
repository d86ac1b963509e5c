-- Jobs that have not ended, in the order in which they came; after this one.
SELECT created_at, job_id, queue, fence
FROM monarq.durable_jobs
WHERE ended_at IS NULL AND (created_at, job_id) > ($1, $2)
ORDER BY created_at, job_id
LIMIT $3
