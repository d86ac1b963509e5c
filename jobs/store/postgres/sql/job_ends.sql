-- All ends of one job, the newest first.
SELECT
    job_id, ended_at, state, queue, kind, priority, tags, worker, attempts, starts, enqueued_at, started_at, run_ms,
    wait_ms, error_type, error_message, fingerprint, reason, by, payload, result
FROM monarq.jobs WHERE job_id = $1 ORDER BY ended_at DESC
