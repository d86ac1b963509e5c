-- Take some of the spans to which jobs were added late.  Their jobs were committed with them, so the next statement
-- sees them.
DELETE FROM monarq.late_ends
WHERE ctid = ANY (ARRAY(SELECT ctid FROM monarq.late_ends LIMIT $1))
RETURNING began_at
