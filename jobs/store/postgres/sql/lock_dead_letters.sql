-- Who locks them replays them; who comes second finds them gone.  In one order, so that two cannot block each other.
SELECT letter.job_id, letter.died_at, letter.rank, letter.starts, letter.body, letter.attempts
FROM monarq.dead_letters AS letter
JOIN unnest($1::text[], $2::timestamptz[]) AS given (job_id, died_at) USING (job_id, died_at)
WHERE letter.moved_at IS NOT NULL
ORDER BY letter.job_id, letter.died_at
FOR UPDATE OF letter
