-- A page of users, by id, after the one that the last page ended with.
SELECT id, name, password_hash, grants, is_active, created_at, created_by, changed_at
FROM monarq.users WHERE id > $1 ORDER BY id LIMIT $2
