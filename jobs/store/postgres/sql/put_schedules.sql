-- A worker ($10) has these schedules.  One that has just begun knows of no last instant, and one that was frozen of an
-- older one.  In one order, so that two workers cannot block each other.
INSERT INTO monarq.schedules AS known (
    queue, name, kind, times, timezone, is_unique, next_due_at, last_due_at, last_job_id, worker
)
SELECT told.*, $10
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[], $8::timestamptz[],
    $9::text[]
) AS told (queue, name, kind, times, timezone, is_unique, next_due_at, last_due_at, last_job_id)
ORDER BY told.queue, told.name
ON CONFLICT (queue, name) DO UPDATE SET
    kind = excluded.kind,
    times = excluded.times,
    timezone = excluded.timezone,
    is_unique = excluded.is_unique,
    next_due_at = excluded.next_due_at,
    last_due_at = greatest(known.last_due_at, excluded.last_due_at),
    last_job_id = CASE
        WHEN known.last_due_at IS NULL OR excluded.last_due_at >= known.last_due_at THEN excluded.last_job_id
        ELSE known.last_job_id
    END,
    seen_at = excluded.seen_at,
    worker = excluded.worker
