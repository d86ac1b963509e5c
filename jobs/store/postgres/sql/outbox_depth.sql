-- How many rows wait, how old the oldest of them is, and how many are set aside.
SELECT
    (SELECT count(*) FROM monarq.outbox WHERE set_aside_at IS NULL),
    (SELECT CAST(extract(epoch FROM clock_timestamp() - min(created_at)) AS double precision)
     FROM monarq.outbox WHERE set_aside_at IS NULL),
    (SELECT count(*) FROM monarq.outbox WHERE set_aside_at IS NOT NULL)
