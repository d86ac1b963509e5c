-- The user, and the tokens that they own.
DELETE FROM monarq.users WHERE id = $1 RETURNING id
