SELECT max(looked_at) FROM monarq.rollup_progress
