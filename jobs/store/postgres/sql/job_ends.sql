-- All ends of one job, the newest first.
SELECT * FROM monarq.jobs WHERE job_id = $1 ORDER BY ended_at DESC
