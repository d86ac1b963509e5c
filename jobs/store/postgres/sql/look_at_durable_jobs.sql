SELECT job_id, fence, worker, state, result, failure
FROM monarq.durable_jobs
WHERE job_id = ANY ($1::text[])
