SELECT letter.job_id, letter.died_at
FROM monarq.dead_letters AS letter
JOIN unnest($1::text[], $2::timestamptz[]) AS given (job_id, died_at) USING (job_id, died_at)
WHERE letter.moved_at IS NOT NULL
