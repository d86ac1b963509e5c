-- One token.
INSERT INTO monarq.api_tokens AS t (id, name, digest, hint, owner_id, grants, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)
RETURNING t.id, t.name, t.hint, t.owner_id, t.grants, t.created_at, t.created_by, t.expires_at,
    t.last_used_at, t.revoked_at, NULL::jsonb AS owner_grants
