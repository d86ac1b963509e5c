-- How many jobs have not ended.
SELECT count(*) FROM monarq.durable_jobs WHERE ended_at IS NULL
