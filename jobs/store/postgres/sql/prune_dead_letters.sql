-- The oldest of one queue that died before $2; those that somebody is replaying are left to him.
DELETE FROM monarq.dead_letters AS letter
USING (
    SELECT job_id, died_at FROM monarq.dead_letters
    WHERE queue = $1 AND died_at < $2 AND moved_at IS NOT NULL
    ORDER BY died_at, job_id LIMIT $3 FOR UPDATE SKIP LOCKED
) AS old
WHERE letter.job_id = old.job_id AND letter.died_at = old.died_at
RETURNING letter.job_id, letter.died_at, substring(letter.body FROM 1 FOR 100) AS head
