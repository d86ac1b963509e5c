-- Schedules that no worker has had for so long.
DELETE FROM monarq.schedules WHERE seen_at < clock_timestamp() - $1::interval
