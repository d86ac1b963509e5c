-- Rows that were set aside are gone; NULL for all of them.
DELETE FROM monarq.outbox
WHERE set_aside_at IS NOT NULL AND ($1::text[] IS NULL OR job_id = ANY($1))
RETURNING job_id, queue, head
