INSERT INTO monarq.audit (
    actor, actor_id, means, role, address, place, action, subject, queue, kind, result, request_id,
    before, after, detail
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14::jsonb, $15::jsonb)
