-- Of the $2 oldest acts, those that are older than $1.  Ids are given in the order of time.
DELETE FROM monarq.audit WHERE id IN (
    SELECT id FROM (SELECT id, at FROM monarq.audit ORDER BY id LIMIT $2) AS oldest
    WHERE at < clock_timestamp() - $1::interval
)
