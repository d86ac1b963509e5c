-- The partitions of one day, if they are missing.
SELECT monarq.make_history_days($1, 1)
