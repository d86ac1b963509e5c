-- How far the history is rolled up (NULL: not at all), what time it is, and when the next job ended that may not be
-- counted (`starts >= 0`: see 0003_history.sql).
SELECT
    progress.counted_until,
    progress.looked_at,
    now() AS now,
    (
        SELECT min(ended_at) FROM monarq.jobs
        WHERE ended_at >= coalesce(progress.counted_until, '-infinity') AND starts >= 0
    ) AS next_end
FROM (SELECT) AS once
LEFT JOIN monarq.rollup_progress AS progress ON true
