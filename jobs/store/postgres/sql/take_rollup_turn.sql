-- Whether the caller may roll up now; until its transaction ends, nobody else may.
SELECT pg_try_advisory_xact_lock(hashtext('monarq.rollups'))
