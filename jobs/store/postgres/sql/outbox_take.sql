-- The oldest rows that nobody else has taken.  No cursor and no order of ids decides what is seen: a row that was
-- written early and committed late is found all the same.
SELECT
    job_id, queue, kind, rank,
    CAST(extract(epoch FROM due_at) * 1000 AS double precision) AS due_ms,
    head, digest, unique_rule
FROM monarq.outbox
WHERE set_aside_at IS NULL
ORDER BY created_at, job_id
FOR UPDATE SKIP LOCKED
LIMIT $1
