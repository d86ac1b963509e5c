-- What is NULL stays as it is.
UPDATE monarq.users SET
    password_hash = coalesce($2, password_hash),
    grants = coalesce($3::jsonb, grants),
    is_active = coalesce($4, is_active),
    changed_at = clock_timestamp()
WHERE id = $1
RETURNING id, name, password_hash, grants, is_active, created_at, created_by, changed_at
