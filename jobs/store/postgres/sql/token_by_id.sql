-- One token, whether it holds or not.
SELECT t.id, t.name, t.hint, t.owner_id, t.grants, t.created_at, t.created_by, t.expires_at, t.last_used_at,
    t.revoked_at, NULL::jsonb AS owner_grants
FROM monarq.api_tokens t WHERE t.id = $1
