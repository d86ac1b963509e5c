-- One job that has ended, unless it is there already.
INSERT INTO monarq.jobs (
    job_id, ended_at, state, queue, kind, priority, tags, worker, attempts, starts, enqueued_at, started_at, run_ms,
    wait_ms, error_type, error_message, fingerprint, reason, by, payload, result
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
ON CONFLICT DO NOTHING
