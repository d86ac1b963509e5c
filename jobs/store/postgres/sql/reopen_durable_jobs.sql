-- Of letters that are about to be replayed: their durable jobs have not ended any more.  One that is no longer
-- remembered is written anew; one that has been started since the letter died belongs to a later life.  What the end
-- left beside its state stays, should the reopening be undone.
INSERT INTO monarq.durable_jobs AS job (job_id, queue, kind, rank, head, digest, fence)
SELECT letter.job_id, letter.queue, letter.kind, letter.rank, given.head, given.digest, letter.starts
FROM unnest($1::text[], $2::timestamptz[], $3::bytea[], $4::text[]) AS given (job_id, died_at, head, digest)
JOIN monarq.dead_letters AS letter USING (job_id, died_at)
WHERE letter.moved_at IS NOT NULL
ORDER BY letter.job_id
ON CONFLICT (job_id) DO UPDATE
    SET state = NULL, ended_at = NULL, spent = 0, due_at = NULL, head = excluded.head
    WHERE job.state = 'dead' AND job.fence <= excluded.fence
RETURNING job_id
