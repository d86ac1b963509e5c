SELECT queue, count(*) AS number FROM monarq.dead_letters
WHERE moved_at IS NOT NULL AND ($1::text IS NULL OR queue = $1) GROUP BY queue
