-- The partitions of yesterday (what ended there may still come) and of the next days; how many days were missing.
SELECT monarq.make_history_days((now() AT TIME ZONE 'UTC')::date - 1, $1 + 2)
