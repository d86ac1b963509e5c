-- Add the spans of five minutes up to hours ($1: when they begin), anew.
INSERT INTO monarq.rollups AS known
SELECT
    60,
    hour.began_at,
    queue,
    kind,
    sum(succeeded),
    sum(dead),
    sum(cancelled),
    sum(expired),
    sum(recovered),
    sum(attempts),
    sum(starts),
    sum(run_ms),
    sum(wait_ms),
    ARRAY[
        sum(run_counts[1]), sum(run_counts[2]), sum(run_counts[3]), sum(run_counts[4]),
        sum(run_counts[5]), sum(run_counts[6]), sum(run_counts[7]), sum(run_counts[8]),
        sum(run_counts[9]), sum(run_counts[10]), sum(run_counts[11]), sum(run_counts[12]),
        sum(run_counts[13]), sum(run_counts[14]), sum(run_counts[15]), sum(run_counts[16]),
        sum(run_counts[17]), sum(run_counts[18]), sum(run_counts[19])
    ],
    ARRAY[
        sum(wait_counts[1]), sum(wait_counts[2]), sum(wait_counts[3]), sum(wait_counts[4]),
        sum(wait_counts[5]), sum(wait_counts[6]), sum(wait_counts[7]), sum(wait_counts[8]),
        sum(wait_counts[9]), sum(wait_counts[10]), sum(wait_counts[11]), sum(wait_counts[12]),
        sum(wait_counts[13]), sum(wait_counts[14]), sum(wait_counts[15]), sum(wait_counts[16]),
        sum(wait_counts[17]), sum(wait_counts[18]), sum(wait_counts[19])
    ]
FROM unnest($1::timestamptz[]) AS hour (began_at)
JOIN monarq.rollups AS five
    ON five.minutes = 5 AND five.began_at >= hour.began_at AND five.began_at < hour.began_at + interval '1 hour'
GROUP BY hour.began_at, queue, kind
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
