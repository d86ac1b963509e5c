-- Jobs into the outbox, durable ones also into their own table; the ids of those that are new.  What has an id that is
-- there already is left alone.  Other drivers get this text, too, with their own placeholders.
WITH asked AS (
    SELECT *
    FROM unnest(
        CAST($1 AS text[]),
        CAST($2 AS text[]),
        CAST($3 AS text[]),
        CAST($4 AS smallint[]),
        CAST($5 AS timestamptz[]),
        CAST($6 AS double precision[]),
        CAST($7 AS bytea[]),
        CAST($8 AS text[]),
        CAST($9 AS text[]),
        CAST($10 AS boolean[])
    ) AS jobs (job_id, queue, kind, rank, at, delay, head, digest, unique_rule, durable)
),
due AS (
    SELECT *, coalesce(at, clock_timestamp() + delay * interval '1 second') AS due_at FROM asked
),
durable AS (
    INSERT INTO monarq.durable_jobs (job_id, queue, kind, rank, due_at, head, digest, unique_rule)
    SELECT job_id, queue, kind, rank, due_at, head, digest, unique_rule
    FROM due
    WHERE due.durable AND NOT EXISTS (SELECT FROM monarq.outbox WHERE outbox.job_id = due.job_id)
    ON CONFLICT (job_id) DO NOTHING
    RETURNING job_id
)
INSERT INTO monarq.outbox (job_id, queue, kind, rank, due_at, head, digest, unique_rule)
SELECT job_id, queue, kind, rank, due_at, head, digest, unique_rule
FROM due
WHERE NOT due.durable OR job_id IN (SELECT job_id FROM durable)
ON CONFLICT (job_id) DO NOTHING
RETURNING job_id
