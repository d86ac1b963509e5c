-- Rows that are done with.
DELETE FROM monarq.outbox WHERE job_id = ANY($1)
