-- Rows that could not be sent, the newest first.
SELECT job_id, queue, kind, created_at, set_aside_at, reason
FROM monarq.outbox
WHERE set_aside_at IS NOT NULL
ORDER BY set_aside_at DESC, job_id DESC
LIMIT $1
