-- The life of the Redis beside this database, if it has had one.
SELECT epoch, beat, run_id FROM monarq.epochs
