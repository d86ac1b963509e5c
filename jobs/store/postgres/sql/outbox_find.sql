-- A job that is not in Redis yet, or that could not be sent there.
SELECT job_id, queue, kind, rank, due_at, head, created_at, set_aside_at, reason
FROM monarq.outbox
WHERE job_id = $1
