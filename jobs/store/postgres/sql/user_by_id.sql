-- One user.
SELECT id, name, password_hash, grants, is_active, created_at, created_by, changed_at
FROM monarq.users WHERE id = $1
