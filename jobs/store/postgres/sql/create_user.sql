-- One user, unless the name is taken: then no row.
INSERT INTO monarq.users (id, name, password_hash, grants, created_by)
VALUES ($1, $2, $3, $4::jsonb, $5)
ON CONFLICT (lower(name)) DO NOTHING
RETURNING id, name, password_hash, grants, is_active, created_at, created_by, changed_at
