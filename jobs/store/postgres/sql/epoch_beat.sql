-- Redis has had this beat.  Of all that tell it about once in two seconds, one a second is enough.
UPDATE monarq.epochs
SET beat = greatest(beat, $2::bigint), run_id = CASE run_id WHEN '' THEN $3 ELSE run_id END
WHERE epoch = $1 AND (beat < $2::bigint - 1000 OR run_id = '')
