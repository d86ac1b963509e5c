-- Copies of which it is not known yet whether Redis holds their letters.
SELECT job_id, died_at, queue_entry FROM monarq.dead_letters
WHERE moved_at IS NULL ORDER BY job_id, died_at LIMIT $1
