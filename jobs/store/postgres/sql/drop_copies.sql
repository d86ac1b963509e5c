-- Copies of letters that were replayed or discarded in Redis before they could move.
DELETE FROM monarq.dead_letters AS letter
USING unnest($1::text[], $2::timestamptz[]) AS given (job_id, died_at)
WHERE letter.job_id = given.job_id AND letter.died_at = given.died_at AND letter.moved_at IS NULL
