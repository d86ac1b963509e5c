-- Ends of attempts that no later one has followed, also of such whose begin nobody could write down:
-- $1 job ids, $2 numbers, $3 workers, $4 states, $5 results, $6 failures, $7 when (NULL: now).
UPDATE monarq.durable_jobs AS job
SET fence = ended.fence, worker = ended.worker, state = ended.state,
    ended_at = coalesce(ended.ended_at, clock_timestamp()), result = ended.result, failure = ended.failure
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::timestamptz[])
    AS ended (job_id, fence, worker, state, result, failure, ended_at)
WHERE job.job_id = ended.job_id
  AND job.state IS NULL
  AND (job.fence < ended.fence OR (job.fence = ended.fence AND job.worker = ended.worker))
RETURNING job.job_id
