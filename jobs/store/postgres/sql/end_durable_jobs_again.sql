-- Of durable jobs that were reopened for letters which somebody else has discarded meanwhile.
UPDATE monarq.durable_jobs SET state = 'dead', ended_at = clock_timestamp()
WHERE job_id = ANY($1::text[]) AND state IS NULL
