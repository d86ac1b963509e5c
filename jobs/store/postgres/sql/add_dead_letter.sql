-- A copy of a letter that Redis holds still.
INSERT INTO monarq.dead_letters (
    job_id, died_at, queue, queue_entry, kind, rank, fingerprint, starts, body, attempts,
    set_aside_names, set_aside_found, searchable
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (job_id, died_at) DO NOTHING
