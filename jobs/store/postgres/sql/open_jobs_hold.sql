-- Those of these jobs that have not ended, and now cannot before this transaction does.
SELECT job_id, queue, kind, rank, due_at, head, unique_rule, created_at, clock_timestamp() - created_at AS age,
       fence, worker, spent
FROM monarq.durable_jobs
WHERE job_id = ANY($1) AND ended_at IS NULL
ORDER BY job_id
FOR UPDATE
