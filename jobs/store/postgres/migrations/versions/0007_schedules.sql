CREATE TABLE monarq.schedules (
    queue       text COLLATE "C" NOT NULL,
    -- two apps may have schedules of one name, in queues of their own
    name        text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    -- in words
    times       text NOT NULL,
    timezone    text NOT NULL,
    is_unique   boolean NOT NULL,
    next_due_at timestamptz,
    last_due_at timestamptz,
    last_job_id text,
    -- the worker that had it last, and when
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    worker      text NOT NULL,
    PRIMARY KEY (queue, name)
)
-- a few rows, written often: new versions find room beside the old ones
WITH (fillfactor = 50);

COMMENT ON TABLE monarq.schedules IS 'Cron jobs, as the workers that have them say';
