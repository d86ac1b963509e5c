-- What became of a commit whose answer was lost: the lock waits until it is decided.
SELECT job_id, fence, worker, state, result, failure
FROM monarq.durable_jobs
WHERE job_id = $1
FOR UPDATE
