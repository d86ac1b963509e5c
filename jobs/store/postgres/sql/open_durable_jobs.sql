-- These attempts have begun: $1 job ids, $2 their numbers, $3 the attempts spent before, $4 their worker.
-- What somebody has locked is passed over and not waited for: its neighbours must not suffer.
UPDATE monarq.durable_jobs AS job
SET fence = begun.fence, worker = $4, spent = begun.spent
FROM (
    SELECT held.job_id, asked.fence, asked.spent
    FROM unnest($1::text[], $2::bigint[], $3::integer[]) AS asked (job_id, fence, spent)
    JOIN monarq.durable_jobs AS held USING (job_id)
    FOR UPDATE OF held SKIP LOCKED
) AS begun
WHERE job.job_id = begun.job_id
  AND job.state IS NULL
  AND (job.fence < begun.fence OR (job.fence = begun.fence AND job.worker = $4))
RETURNING job.job_id
