-- What tells the contents apart of jobs that are in the outbox, or durable.
SELECT job_id, digest FROM monarq.outbox WHERE job_id = ANY(CAST($1 AS text[]))
UNION ALL
SELECT job_id, digest FROM monarq.durable_jobs WHERE job_id = ANY(CAST($1 AS text[]))
