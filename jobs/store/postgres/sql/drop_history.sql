-- Drop the days that are older than this, whole; how many.
SELECT monarq.drop_history_before(((now() - $1::interval) AT TIME ZONE 'UTC')::date)
