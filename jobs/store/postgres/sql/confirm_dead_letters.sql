-- Redis has given these letters away: the copies are the letters now.
UPDATE monarq.dead_letters AS letter SET moved_at = clock_timestamp()
FROM unnest($1::text[], $2::timestamptz[]) AS given (job_id, died_at)
WHERE letter.job_id = given.job_id AND letter.died_at = given.died_at AND letter.moved_at IS NULL
