-- The queues that have letters, by a jump per queue through the index instead of a walk over all letters.
WITH RECURSIVE found AS (
    (SELECT queue FROM monarq.dead_letters WHERE moved_at IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT letter.queue FROM monarq.dead_letters AS letter
        WHERE letter.moved_at IS NOT NULL AND letter.queue > found.queue ORDER BY letter.queue LIMIT 1
    )
    FROM found WHERE found.queue IS NOT NULL
)
SELECT queue FROM found WHERE queue IS NOT NULL
