-- Those of these jobs that a relay has still to send.  One that has a row in hand is waited for: it may have sent the job
-- to a Redis that has lost it since.
SELECT job_id FROM monarq.outbox WHERE job_id = ANY($1) ORDER BY job_id FOR KEY SHARE
