SELECT attempts, set_aside_names, set_aside_found FROM monarq.dead_letters WHERE job_id = $1 AND died_at = $2
