-- Rows that cannot be sent, each with its reason.
UPDATE monarq.outbox
SET set_aside_at = clock_timestamp(), reason = told.reason
FROM unnest($1::text[], $2::text[]) AS told (job_id, reason)
WHERE outbox.job_id = told.job_id
