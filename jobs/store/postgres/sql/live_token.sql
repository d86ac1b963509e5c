-- A token that holds now, by its id, and its owner's grants.
SELECT t.id, t.name, t.hint, t.owner_id, t.grants, t.created_at, t.created_by, t.expires_at, t.last_used_at,
    t.revoked_at, owner.grants AS owner_grants
FROM monarq.api_tokens t LEFT JOIN monarq.users owner ON owner.id = t.owner_id
WHERE t.id = $1 AND t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
  AND (t.owner_id IS NULL OR owner.is_active)
