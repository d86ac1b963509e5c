-- Planned with the values at hand, so that what is NULL costs nothing and each filter has its index.
SELECT id, at, actor, place, action, subject, detail FROM monarq.audit
WHERE ($1::text IS NULL OR actor = $1)
  AND ($2::text IS NULL OR action = $2)
  AND ($3::text IS NULL OR subject = $3)
  AND ($4::bigint IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5
