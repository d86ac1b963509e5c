-- What went wrong with one job, in the order of its starts.
SELECT ended_at, number, cause, error_type, message, traceback, worker, began_at, finished_at
FROM monarq.attempts WHERE job_id = $1 ORDER BY ended_at, number
