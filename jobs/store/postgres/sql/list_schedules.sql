-- There are as many as the apps have cron jobs: few.
SELECT
    queue, name, kind, times, timezone, is_unique, next_due_at, last_due_at, last_job_id, seen_at, worker
FROM monarq.schedules
ORDER BY queue, name
