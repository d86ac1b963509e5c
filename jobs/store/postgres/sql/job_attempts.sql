-- What went wrong with one job, in the order of its starts.
SELECT * FROM monarq.attempts WHERE job_id = $1 ORDER BY ended_at, number
