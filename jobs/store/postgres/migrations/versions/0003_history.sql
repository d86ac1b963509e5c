-- Each table has one partition per day (UTC) of the end of the job.  There is no default partition: with one, what
-- is read newest first could not be read day by day.
CREATE TABLE monarq.jobs (
    job_id        text COLLATE "C" NOT NULL,
    ended_at      timestamptz NOT NULL,
    state         text COLLATE "C" NOT NULL CHECK (state IN ('succeeded', 'dead', 'cancelled', 'expired')),
    queue         text COLLATE "C" NOT NULL,
    kind          text COLLATE "C" NOT NULL,
    priority      text COLLATE "C" NOT NULL CHECK (priority IN ('critical', 'high', 'normal', 'low')),
    tags          text[] NOT NULL DEFAULT '{}',
    -- of the last attempt; NULL if there was none
    worker        text COLLATE "C",
    -- those that count against the budget, and all starts
    attempts      integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    starts        integer NOT NULL DEFAULT 0 CHECK (starts >= 0),
    enqueued_at   timestamptz,
    -- of the last attempt
    started_at    timestamptz,
    run_ms        bigint,
    -- from when it was due to the start of the last attempt
    wait_ms       bigint,
    error_type    text,
    error_message text,
    -- Runs of letters, digits and underscores, and the parts of the type's name: `httpx.ReadTimeout` is found by
    -- httpx, readtimeout, read and timeout.  NULL where there is no error.
    error_words   tsvector GENERATED ALWAYS AS (
        to_tsvector('simple', regexp_replace(left(coalesce(
            error_type || ' ' || regexp_replace(error_type, '([a-z])([A-Z])', '\1 \2', 'g')
                || coalesce(' ' || error_message, ''),
            error_message
        ), 8000), '\W+', ' ', 'g'))
    ) STORED,
    -- the same for failures that look like the same bug
    fingerprint   text COLLATE "C",
    -- why it was cancelled and the like, and by whom
    reason        text,
    by            text,
    payload       jsonb,
    result        jsonb,
    -- a replayed job has a row for each of its ends
    PRIMARY KEY (job_id, ended_at)
) PARTITION BY RANGE (ended_at);
COMMENT ON TABLE monarq.jobs IS 'Jobs that have ended';

CREATE TABLE monarq.attempts (
    job_id      text COLLATE "C" NOT NULL,
    -- of the job, so that both lie in partitions of the same day
    ended_at    timestamptz NOT NULL,
    -- of the start, from 1
    number      integer NOT NULL,
    cause       text NOT NULL,
    error_type  text,
    message     text,
    traceback   text,
    worker      text,
    began_at    timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (job_id, ended_at, number)
) PARTITION BY RANGE (ended_at);
COMMENT ON TABLE monarq.attempts IS 'What went wrong with jobs that have ended, attempt by attempt';

-- What finds the errors that have all of these words; `time*` stands for all that begin with it.
CREATE FUNCTION monarq.error_query(words text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsquery('simple', string_agg(found[1] || CASE found[2] WHEN '*' THEN ':*' ELSE '' END, ' & '))
    FROM regexp_matches(words, '(\w+)(\*?)', 'g') AS found
$$;

-- Job ids break the ties of one moment, which are few: they are left out of the indexes, which are a third as large
-- without them.
CREATE INDEX jobs_state ON monarq.jobs (state, ended_at);
CREATE INDEX jobs_queue ON monarq.jobs (queue, ended_at);
CREATE INDEX jobs_kind ON monarq.jobs (kind, ended_at);
CREATE INDEX jobs_priority ON monarq.jobs (priority, ended_at);
CREATE INDEX jobs_worker ON monarq.jobs (worker, ended_at) WHERE worker IS NOT NULL;
CREATE INDEX jobs_fingerprint ON monarq.jobs (fingerprint, ended_at) WHERE fingerprint IS NOT NULL;
CREATE INDEX jobs_kind_run ON monarq.jobs (kind, run_ms, ended_at) WHERE run_ms IS NOT NULL;

-- To walk along in an order while looking for what another index finds.  PostgreSQL thinks that quicker than it is:
-- what it looks for may lie at the far end.  So it sees them only if the search says what all rows fulfil: `starts >=
-- 0` by time, `attempts >= 0` by run time; and where an index above has both the value and the order, none says it.
CREATE INDEX jobs_end ON monarq.jobs (ended_at) WHERE starts >= 0;
CREATE INDEX jobs_failed ON monarq.jobs (ended_at) WHERE error_words IS NOT NULL AND starts >= 0;
CREATE INDEX jobs_run ON monarq.jobs (run_ms, ended_at) WHERE run_ms IS NOT NULL AND attempts >= 0;

-- What waits to be sorted into one of these is read from end to end by each search, so it is kept short.
CREATE INDEX jobs_tags ON monarq.jobs USING gin (tags) WITH (gin_pending_list_limit = 512);
CREATE INDEX jobs_payload ON monarq.jobs USING gin (payload jsonb_path_ops) WITH (gin_pending_list_limit = 512);
CREATE INDEX jobs_error ON monarq.jobs USING gin (error_words) WITH (gin_pending_list_limit = 512);

-- Make the partitions of `days` days from `first` on, where they are missing; how many days were.
-- Several at once take turns.  A table is made first and then attached: that locks out neither reads nor writes.
CREATE FUNCTION monarq.make_history_days(first date, days integer) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    day     date;
    parent  text;
    made    integer := 0;
BEGIN
    IF NOT EXISTS (
        SELECT FROM generate_series(0, days - 1) AS n
        WHERE to_regclass('monarq.jobs_' || to_char(first + n, 'YYYYMMDD')) IS NULL
    ) THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('monarq.history_days'));
    FOR day IN SELECT first + n FROM generate_series(0, days - 1) AS n LOOP
        -- not to_regclass, which may remember from above what was not there before the lock was free
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_class
            WHERE relnamespace = 'monarq'::regnamespace AND relname = 'jobs_' || to_char(day, 'YYYYMMDD')
        );
        FOREACH parent IN ARRAY ARRAY['attempts', 'jobs'] LOOP
            EXECUTE format(
                'CREATE TABLE monarq.%I (LIKE monarq.%I INCLUDING ALL)',
                parent || to_char(day, '_YYYYMMDD'), parent
            );
            EXECUTE format(
                'ALTER TABLE monarq.%I ATTACH PARTITION monarq.%I FOR VALUES FROM (%L) TO (%L)',
                parent, parent || to_char(day, '_YYYYMMDD'), day || ' 00:00:00+00', day + 1 || ' 00:00:00+00'
            );
        END LOOP;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Drop all days before `day`, with everything in them; how many days that were.  It waits no longer than two
-- seconds for those who read: what could not be dropped now is dropped by a later call.
CREATE FUNCTION monarq.drop_history_before(day date) RETURNS integer
    LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    suffix  text;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('monarq.history_days'));
    FOR suffix IN
        SELECT substring(child.relname FROM '_\d{8}$')
        FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = 'monarq.jobs'::regclass AND child.relname < 'jobs_' || to_char(day, 'YYYYMMDD')
        ORDER BY 1
    LOOP
        EXECUTE format(
            'DROP TABLE IF EXISTS monarq.%I, monarq.%I', 'jobs' || suffix, 'attempts' || suffix
        );
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END
$$;
