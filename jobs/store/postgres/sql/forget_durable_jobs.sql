-- Ended jobs that are older than $1, and dead ones that are older than $2 (NULL: none), at most $3 of them.
DELETE FROM monarq.durable_jobs
WHERE job_id IN (
    SELECT job_id
    FROM monarq.durable_jobs
    WHERE ended_at < clock_timestamp() - CASE WHEN state = 'dead' THEN $2::interval ELSE $1::interval END
      AND ended_at < clock_timestamp() - $1::interval
    ORDER BY ended_at, job_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
