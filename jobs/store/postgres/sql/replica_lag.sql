-- Seconds that this server is behind its primary; 0 if it is one, or has replayed all that it receives.  One that
-- receives nothing any more is as old as what it replayed last; one that replayed nothing yet, nobody knows how old.
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 0
    WHEN EXISTS (SELECT FROM pg_stat_wal_receiver)
        AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 'infinity')
END::float8
