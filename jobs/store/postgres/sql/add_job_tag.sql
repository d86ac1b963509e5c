-- One tag of a job that has ended, unless it is there already.
INSERT INTO monarq.job_tags (tag, ended_at, job_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
