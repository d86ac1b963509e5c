INSERT INTO monarq.rollup_progress (counted_until, looked_at) VALUES ($1, now())
ON CONFLICT (is_only) DO UPDATE SET counted_until = excluded.counted_until, looked_at = excluded.looked_at
