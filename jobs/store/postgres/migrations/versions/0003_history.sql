SELECT 1; -- filled in by its own step
