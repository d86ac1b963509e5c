-- Count the jobs of some spans ($2: when they begin) of so many minutes ($1) anew.  One span after the other, so that
-- each is found by the index (`starts >= 0`: see 0003_history.sql) in the day that it lies in.  The bounds are those
-- of jobs/histogram.py plus one: what takes exactly as long as a bound lies below it.
INSERT INTO monarq.rollups AS known
SELECT $1, span.began_at, counted.*
FROM unnest($2::timestamptz[]) AS span (began_at)
CROSS JOIN LATERAL (
    SELECT
        queue,
        kind,
        count(*) FILTER (WHERE state = 'succeeded'),
        count(*) FILTER (WHERE state = 'dead'),
        count(*) FILTER (WHERE state = 'cancelled'),
        count(*) FILTER (WHERE state = 'expired'),
        count(*) FILTER (WHERE state = 'succeeded' AND attempts > 1),
        sum(attempts),
        sum(starts),
        coalesce(sum(run_ms), 0),
        coalesce(sum(wait_ms), 0),
        ARRAY[
            count(*) FILTER (WHERE run_at = 0), count(*) FILTER (WHERE run_at = 1),
            count(*) FILTER (WHERE run_at = 2), count(*) FILTER (WHERE run_at = 3),
            count(*) FILTER (WHERE run_at = 4), count(*) FILTER (WHERE run_at = 5),
            count(*) FILTER (WHERE run_at = 6), count(*) FILTER (WHERE run_at = 7),
            count(*) FILTER (WHERE run_at = 8), count(*) FILTER (WHERE run_at = 9),
            count(*) FILTER (WHERE run_at = 10), count(*) FILTER (WHERE run_at = 11),
            count(*) FILTER (WHERE run_at = 12), count(*) FILTER (WHERE run_at = 13),
            count(*) FILTER (WHERE run_at = 14), count(*) FILTER (WHERE run_at = 15),
            count(*) FILTER (WHERE run_at = 16), count(*) FILTER (WHERE run_at = 17),
            count(*) FILTER (WHERE run_at = 18)
        ],
        ARRAY[
            count(*) FILTER (WHERE wait_at = 0), count(*) FILTER (WHERE wait_at = 1),
            count(*) FILTER (WHERE wait_at = 2), count(*) FILTER (WHERE wait_at = 3),
            count(*) FILTER (WHERE wait_at = 4), count(*) FILTER (WHERE wait_at = 5),
            count(*) FILTER (WHERE wait_at = 6), count(*) FILTER (WHERE wait_at = 7),
            count(*) FILTER (WHERE wait_at = 8), count(*) FILTER (WHERE wait_at = 9),
            count(*) FILTER (WHERE wait_at = 10), count(*) FILTER (WHERE wait_at = 11),
            count(*) FILTER (WHERE wait_at = 12), count(*) FILTER (WHERE wait_at = 13),
            count(*) FILTER (WHERE wait_at = 14), count(*) FILTER (WHERE wait_at = 15),
            count(*) FILTER (WHERE wait_at = 16), count(*) FILTER (WHERE wait_at = 17),
            count(*) FILTER (WHERE wait_at = 18)
        ]
    FROM (
        SELECT
            queue, kind, state, attempts, starts, run_ms, wait_ms,
            width_bucket(run_ms, b.bounds) AS run_at,
            width_bucket(wait_ms, b.bounds) AS wait_at
        FROM monarq.jobs
        CROSS JOIN (
            SELECT ARRAY[
                6, 11, 26, 51, 101, 251, 501, 1001, 2501, 5001, 10001, 30001, 60001, 120001, 300001, 600001, 1800001,
                3600001
            ]::bigint[]
        ) AS b (bounds)
        WHERE ended_at >= span.began_at AND ended_at < span.began_at + make_interval(mins => $1) AND starts >= 0
    ) AS ended
    GROUP BY queue, kind
) AS counted
ON CONFLICT (minutes, began_at, queue, kind) DO UPDATE SET
    (succeeded, dead, cancelled, expired, recovered) = ROW(
        excluded.succeeded, excluded.dead, excluded.cancelled, excluded.expired, excluded.recovered
    ),
    (attempts, starts, run_ms, wait_ms, run_counts, wait_counts) = ROW(
        excluded.attempts, excluded.starts, excluded.run_ms, excluded.wait_ms, excluded.run_counts, excluded.wait_counts
    )
-- jobs that have ended do not change: if there are no more of them, all is as it was
WHERE (known.succeeded, known.dead, known.cancelled, known.expired)
    <> (excluded.succeeded, excluded.dead, excluded.cancelled, excluded.expired)
