-- What there is to know of a server, and of the way to it, before it is trusted.
SELECT
    current_setting('server_version_num')::integer AS version,
    current_setting('server_version') AS version_name,
    pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS is_read_only,
    current_setting('server_encoding') AS encoding,
    current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean AS survives_crashes,
    current_setting('synchronous_commit') <> 'off' AS waits_for_disk,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer AS room,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer AS connections,
    -- 0 if there is none, or if we may not see it
    coalesce((
        SELECT extract(epoch FROM max(clock_timestamp() - xact_start))
        FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
    ), 0)::float8 AS oldest_transaction,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
        OR coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1', true) AS is_private,
    pg_backend_pid() AS pid,
    extract(epoch FROM clock_timestamp())::float8 AS clock,
    to_regclass('monarq.migrations') IS NOT NULL AS has_tables
