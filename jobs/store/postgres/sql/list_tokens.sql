-- A page of tokens, of all owners ($3 is NULL) or of one, after the one that the last page ended with.
SELECT t.id, t.name, t.hint, t.owner_id, t.grants, t.created_at, t.created_by, t.expires_at, t.last_used_at,
    t.revoked_at, NULL::jsonb AS owner_grants
FROM monarq.api_tokens t
WHERE t.id > $1 AND ($3::text IS NULL OR t.owner_id = $3)
ORDER BY t.id LIMIT $2
