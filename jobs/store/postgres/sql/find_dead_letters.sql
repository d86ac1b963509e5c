-- Letters by their ids, the newest of each id first.
SELECT job_id, died_at, queue_entry, body, attempts[cardinality(attempts)] AS failure
FROM monarq.dead_letters
WHERE job_id = ANY($1::text[]) AND moved_at IS NOT NULL
ORDER BY queue, died_at DESC, job_id
