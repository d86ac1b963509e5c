-- Rows that were set aside wait again; NULL for all of them.
UPDATE monarq.outbox
SET set_aside_at = NULL, reason = NULL
WHERE set_aside_at IS NOT NULL AND ($1::text[] IS NULL OR job_id = ANY($1))
RETURNING job_id
