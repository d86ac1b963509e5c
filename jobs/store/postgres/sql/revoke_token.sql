-- From now on it does not hold.  When it was revoked first stays.
UPDATE monarq.api_tokens SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING id
