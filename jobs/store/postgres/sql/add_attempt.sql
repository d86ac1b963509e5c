-- One attempt of a job that has ended, unless it is there already.
INSERT INTO monarq.attempts (
    job_id, ended_at, number, cause, error_type, message, traceback, worker, began_at, finished_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
