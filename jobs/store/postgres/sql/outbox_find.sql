-- A job that is not in Redis yet, or that could not be sent there.  Anybody may write a row: a time that no clock tells
-- is left out.
SELECT
    job_id, queue, kind, rank, CASE WHEN due_at BETWEEN '1970-01-01' AND '9999-12-31' THEN due_at END, head, created_at,
    set_aside_at, reason
FROM monarq.outbox
WHERE job_id = $1
