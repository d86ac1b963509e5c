INSERT INTO monarq.audit (actor, place, action, subject, detail) VALUES ($1, $2, $3, $4, $5::jsonb)
