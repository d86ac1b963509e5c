-- With the beginning of each envelope, which tells of a unique key.
DELETE FROM monarq.dead_letters AS letter
USING unnest($1::text[], $2::timestamptz[]) AS given (job_id, died_at)
WHERE letter.job_id = given.job_id AND letter.died_at = given.died_at AND letter.moved_at IS NOT NULL
RETURNING letter.job_id, letter.died_at, substring(letter.body FROM 1 FOR 100) AS head
