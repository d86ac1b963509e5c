-- One user, by a name in upper or lower case.
SELECT id, name, password_hash, grants, is_active, created_at, created_by, changed_at
FROM monarq.users WHERE lower(name) = lower($1)
