SELECT letter.job_id, letter.died_at, letter.attempts, letter.set_aside_names, letter.set_aside_found
FROM monarq.dead_letters AS letter
JOIN unnest($1::text[], $2::timestamptz[]) AS given (job_id, died_at) USING (job_id, died_at)
