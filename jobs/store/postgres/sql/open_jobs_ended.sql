-- Those of these jobs that have ended.
SELECT job_id FROM monarq.durable_jobs WHERE job_id = ANY($1) AND ended_at IS NOT NULL
